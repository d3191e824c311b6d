"""Laws of what the quantizers plan, on whole models: nearest integers, scales that agree."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from lissom.graph.edit import Cast, EncodeWeight, QuantizeActivation
from lissom.methods import registry
from lissom.methods.quantize.dynamic import Dynamic
from lissom.methods.quantize.static import Static
from lissom.methods.scope import Scope
from lissom.numerics.quantized import dequantize
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab

MODELS = {
    "cnn": tiny.cnn,
    "transformer": tiny.transformer,
    "recurrent": partial(tiny.recurrent, hidden=16),
}
NEAREST = ["quantize.dynamic", "quantize.static", "quantize.weight_only"]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """A context of every model, with one sample each: the fewest that there can be."""
    store = Store(tmp_path_factory.mktemp("store"))
    return {
        name: lab.context(model_of(make()), store, [tiny.feeds(make(), batch=1)])
        for name, make in MODELS.items()
    }


def plan_of(context, method_id, **given):
    return registry.create(method_id, given).plan(context.original, context)


def encodings(plan):
    return [edit for edit in plan.edits if isinstance(edit, EncodeWeight)]


def pairs(plan):
    return {edit.value: edit for edit in plan.edits if isinstance(edit, QuantizeActivation)}


@pytest.mark.parametrize("reduce_range", [False, True])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method_id", NEAREST)
def test_every_weight_is_within_half_a_step(method_id, model, reduce_range, contexts):
    context = contexts[model]
    context = replace(context, facts=replace(context.facts, reduce_range=reduce_range))
    found = [e for e in encodings(plan_of(context, method_id)) if e.encoding.bits != 32]
    for edit in found:
        integers = edit.encoding.quantized(context.store)
        weight = context.original.weight(edit.weight)
        shape = [1] * weight.ndim
        if integers.axis is not None:
            shape[integers.axis] = -1
        error = np.abs(dequantize(integers) - weight)
        assert np.all(error <= integers.scale.reshape(shape) * 0.5001), edit.weight
        assert edit.encoding.signed
    assert found or model == "recurrent"


@pytest.mark.parametrize("model", ["cnn", "transformer"])
def test_a_finer_granularity_is_never_worse(model, contexts):
    context = contexts[model]
    errors = []
    for granularity in ("tensor", "channel"):
        found = encodings(plan_of(context, "quantize.dynamic", granularity=granularity))
        wide = {
            edit.weight: float(
                np.linalg.norm(
                    dequantize(edit.encoding.quantized(context.store))
                    - context.original.weight(edit.weight)
                )
            )
            for edit in found
        }
        errors.append(wide)
    tensor, channel = errors
    assert tensor.keys() == channel.keys()
    assert tensor
    for name, error in channel.items():
        assert error <= tensor[name] * 1.001, name


def test_a_bias_has_exactly_the_scale_of_its_accumulators(contexts):
    context = contexts["cnn"]
    plan = plan_of(context, "quantize.static")
    values, weights = pairs(plan), {edit.weight: edit for edit in encodings(plan)}
    assert {"conv1.bias", "conv2.bias", "fc.bias"} <= weights.keys()
    for layer in ("conv1", "conv2", "fc"):
        read = values[context.original.node(layer).inputs[0]]
        bias, weight = weights[f"{layer}.bias"].encoding, weights[f"{layer}.weight"].encoding
        assert (bias.bits, bias.zero_point) == (32, None)
        np.testing.assert_array_equal(
            context.store.array(bias.scale),
            (np.float64(read.scale) * context.store.array(weight.scale)).astype(np.float32),
        )


@pytest.mark.parametrize(("activation", "first"), [("uint8", 0), ("int8", -128)])
def test_what_moves_keeps_the_scale_and_what_is_positive_starts_at_the_first_integer(
    activation, first, contexts
):
    context = contexts["cnn"]
    context = replace(context, facts=replace(context.facts, activation=activation))
    found = pairs(plan_of(context, "quantize.static"))
    assert found["r2"].zero_point == first
    moved, source = found["f"], found["g"]
    assert (moved.scale, moved.zero_point) == (source.scale, source.zero_point)
    assert {edit.dtype for edit in found.values()} == {activation}


def test_a_value_inside_its_range_is_within_half_a_step(contexts):
    context = contexts["cnn"]
    for value, edit in pairs(plan_of(context, "quantize.static")).items():
        seen = context.evidence(context.original, dict.fromkeys(Static.needs, (value,)))
        low = (0 - edit.zero_point) * edit.scale
        high = (255 - edit.zero_point) * edit.scale
        assert low - edit.scale / 2 <= min(seen.histogram(value).low, 0), value
        assert high + edit.scale / 2 >= seen.histogram(value).high, value


def test_convolutions_are_never_dynamic_whatever_the_facts_say(contexts):
    context = contexts["cnn"]
    facts = replace(context.facts, dynamic_operators=frozenset({"Conv", "Gemm", "MatMul"}))
    plan = Dynamic().plan(context.original, replace(context, facts=facts))
    assert [(s.target, "slower than float" in s.reason) for s in plan.skips] == [
        ("conv1", True),
        ("conv2", True),
    ]
    assert not {"conv1.weight", "conv2.weight"} & {edit.weight for edit in encodings(plan)}


@pytest.mark.parametrize("method_id", registry.ids())
def test_a_summary_claims_nothing_when_everything_is_excluded(method_id, contexts):
    context = replace(contexts["transformer"], scope=Scope(exclude=("*",)))
    facts = replace(context.facts, slow_fusions=("SkipLayerNormFusion",))
    plan = plan_of(replace(context, facts=facts), method_id)
    numbers = re.findall(r"\d+", plan.summary)
    assert not numbers or numbers[0] == "0", plan.summary


@pytest.mark.parametrize("method_id", [i for i in registry.ids() if i.startswith("quantize.")])
def test_recurrent_layers_stay_near_or_are_named(method_id, contexts):
    context = contexts["recurrent"]
    plan = plan_of(context, method_id)
    touched = {edit.weight for edit in encodings(plan)}
    touched |= {edit.target for edit in plan.edits if isinstance(edit, Cast)}
    named = {skip.target.partition("/")[0] for skip in plan.skips}
    for layer in ("lstm", "gru"):
        assert {f"{layer}.W", f"{layer}.R"} & touched or layer in named
    result = edited(context.original, plan.edits, context.store)
    feeds = tiny.feeds(MODELS["recurrent"](), batch=1)
    old, new = run(context.original, feeds)[0], run(result, feeds)[0]
    few = (getattr(registry.create(method_id, {}), "bits", 8) or 4) <= 4  # of the layer behind them
    assert np.linalg.norm(new - old) <= (0.4 if few else 0.05) * np.linalg.norm(old)
