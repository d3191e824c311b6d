"""Outlier channel splitting: by hand, the same function, and the paper's claim at few bits."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.graph.edit import ReplaceWeight, SplitChannels
from lissom.methods.equalize.split import Split
from lissom.numerics.quantized import dequantize, quantize_weight
from lissom.store.store import Store
from tests import tiny
from tests.graph.channels.nets import NETS
from tests.graph.channels.small import feed_of
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers

TWO = layers.chain(
    (np.asarray([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.asarray([7.0, 8.0, 9.0])),
    (np.asarray([[1.0, 12.0, 2.0]]), np.asarray([0.5])),
)


def split(model, store, feeds=None, **how):
    context = lab.context(model, store, feeds or [feed_of(model)])
    plan = Split(**how).plan(model, context)
    return edited(model, plan.edits, store), plan


def test_by_hand(tmp_path):
    made, plan = split(TWO, Store(tmp_path), bits=None)
    assert made.weight("fc0.w").tolist() == [[1, 2], [3, 4], [3, 4], [5, 6]]
    assert made.weight("fc0.b").tolist() == [7, 8, 8, 9]
    assert made.weight("fc1.w").tolist() == [[1, 6, 6, 2]]
    assert plan.summary == "1 channels added in 1 groups of channels"


def test_copies_are_set_apart_by_half_a_step(tmp_path):
    made, plan = split(TWO, Store(tmp_path), bits=4, granularity="tensor")
    step = 6 / (7 - 1 / 4)  # the larger copy, 6 + step / 4, becomes the largest integer
    np.testing.assert_allclose(
        made.weight("fc1.w"), [[1, 6 - step / 4, 6 + step / 4, 2]], rtol=1e-6
    )
    assert [type(edit) for edit in plan.edits] == [SplitChannels, ReplaceWeight]


def test_every_output_has_its_own_step(tmp_path):
    first = (np.eye(3), np.zeros(3))
    model = layers.chain(first, (np.asarray([[1.0, 8.0, 1.0], [0.1, 0.4, 0.1]]), np.zeros(2)))
    made, _ = split(model, Store(tmp_path), bits=4)
    apart = made.weight("fc1.w")[:, 2] - made.weight("fc1.w")[:, 1]
    np.testing.assert_allclose(apart, np.asarray([4, 0.2]) / (7 - 1 / 4) / 2, rtol=1e-5)


def test_the_ratio_is_of_each_group_and_one_at_least(tmp_path):
    proto = tiny.mlp(sizes=(16, 32, 4))
    for ratio, width in ((0.01, 33), (0.1, 36), (1.0, 64)):
        made, _ = split(model_of(proto), Store(tmp_path), ratio=ratio)
        assert made.weights["fc1.weight"].shape == (4, width)


@pytest.mark.parametrize("how", [{}, {"bits": 4, "granularity": "tensor"}, {"ratio": 0.5}])
@pytest.mark.parametrize("name", NETS)
def test_the_function_stays(name, how, tmp_path):
    model = model_of(NETS[name]())
    feed = feed_of(model)
    made, plan = split(model, Store(tmp_path), [feed], **how)
    for before, after in zip(run(model, feed), run(made, feed), strict=True):
        assert np.abs(after - before).max() <= 1e-4 * (np.abs(before).max() or 1.0)
    assert plan.edits or plan.skips


def planted(*, seed=0, factor=6.0):
    """Sixty-four channels, of which three are read with weights larger by a factor."""
    rng = np.random.default_rng(seed)
    second = rng.standard_normal((16, 64)) / 8
    second[:, [5, 20, 40]] *= factor
    first = rng.standard_normal((64, 32)) / np.sqrt(32)
    return layers.chain((first, rng.standard_normal(64) / 4), (second, np.zeros(16)))


def rounded(model, store, *, bits, axis):
    """The model with the weights behind the channels rounded to nearest."""
    integers = quantize_weight(model.weight("fc1.w"), bits=bits, axis=axis)
    values = store.put_array(dequantize(integers))
    return edited(model, [ReplaceWeight(weight="fc1.w", values=values)], store)


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
@pytest.mark.parametrize("bits", [4, 5, 6])
def test_the_papers_claim_rounding_loses_less(bits, granularity, tmp_path):
    store, axis = Store(tmp_path), 0 if granularity == "channel" else None
    whole, evenly, apart = 0.0, 0.0, 0.0
    for seed in range(6):
        model = planted(seed=seed)
        made = [
            split(model, store, ratio=0.05, granularity=granularity, bits=each)[0]
            for each in (None, bits)
        ]
        assert made[1].weights["fc1.w"].shape == (16, 68)
        lost = [
            layers.distance(model, rounded(each, store, bits=bits, axis=axis))
            for each in (model, *made)
        ]
        whole, evenly, apart = whole + lost[0], evenly + lost[1], apart + lost[2]
    # Half the range is half a step, a quarter of the error.
    assert apart < evenly < whole
    assert apart < 0.35 * whole


def test_heads_are_left_whole(tmp_path):
    model = model_of(tiny.transformer())
    _, plan = split(model, Store(tmp_path))
    assert "several channels" in " ".join(skip.reason for skip in plan.skips)


@pytest.mark.parametrize(
    ("weight", "words"),
    [(np.zeros((2, 3)), "are zero"), (np.asarray([[1.0, np.inf, 2.0]]), "not finite")],
)
def test_nothing_to_split(weight, words, tmp_path):
    model = layers.chain((np.ones((3, 2)), np.ones(3)), (weight, np.zeros(len(weight))))
    made, plan = split(model, Store(tmp_path))
    assert made is model
    assert words in plan.skips[0].reason


def test_it_must_be_run_once(tmp_path):
    with pytest.raises(MethodError, match="shapes"):
        Split().plan(TWO, lab.context(TWO, Store(tmp_path)))
