"""Bias correction as a method: after static quantization, and where there is nothing to do."""

from dataclasses import replace

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.graph.perform import perform
from lissom.methods.means import Mended
from lissom.methods.quantize import bias_correction as module
from lissom.methods.quantize.bias_correction import BiasCorrection
from lissom.methods.quantize.static import Static
from lissom.methods.quantize.weight_only import WeightOnly
from lissom.recipe import Recipe, Step, rebuild
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers

ID = "quantize.bias_correction"


def shift(one, other, feeds):
    means = [np.concatenate([run(m, f)[0] for f in feeds]).mean(axis=0) for m in (one, other)]
    return float(np.abs(means[0] - means[1]).max())


@pytest.mark.parametrize("method", [Static(), WeightOnly(bits=4)])
def test_the_papers_claim(method, tmp_path) -> None:
    """What rounding moved in the mean is put back, layer by layer."""
    rng = np.random.default_rng(0)
    sizes = [(16, 8), (16, 16), (6, 16)]
    model = layers.chain(*((rng.standard_normal(s) / 3, rng.standard_normal(s[0])) for s in sizes))
    feeds = layers.inputs(model)
    context = lab.context(model, Store(tmp_path), feeds)
    made = perform(model, method.plan(model, context).edits, context.store)
    plan = BiasCorrection().plan(made, context)
    assert "3 layers" in plan.summary
    after = edited(made, plan.edits, context.store)
    assert after.op_counts == made.op_counts
    assert shift(model, after, feeds) < 0.25 * shift(model, made, feeds)


def test_a_convolutional_network_has_its_means_again(tmp_path) -> None:
    """The bias of the last layer takes all that moved its mean, but for its own rounding."""
    proto = tiny.cnn()
    model = model_of(proto)
    feeds = [tiny.feeds(proto, seed=seed) for seed in range(6)]
    context = lab.context(model, Store(tmp_path), feeds)
    made = perform(model, Static().plan(model, context).edits, context.store)
    plan = BiasCorrection().plan(made, context)
    assert plan.edits
    after = edited(made, plan.edits, context.store)
    assert shift(model, after, feeds) < 0.1 * shift(model, made, feeds)


@pytest.mark.parametrize("method", [Static(), WeightOnly(bits=4)])
def test_a_bias_that_is_one_number_for_all_channels_is_left_alone(method, tmp_path) -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal((6, 8)), rng.standard_normal(1)
    model = layers.chain(first, (rng.standard_normal((4, 6)), rng.standard_normal(4)))
    context = layers.context(model, Store(tmp_path))
    made = perform(model, method.plan(model, context).edits, context.store)
    plan = BiasCorrection().plan(made, context)
    (skip,) = plan.skips
    assert (skip.target, skip.reason) == ("fc0", "its bias has the shape [1], for 6 channels")
    feeds = layers.inputs(model)
    after = edited(made, plan.edits, context.store)
    assert shift(model, after, feeds) < 0.25 * shift(model, made, feeds)


@pytest.mark.parametrize(
    "before",
    [
        Step(method="equalize.cross_layer"),
        Step(method="prune.magnitude", parameters={"ratio": 0.25, "grid": 1}),
    ],
    ids=lambda step: step.method,
)
def test_channels_that_a_step_scaled_or_removed_are_held_to_what_they_were_before_rounding(
    before, tmp_path
) -> None:
    """A channel that was equalized has another mean than the original's, and rightly so."""
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((12, 8)), rng.standard_normal((6, 12))
    first *= 10.0 ** rng.uniform(-1, 1, (12, 1))
    model = layers.chain((first, rng.standard_normal(12)), (second, rng.standard_normal(6)))
    context = layers.context(model, Store(tmp_path))
    rounds = Step(method="quantize.weight_only", parameters={"bits": 4})
    found = []
    for steps in ((before,), (before, rounds), (before, rounds, Step(method=ID))):
        made, plans = rebuild(Recipe(name="mine", steps=steps), model, context)
        found.append(made)
    assert plans[-1].summary.startswith("2 layers")
    floating, rounded, mended = found
    feeds = layers.inputs(model)
    assert shift(floating, mended, feeds) < 0.25 * shift(floating, rounded, feeds)


def test_nothing_to_do(tmp_path) -> None:
    model = layers.redundant()
    context = layers.context(model, Store(tmp_path))
    plan = BiasCorrection().plan(model, context)
    assert plan.edits == ()
    assert {skip.reason for skip in plan.skips} == {
        "nothing was done to the model before, so no mean has moved"
    }
    with pytest.raises(MethodError, match="samples are needed"):
        BiasCorrection().plan(model, replace(context, calibration=None))


def test_what_makes_the_answers_worse_is_left(tmp_path, monkeypatch) -> None:
    model = layers.redundant()
    context = layers.context(model, Store(tmp_path))
    now = edited(model, WeightOnly(bits=4).plan(model, context).edits, context.store)
    context = replace(context, original=model)
    plan = BiasCorrection().plan(now, context)
    assert plan.edits
    worse = Mended(edits=plan.edits, shifts={"fc0": 0.1}, before=1.0, after=1.5)
    monkeypatch.setattr(module, "mend", lambda *_: worse)
    left = BiasCorrection().plan(now, context)
    assert not left.edits
    assert "1.5 instead of 1" in left.skips[-1].reason
    assert replace(worse, after=1.1).nearer
