"""Bias correction as a method: after static quantization, and where there is nothing to do."""

from dataclasses import replace

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.graph.perform import perform
from lissom.methods.quantize.bias_correction import BiasCorrection
from lissom.methods.quantize.static import Static
from lissom.methods.quantize.weight_only import WeightOnly
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers


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


def test_a_convolutional_network_loads_and_answers(tmp_path) -> None:
    proto = tiny.cnn()
    model = model_of(proto)
    feeds = [tiny.feeds(proto, seed=seed) for seed in range(6)]
    context = lab.context(model, Store(tmp_path), feeds)
    made = perform(model, Static().plan(model, context).edits, context.store)
    after = edited(made, BiasCorrection().plan(made, context).edits, context.store)
    assert shift(model, after, feeds) <= shift(model, made, feeds)


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
