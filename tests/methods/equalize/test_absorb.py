"""Absorbed biases: by hand, the same function above the constants, and the paper's claim."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.graph.expose import expose
from lissom.methods.equalize.absorb import Absorb
from lissom.methods.quantize.static import Static
from lissom.store.store import Store
from tests.graph.channels.nets import NETS
from tests.graph.channels.small import feed_of
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers

BOUNDED = layers.chain(
    # With inputs in [-1, 1] the first channel lies in [7, 13], the second in [-1, 1].
    (np.asarray([[2.0, -1.0], [0.5, 0.5]]), np.asarray([10.0, 0.0])),
    (np.asarray([[3.0, 1.0], [-1.0, 2.0]]), np.asarray([0.5, 0.0])),
)
CORNERS = [{"x": np.asarray([row], np.float32)} for row in ([1, 1], [1, -1], [-1, 1], [-1, -1])]


def absorbed(model, store, feeds, **how):
    plan = Absorb(**how).plan(model, lab.context(model, store, feeds))
    return edited(model, plan.edits, store), plan


def test_by_hand(tmp_path):
    made, plan = absorbed(BOUNDED, Store(tmp_path), CORNERS)
    # The first channel is 10 in the mean and never below 7: less a tenth of what is between, 6.7.
    np.testing.assert_allclose(made.weight("fc0.b"), [3.3, 0.0], rtol=1e-6)
    np.testing.assert_allclose(made.weight("fc1.b"), [0.5 + 3 * 6.7, -6.7], rtol=1e-6)
    assert [edit.weight for edit in plan.edits] == ["fc0.b", "fc1.b"]
    assert plan.summary == "what 1 of 2 channels are never below went into 2 biases"


def test_deviations_stand_for_what_was_not_seen(tmp_path):
    made, _ = absorbed(BOUNDED, Store(tmp_path), CORNERS, deviations=2.0)
    # The corners give 10 +- 2 +- 1, whose standard deviation is the root of 5.
    np.testing.assert_allclose(made.weight("fc0.b"), [2 * np.sqrt(5.0), 0.0], rtol=1e-6)


def test_the_function_stays_above_the_constants_and_nowhere_else(tmp_path):
    made, _ = absorbed(BOUNDED, Store(tmp_path), CORNERS)
    inside = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype(np.float32)
    old, new = run(BOUNDED, {"x": inside})[0], run(made, {"x": inside})[0]
    np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-5)
    below = np.asarray([[-3.0, 1.0]], np.float32)  # the first channel is 3 there, not 6.7
    assert np.abs(run(made, {"x": below})[0] - run(BOUNDED, {"x": below})[0]).max() > 1.0


@pytest.mark.parametrize("name", NETS)
def test_the_function_stays_on_the_samples(name, tmp_path):
    model = model_of(NETS[name]())
    feed = feed_of(model)
    made, plan = absorbed(model, Store(tmp_path), [feed])
    for before, after in zip(run(model, feed), run(made, feed), strict=True):
        assert np.abs(after - before).max() <= 1e-4 * (np.abs(before).max() or 1.0)
    assert plan.edits or plan.skips


def high(form="Gemm", *, bias=True):
    """Sixteen channels, a quarter of which are far from zero and vary little."""
    rng = np.random.default_rng(0)
    shift = np.where(np.arange(16) % 4 == 0, 60.0, 0.0)
    first = rng.standard_normal((16, 8)) / np.sqrt(8)
    second = rng.standard_normal((6, 16)) / 4
    last = -second @ shift if bias else None
    return layers.chain((first, shift), (second, last), form=form)


@pytest.mark.parametrize("form", ["Gemm", "MatMul"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_reader_without_a_bias_gets_one(form, bias, tmp_path):
    model = high(form, bias=bias)
    feeds = layers.inputs(model)
    made, plan = absorbed(model, Store(tmp_path), feeds)
    assert len(plan.edits) == 2
    for feed in feeds:
        np.testing.assert_allclose(run(made, feed)[0], run(model, feed)[0], rtol=1e-3, atol=1e-4)


def test_the_papers_claim_activations_take_a_smaller_range(tmp_path):
    model, store = high(), Store(tmp_path)
    feeds = layers.inputs(model, count=200)
    made, _ = absorbed(model, store, feeds)
    ranges, lost = [], []
    for each in (model, made):
        exposed = expose(each, ["relu0"])
        ranges.append(max(float(run(exposed, feed)[1].max()) for feed in feeds))
        plan = Static().plan(each, lab.context(each, store, feeds))
        lost.append(layers.distance(model, edited(each, plan.edits, store)))
    assert ranges[1] < ranges[0] / 5
    assert lost[1] < lost[0] / 10


def test_a_chain_through_a_depthwise_convolution(tmp_path):
    rng = np.random.default_rng(1)
    weights = {
        "a": rng.standard_normal((6, 3, 1, 1)), "ab": np.full(6, 20.0),
        "d": rng.uniform(0.5, 1, (6, 1, 3, 3)), "db": rng.standard_normal(6),
        "b": rng.standard_normal((4, 6, 1, 1)), "bb": rng.standard_normal(4),
    }  # fmt: skip
    model = layers.model(
        [("Conv", "x a ab", "first"), ("Relu", "first", "r1"),
         ("Conv", "r1 d db", "deep", {"group": 6}), ("Relu", "deep", "r2"),
         ("MaxPool", "r2", "p", {"kernel_shape": [2, 2]}),
         ("Conv", "p b bb", "last")], weights, ["n", 3, 6, 6])  # fmt: skip
    feeds = layers.inputs(model)
    made, plan = absorbed(model, Store(tmp_path), feeds)
    assert plan.summary == "what 12 of 12 channels are never below went into 3 biases"
    assert np.all(made.weight("ab") < 20)
    for feed in feeds:
        np.testing.assert_allclose(run(made, feed)[0], run(model, feed)[0], rtol=1e-3, atol=1e-2)


def test_pads_of_zeros_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    layer = (rng.standard_normal((4, 4, 3, 3)), np.full(4, 50.0))
    model = layers.convolutions(layer, layer)
    made, plan = absorbed(model, Store(tmp_path), layers.inputs(model))
    assert made is model
    assert any("pads it with zeros" in skip.reason for skip in plan.skips)
    bare = layers.convolutions(layer, layer, pads=0)
    assert absorbed(bare, Store(tmp_path), layers.inputs(bare))[1].edits


def test_channels_at_zero_are_left_with_the_reason(tmp_path):
    model = layers.chain((np.eye(3), np.zeros(3)), (np.eye(3), np.zeros(3)))
    made, plan = absorbed(model, Store(tmp_path), layers.inputs(model))
    assert made is model
    assert "above zero" in plan.skips[-1].reason


def test_no_samples_no_constants(tmp_path):
    with pytest.raises(MethodError, match="samples are needed"):
        Absorb().plan(BOUNDED, lab.context(BOUNDED, Store(tmp_path)))
