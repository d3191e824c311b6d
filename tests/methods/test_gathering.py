"""What runs say of operators, split and bounded."""

import numpy as np
import pytest

from lissom.graph.site import sites
from lissom.measure.calibration import Calibration
from lissom.methods import gathering
from lissom.methods.gathering import Gathering, Spool, batches, gathered, is_held_out, split
from lissom.methods.reading import flat, readings
from lissom.numerics.dual import Rows
from lissom.numerics.moments import Moments
from lissom.store.store import Store
from tests.methods import layers

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))


MODEL = layers.chain((normal(6, 8), normal(6)), (normal(3, 6), normal(3)))


def test_every_fifth_run_is_held_out():
    assert [number for number in range(11) if is_held_out(number)] == [4, 9]


def test_what_is_gathered_is_split_into_what_to_fit_and_what_is_held_out(tmp_path):
    context = layers.context(MODEL, Store(tmp_path / "store"))
    wanted = [reading for _, reading in readings(MODEL).values()]
    calibration = Calibration.from_json(context.calibration.to_json())
    found = gathered(MODEL, wanted, calibration, tmp_path)
    assert set(found) == {"fc0", "fc1"}
    assert [part.rows for part in found["fc1"]] == [48, 12]
    site, _ = readings(MODEL)["fc1"]
    for part in found["fc1"]:
        assert part.error(flat(MODEL, site), MODEL.weight("fc1.b")) < 1e-8


@pytest.mark.parametrize("buffer", [1, 100, 1 << 30])
def test_sums_do_not_depend_on_the_buffer(buffer, monkeypatch):
    monkeypatch.setattr(gathering, "_BUFFER_BYTES", buffer)
    x, y = RNG.standard_normal((10, 3, 4)), RNG.standard_normal((10, 3, 2))
    found = Gathering()
    for number in range(10):
        found.add("one", number, x[number], y[number])
    fitting, held_out = found.found()["one"]
    assert (fitting.rows, held_out.rows) == (24, 6)
    np.testing.assert_allclose(held_out.mean, x[[4, 9]].mean((0, 1)))
    np.testing.assert_allclose(fitting.joined(held_out).mean_y, y.mean((0, 1)))


def test_rows_are_kept_of_operators_whose_matrix_is_too_large(monkeypatch):
    monkeypatch.setattr(gathering, "ALONE_BYTES", 8 * 10 * 10)
    kinds = {}
    for inputs, together in ((10, 1), (11, 1), (7, 2), (8, 2)):
        found = Gathering(together)
        found.add("one", 0, np.ones((2, inputs)), np.ones((2, 1)))
        kinds[inputs, together] = type(found.found()["one"][0])
    assert kinds == {(10, 1): Moments, (11, 1): Rows, (7, 2): Moments, (8, 2): Rows}


def test_what_does_not_fit_together_is_seen_in_several_passes(monkeypatch):
    first, second = sites(MODEL)
    needed = [16 * 8 * 8 + 16 * 8 * 6, 16 * 6 * 6 + 16 * 6 * 3]
    monkeypatch.setattr(gathering, "TOGETHER_BYTES", sum(needed))
    assert list(batches([[first], [second]])) == [[0, 1]]
    assert split(MODEL, [["fc0", "fc1"], ["fc0"]]) == [["fc0", "fc1"], ["fc0"]]
    monkeypatch.setattr(gathering, "TOGETHER_BYTES", sum(needed) - 1)
    assert list(batches([[first], [second]])) == [[0], [1]]
    assert list(batches([[first, second], [second], []])) == [[0], [1, 2]]
    assert split(MODEL, [["fc0", "fc1"]]) == [["fc0"], ["fc1"]]
    assert list(batches([])) == []


def test_rows_come_back_from_disk_by_operator_and_run(tmp_path):
    written = {("a", 0): (2, 3), ("b", 0): (1, 4), ("a", 1): (0, 3), ("a", 2): (5, 3)}
    given = {key: RNG.standard_normal(shape) for key, shape in written.items()}
    spool = Spool(tmp_path)
    for (node, _), values in given.items():
        spool.append(node, values)
    for (node, number), values in given.items():
        np.testing.assert_array_equal(spool.read(node, number), values.astype(np.float32))
    spool.drop("a")
    np.testing.assert_array_equal(spool.read("b", 0), given["b", 0].astype(np.float32))
    assert len(list(tmp_path.iterdir())) == 1
