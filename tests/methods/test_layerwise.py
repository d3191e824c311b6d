"""Moments of layers: those of the rows, from two models, group by group, in parts that fit."""

import numpy as np
import pytest

from lissom.graph.edit import ReplaceWeight
from lissom.graph.load import open_trusted
from lissom.graph.save import spill
from lissom.methods import layerwise
from lissom.methods.layerwise import batches, gather
from lissom.methods.reading import readings
from lissom.store.store import Store
from tests.graph.edited import edited, run
from tests.methods import lab, layers

RNG = np.random.default_rng(0)


@pytest.fixture
def made(tmp_path):
    store = Store(tmp_path)
    model = layers.chain(
        (RNG.standard_normal((6, 4)), RNG.standard_normal(6)),
        (RNG.standard_normal((3, 6)), RNG.standard_normal(3)),
    )
    feeds = layers.inputs(model, count=10)
    return model, feeds, lab.calibration(model, store, feeds), store


def gathered(made, now=None):
    model, _, calibration, store = made
    wanted = [reading for _, reading in readings(model, grouped=True).values()]
    with store.scratch() as folder:
        return gather(model, now or model, wanted, calibration, folder)


def test_the_moments_are_those_of_the_rows(made) -> None:
    model, feeds, _, _ = made
    fitting, held_out = gathered(made)["fc1"]
    assert (fitting[0].rows, held_out[0].rows) == (8, 2)
    whole = fitting[0].joined(held_out[0])
    x = np.concatenate([feed["x"] for feed in feeds]).astype(np.float64)
    hidden = np.maximum(x @ model.weight("fc0.w").T + model.weight("fc0.b"), 0.0)
    np.testing.assert_allclose(whole.xx, hidden.T @ hidden, rtol=1e-4, atol=1e-4)
    y = np.concatenate([run(model, feed)[0] for feed in feeds])
    np.testing.assert_allclose(whole.y, y.sum(axis=0), rtol=1e-4, atol=1e-4)


def test_inputs_are_of_the_network_now_and_outputs_of_the_original(made) -> None:
    model, _, _, store = made
    zeros = store.put_array(np.zeros((6, 4), np.float32))
    now = edited(model, [ReplaceWeight(weight="fc0.w", values=zeros)], store)
    before, after = gathered(made)["fc1"][0][0], gathered(made, now)["fc1"][0][0]
    np.testing.assert_allclose(before.y, after.y, rtol=1e-5)
    hidden = np.maximum(model.weight("fc0.b"), 0.0)
    np.testing.assert_allclose(after.x, 8 * hidden, rtol=1e-5)


def test_groups_are_layers_of_their_own(tmp_path) -> None:
    store = Store(tmp_path)
    weights = {"w": RNG.standard_normal((6, 2, 3, 3)), "b": RNG.standard_normal(6)}
    model = layers.model([("Conv", "x w b", "y", {"group": 2})], weights, [1, 4, 6, 6])
    feeds = layers.inputs(model, count=5)
    fitting, _ = gathered((model, feeds, lab.calibration(model, store, feeds), store))["y"]
    assert [one.xx.shape for one in fitting] == [(18, 18)] * 2
    weight = model.weight("w").reshape(6, -1)
    for own, part in zip(np.split(weight, 2), fitting, strict=True):
        mean = own @ part.x / part.rows
        shift = part.y / part.rows - mean
        np.testing.assert_allclose(own @ part.xx + np.outer(shift, part.x), part.yx, rtol=1e-3)


def test_batches_hold_what_fits_and_keep_to_stages(monkeypatch) -> None:
    monkeypatch.setattr(layerwise, "_MOST_NUMBERS", 10)
    numbers = {"a": 4, "b": 4, "c": 4, "d": 99}
    found = list(batches([["a", "b", "c"], ["d"], []], numbers))
    assert found == [["a", "b"], ["c"], ["d"]]


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
    wanted = [readings(model, grouped=True)["b"][1]]
    with store.scratch() as folder:
        sums = {"b": ("sum", "a")}
        fitting, _ = gather(model, now, wanted, calibration, folder, sums=sums)["b"]
    x = np.concatenate([feed["x"] for feed in feeds]).astype(np.float64)
    a = x @ model.weight("a.w")
    np.testing.assert_allclose(fitting[0].x, (a / 2).sum(axis=0), rtol=1e-4, atol=1e-5)
    expected = (a @ model.weight("b.w") + a / 2).sum(axis=0)
    np.testing.assert_allclose(fitting[0].y, expected, rtol=1e-4, atol=1e-5)


def test_parts_of_models_copy_no_weights(tmp_path) -> None:
    """Those that were read from a file of the folder stay there, whatever is run."""
    store = Store(tmp_path)
    model = layers.chain(*((RNG.standard_normal((40, 40)), None) for _ in range(3)))
    calibration = lab.calibration(model, store, layers.inputs(model, count=3))
    with store.scratch() as folder:
        spill(model, folder.resolve() / "model.onnx")
        held = open_trusted(folder.resolve() / "model.onnx")
        wanted = [reading for _, reading in readings(held, grouped=True).values()]
        gather(held, held, wanted, calibration, folder.resolve())
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert sizes["model.onnx.data"] == 3 * 40 * 40 * 4
    assert sizes["outputs.onnx"] < 2000
    assert sizes["outputs.onnx.data"] == 0
