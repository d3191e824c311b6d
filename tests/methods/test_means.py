"""What holds a mean, in every form that a bias has, and that it comes back."""

import numpy as np
import pytest

from lissom.graph.edit import ReplaceWeight
from lissom.graph.expose import expose
from lissom.graph.perform import perform
from lissom.methods.means import Holder, holder, mend, norm_holder
from lissom.methods.quantize.static import Static
from lissom.store.store import Store
from tests.graph.edited import edited, run
from tests.methods import lab, layers

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape)


def quantized(model, store, feeds):
    context = lab.context(model, store, feeds)
    return perform(model, Static().plan(model, context).edits, store), context


def mean_of(model, feeds):
    return np.concatenate([run(model, feed)[0] for feed in feeds]).mean(axis=0)


def mean_inside(model, feeds):
    """Of each channel of the first convolution."""
    found = [run(expose(model, ["conv0"]), feed)[1] for feed in feeds]
    return np.concatenate(found).mean(axis=(0, 2, 3))


@pytest.mark.parametrize("with_bias", [True, False])
def test_integer_layers_hold_it_in_32_bits(with_bias, tmp_path) -> None:
    bias = normal(4) if with_bias else None
    model = layers.convolutions((normal(4, 3, 3, 3), bias), (normal(2, 4, 3, 3), normal(2)))
    store = Store(tmp_path)
    feeds = layers.inputs(model)
    made, context = quantized(model, store, feeds)
    found = holder(made, "conv0", axis=1, channels=4)
    assert isinstance(found, Holder)
    assert found.kind == ("integers" if with_bias else "new integers")
    mended = mend(model, made, [found], context, context.calibration)
    after = edited(made, mended.edits, store)
    more = after.op_counts["DequantizeLinear"] - made.op_counts["DequantizeLinear"]
    assert more == (0 if with_bias else 1)
    expected = mean_inside(model, feeds)
    shifts = [np.abs(mean_inside(one, feeds) - expected).max() for one in (made, after)]
    assert shifts[1] < 0.2 * shifts[0]
    assert set(mended.shifts) == {"conv0"}


def test_a_float_bias_and_one_that_is_not_there(tmp_path) -> None:
    store = Store(tmp_path)
    model = layers.chain((normal(5, 4), normal(5)), (normal(3, 5), None))
    weights = {n: (model.weight(n) * 0.9).astype(np.float32) for n in ("fc0.w", "fc1.w")}
    edits = [ReplaceWeight(weight=n, values=store.put_array(a)) for n, a in weights.items()]
    made, feeds = edited(model, edits, store), layers.inputs(model)
    found = [
        holder(made, name, axis=-1, channels=channels)
        for name, channels in (("fc0", 5), ("fc1", 3))
    ]
    assert [one.kind for one in found] == ["float", "new"]
    context = lab.context(model, store, feeds)
    mended = mend(model, made, found, context, context.calibration)
    after = edited(made, mended.edits, store)
    np.testing.assert_allclose(mean_of(after, feeds), mean_of(model, feeds), atol=1e-4)


def test_a_sum_behind_a_product_holds_it() -> None:
    model = layers.chain((normal(5, 4), normal(5)), form="MatMul")
    found = holder(model, "fc0.sum", axis=-1, channels=5)
    assert isinstance(found, Holder)
    assert (found.node, found.kind, found.weights) == ("fc0.sum", "float", ("fc0.b",))


def test_reasons() -> None:
    model = layers.chain((normal(5, 4), None), form="MatMul")
    assert holder(model, "gone", axis=1, channels=5) == "the value that it gave is not in the model"
    assert holder(model, "fc0", axis=-1, channels=5) == "a MatMul gives it, which has no bias"
    nodes = [("Gemm", "x w b", "a"), ("Gemm", "a w b", "y")]
    shared = layers.model(nodes, {"w": normal(4, 4), "b": normal(4)}, ["n", 4])
    assert holder(shared, "a", axis=-1, channels=4) == "its bias is shared or computed"
    factor = layers.model(
        [("Gemm", "x w b", "y", {"beta": 2.0})], {"w": normal(4, 4), "b": normal(4)}, ["n", 4]
    )
    assert holder(factor, "y", axis=-1, channels=4) == "its bias has a factor"
    one = layers.chain((normal(4, 4), normal(1)))
    assert holder(one, "fc0", axis=-1, channels=4) == "its bias has the shape [1], for 4 channels"


def test_statistics_of_a_normalization_move_with_its_input(tmp_path) -> None:
    store = Store(tmp_path)
    ones = {"g": np.ones(3), "s": np.zeros(3), "m": np.zeros(3), "v": np.ones(3)}
    model = layers.model(
        [
            ("Conv", "x w", "c"),
            ("Relu", "c", "r"),
            ("BatchNormalization", "r g s m v", "y"),
        ],
        {"w": normal(3, 2, 1, 1), **ones},
        ["n", 2, 6, 6],
    )
    half = store.put_array((model.weight("w") * 0.5).astype(np.float32))
    made = edited(model, [ReplaceWeight(weight="w", values=half)], store)
    found = norm_holder(made, made.node("y"))
    assert isinstance(found, Holder)
    feeds = layers.inputs(model)
    context = lab.context(model, store, feeds)
    mended = mend(model, made, [found], context, context.calibration)
    after = edited(made, mended.edits, store)
    np.testing.assert_allclose(after.weight("v"), 0.25, atol=1e-4)
    r = np.concatenate([run(expose(model, ["r"]), feed)[1] for feed in feeds])
    moved = -0.5 * r.mean(axis=(0, 2, 3))
    np.testing.assert_allclose(after.weight("m"), moved, rtol=1e-4)
