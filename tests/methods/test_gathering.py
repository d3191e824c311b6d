"""What runs say of operators, split and bounded."""

from functools import partial

import numpy as np
import pytest

from lissom.graph.edit import ReplaceWeight
from lissom.graph.load import open_trusted
from lissom.graph.save import spill
from lissom.graph.site import sites
from lissom.measure.calibration import Calibration
from lissom.methods import gathering
from lissom.methods.gathering import (
    Between,
    Gathering,
    batches,
    gathered,
    is_held_out,
    split,
    statistics,
)
from lissom.methods.reading import flat, readings
from lissom.numerics.dual import Rows
from lissom.numerics.moments import Moments
from lissom.store.store import Store
from tests.graph.edited import edited, run
from tests.methods import lab, layers

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
    (found,) = gathered(MODEL, [wanted], calibration, tmp_path)
    assert set(found) == {"fc0", "fc1"}
    assert [part.rows for part in found["fc1"]] == pytest.approx([48, 12])
    site, _ = readings(MODEL)["fc1"]
    for part in found["fc1"]:
        assert part.error(flat(MODEL, site), MODEL.weight("fc1.b")) < 1e-8


@pytest.mark.parametrize("buffer", [1, 100, 1 << 30])
def test_sums_do_not_depend_on_the_buffer(buffer, monkeypatch):
    monkeypatch.setattr(gathering, "_BUFFER_BYTES", buffer)
    x, y = RNG.standard_normal((10, 3, 4)), RNG.standard_normal((10, 3, 2))
    found = Gathering(statistics)
    for number in range(10):
        found.add("one", number, x[number], y[number])
    fitting, held_out = found.found()["one"]
    assert (fitting.rows, held_out.rows) == pytest.approx((8, 2))  # runs, of three rows each
    np.testing.assert_allclose(held_out.mean, x[[4, 9]].mean((0, 1)))
    np.testing.assert_allclose(fitting.joined(held_out).mean_y, y.mean((0, 1)))


def test_a_run_counts_as_much_as_any_other_however_long_it_is():
    found = Gathering(statistics)
    found.add("one", 0, np.ones((1, 2)), np.ones((1, 1)))
    found.add("one", 1, np.zeros((9, 2)), np.zeros((9, 1)))
    assert found.found()["one"][0].mean.tolist() == pytest.approx([0.5, 0.5])


def test_rows_count_by_their_weights():
    found = Gathering(statistics)
    found.add("one", 0, np.asarray([[1.0], [5.0]]), np.zeros((2, 1)), np.asarray([3.0, 1.0]))
    assert found.found()["one"][0].mean.tolist() == pytest.approx([2.0])


def test_rows_are_kept_of_operators_whose_matrix_is_too_large(monkeypatch):
    monkeypatch.setattr(gathering, "ALONE_BYTES", 8 * 10 * 10)
    kinds = {}
    for inputs, together in ((10, 1), (11, 1), (7, 2), (8, 2)):
        found = Gathering(partial(statistics, together=together))
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


def test_groups_take_memory_each(monkeypatch):
    weights = {"w": normal(8, 2, 3, 3), "v": normal(8, 4, 1, 1)}
    nodes = [("Conv", "x w", "a", {"group": 4}), ("Conv", "a v", "b", {"group": 2})]
    model = layers.model(nodes, weights, ["n", 8, 6, 6])
    needed = [4 * 16 * 18 * 18 + 16 * 18 * 8, 2 * 16 * 4 * 4 + 16 * 4 * 8]
    monkeypatch.setattr(gathering, "TOGETHER_BYTES", sum(needed))
    assert split(model, [["a", "b"]]) == [["a", "b"]]
    monkeypatch.setattr(gathering, "TOGETHER_BYTES", sum(needed) - 1)
    assert split(model, [["a", "b"]]) == [["a"], ["b"]]


@pytest.fixture
def made(tmp_path):
    store = Store(tmp_path)
    model = layers.chain(
        (RNG.standard_normal((6, 4)), RNG.standard_normal(6)),
        (RNG.standard_normal((3, 6)), RNG.standard_normal(3)),
    )
    feeds = layers.inputs(model, count=10)
    return model, feeds, lab.calibration(model, store, feeds), store


def between(made, now=None):
    model, _, calibration, store = made
    nodes = list(readings(model, grouped=True))
    with store.scratch() as folder:
        seen = Between(model, [nodes], calibration, folder, changes=now is not None)
        return seen.moments(0, now or model)


def test_the_moments_are_those_of_the_rows(made) -> None:
    model, feeds, _, _ = made
    ((fitting, held_out),) = between(made)["fc1"]
    assert (fitting.rows, held_out.rows) == (8, 2)
    whole = fitting.joined(held_out)
    x = np.concatenate([feed["x"] for feed in feeds]).astype(np.float64)
    hidden = np.maximum(x @ model.weight("fc0.w").T + model.weight("fc0.b"), 0.0)
    np.testing.assert_allclose(whole.xx, hidden.T @ hidden, rtol=1e-4, atol=1e-4)
    y = np.concatenate([run(model, feed)[0] for feed in feeds])
    np.testing.assert_allclose(whole.y, y.sum(axis=0), rtol=1e-4, atol=1e-4)


def test_inputs_are_of_the_network_now_and_outputs_of_the_original(made) -> None:
    model, _, _, store = made
    zeros = store.put_array(np.zeros((6, 4), np.float32))
    now = edited(model, [ReplaceWeight(weight="fc0.w", values=zeros)], store)
    before, after = between(made)["fc1"][0][0], between(made, now)["fc1"][0][0]
    np.testing.assert_allclose(before.y, after.y, rtol=1e-5)
    hidden = np.maximum(model.weight("fc0.b"), 0.0)
    np.testing.assert_allclose(after.x, 8 * hidden, rtol=1e-5)


def test_groups_are_layers_of_their_own(tmp_path) -> None:
    store = Store(tmp_path)
    weights = {"w": RNG.standard_normal((6, 2, 3, 3)), "b": RNG.standard_normal(6)}
    model = layers.model([("Conv", "x w b", "y", {"group": 2})], weights, [1, 4, 6, 6])
    feeds = layers.inputs(model, count=5)
    pairs = between((model, feeds, lab.calibration(model, store, feeds), store))["y"]
    fitting = [own for own, _ in pairs]
    assert [one.xx.shape for one in fitting] == [(18, 18)] * 2
    weight = model.weight("w").reshape(6, -1)
    for own, part in zip(np.split(weight, 2), fitting, strict=True):
        mean = own @ part.x / part.rows
        shift = part.y / part.rows - mean
        np.testing.assert_allclose(own @ part.xx + np.outer(shift, part.x), part.yx, rtol=1e-3)


def test_before_a_sum_the_target_is_what_the_sum_lacks(tmp_path) -> None:
    """Of x' + (W r + b): y is the original's x + W r + b, less x' as it is now, less b."""
    store = Store(tmp_path)
    nodes = [
        ("MatMul", "x a.w", "a"),
        ("MatMul", "a b.w", "b"),
        ("Add", "b b.b", "b.sum"),
        ("Add", "b.sum a", "sum"),
    ]
    weights = {"a.w": RNG.standard_normal((3, 3)), "b.w": RNG.standard_normal((3, 3))}
    model = layers.model(nodes, weights | {"b.b": RNG.standard_normal(3)}, ["n", 3])
    feeds = layers.inputs(model, count=4)
    calibration = lab.calibration(model, store, feeds)
    half = store.put_array((model.weight("a.w") / 2).astype(np.float32))
    now = edited(model, [ReplaceWeight(weight="a.w", values=half)], store)
    with store.scratch() as folder:
        sums = {"b": ("sum", "a")}
        seen = Between(model, [["b"]], calibration, folder, sums=sums, changes=True)
        ((fitting, _),) = seen.moments(0, now)["b"]
    x = np.concatenate([feed["x"] for feed in feeds]).astype(np.float64)
    a = x @ model.weight("a.w")
    np.testing.assert_allclose(fitting.x, (a / 2).sum(axis=0), rtol=1e-4, atol=1e-5)
    expected = (a @ model.weight("b.w") + a / 2).sum(axis=0)
    np.testing.assert_allclose(fitting.y, expected, rtol=1e-4, atol=1e-5)


def test_parts_of_models_copy_no_weights(tmp_path) -> None:
    """Those that were read from a file of the folder stay there, whatever is run."""
    store = Store(tmp_path)
    model = layers.chain(*((RNG.standard_normal((40, 40)), None) for _ in range(3)))
    calibration = lab.calibration(model, store, layers.inputs(model, count=3))
    with store.scratch() as folder:
        spill(model, folder.resolve() / "model.onnx")
        held = open_trusted(folder.resolve() / "model.onnx")
        nodes = list(readings(held, grouped=True))
        Between(held, [nodes], calibration, folder.resolve()).moments(0, held)
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert sizes["model.onnx.data"] == 3 * 40 * 40 * 4
    assert sizes["part.onnx"] < 2000
    assert sizes["part.onnx.data"] == 0


def test_rows_that_are_not_finite_are_left_out():
    x, y = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 2))
    x[1, 2], y[2, 0] = np.nan, -np.inf
    found = Gathering(statistics)
    found.add("one", 0, x, y)
    found.add("one", 1, np.ones((2, 3)), np.ones((2, 2)), np.asarray([1.0, np.nan]))
    fitting, _ = found.found()["one"]
    assert fitting.rows == pytest.approx(2)  # a run still counts as much as any other
    np.testing.assert_allclose(fitting.mean, (x[[0, 3]].mean(0) + 1) / 2)


def test_what_is_finite_in_no_row_to_fit_to_is_missing():
    found = Gathering(statistics)
    odd, fine = np.full((2, 3), np.inf), np.ones((2, 3))
    for number in range(5):  # of the second operator, what is held out is finite
        found.add("odd", number, odd, fine)
        found.add("held out", number, fine if number == 4 else odd, fine)
        found.add("fine", number, fine, fine)
    found.add("empty", 0, fine[:0], fine[:0])
    assert set(found.found()) == {"fine", "empty"}
