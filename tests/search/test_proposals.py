"""What is proposed for which model, in which order, and why the rest is not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest

from lissom.methods.scope import Scope
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.search.limits import Goal
from lissom.search.places import Place
from lissom.search.proposals import Proposals, proposals
from tests import tiny
from tests.graph.graphs import model_of

FACTS = Facts(
    activation="uint8",
    reduce_range=False,
    integer_operators=frozenset({"Conv", "MatMul", "Gemm", "Add"}),
    passthrough_operators=frozenset({"Reshape"}),
    weight_only=((4, 32), (8, 32)),
    dynamic_operators=frozenset({"MatMul", "Gemm"}),
    float16_compute=False,
)
POOR = Facts(
    activation="uint8",
    reduce_range=False,
    integer_operators=frozenset(),
    passthrough_operators=frozenset(),
    weight_only=(),
    dynamic_operators=frozenset(),
    float16_compute=False,
)


def proposed(
    made: onnx.ModelProto,
    *,
    facts: Facts = FACTS,
    data: bool = True,
    goal: Goal = "speed",
    scope: Scope | None = None,
) -> Proposals:
    return proposals(model_of(made), facts, data=data, goal=goal, scope=scope or Scope(), seed=3)


def names(found: Proposals) -> list[str]:
    return [one.recipe.name for one in found.tried]


def test_convolutions_start_with_static_integers() -> None:
    found = proposed(tiny.cnn())
    assert names(found)[0] == "static-mse"
    assert {"static-minmax", "static-percentile", "static-heavy", "float16"} <= set(names(found))
    assert "static-conv-dynamic" in names(found)
    assert all(one.recipe.seed == 3 for one in found.tried)


def test_transformers_start_with_fusion_then_dynamic() -> None:
    found = proposed(tiny.transformer())
    assert names(found)[:2] == ["fused", "dynamic"]
    dynamic = next(one.recipe for one in found.tried if one.recipe.name == "dynamic")
    assert [step.method for step in dynamic.steps] == ["optimize.fusion", "quantize.dynamic"]


def test_an_lstm_alone_is_worth_dynamic_integers_where_the_runtime_has_them() -> None:
    for operators, wanted in ((frozenset({"LSTM"}), True), (frozenset[str](), False)):
        found = proposed(tiny.recurrent(), facts=replace(FACTS, dynamic_operators=operators))
        assert ("dynamic" in names(found)) is wanted


def test_the_goal_orders() -> None:
    assert names(proposed(tiny.mlp(), goal="size"))[0] == "weights-int4-packed"
    assert names(proposed(tiny.transformer(), goal="quality"))[0] == "fused"


def test_everything_is_tried_or_left_out_with_a_reason() -> None:
    every = None
    for made in (tiny.cnn(), tiny.mlp(), tiny.transformer(), tiny.recurrent(), tiny.branchy()):
        for data in (True, False):
            found = proposed(made, data=data)
            assert all(one.reason for one in found.left_out)
            both = {*names(found), *(one.name for one in found.left_out)}
            assert len(both) == len(found.tried) + len(found.left_out)
            assert every is None or both == every
            every = both


def test_without_samples_nothing_static_is_tried() -> None:
    found = proposed(tiny.cnn(), data=False)
    assert not [name for name in names(found) if "static" in name]
    reasons = {one.name: one.reason for one in found.left_out}
    assert "--data" in reasons["static-mse"]
    assert "float16" in names(found)


def test_what_the_runtime_cannot_do_is_not_tried() -> None:
    found = proposed(tiny.cnn(), facts=POOR)
    pruned = {"pruned-30", "pruned-50", "pruned-65"}
    assert set(names(found)) == {"weights-int8", "float16", *pruned}


def test_a_quantized_model_is_left_alone() -> None:
    made = tiny.mlp()
    scale = onnx.numpy_helper.from_array(__import__("numpy").float32(0.1), "scale")
    made.graph.initializer.append(scale)
    made.graph.node.append(onnx.helper.make_node("QuantizeLinear", ["y", "scale"], ["q"], "q"))
    found = proposed(made)
    assert found.tried == ()
    assert all("already quantized" in one.reason for one in found.left_out)


@pytest.mark.parametrize("scope", [Scope(include=("Conv",)), Scope(exclude=("fc",))])
def test_every_step_is_held_to_the_scope(scope: Scope) -> None:
    found = proposed(tiny.cnn(), scope=scope)
    steps = [step for one in found.tried for step in one.recipe.steps]
    assert all(step.include == scope.include for step in steps)
    assert all(set(scope.exclude) <= set(step.exclude) for step in steps)
    assert "runtime-fused" not in names(found)


def test_the_mixed_recipe_parts_the_operators() -> None:
    found = proposed(tiny.cnn())
    mixed = next(one.recipe for one in found.tried if one.recipe.name == "static-conv-dynamic")
    assert mixed.steps[0].exclude == ("Gemm",)
    assert mixed.steps[1].exclude == ()


def test_weights_with_zero_points_are_left_out_where_they_end_the_integer_kernel() -> None:
    wide = tiny.cnn()
    found = proposed(wide, facts=replace(FACTS, asymmetric_weights=False))
    reasons = {one.name: one.reason for one in found.left_out}
    assert reasons["static-asymmetric"]


def test_convolutions_are_pruned_before_fixed_ranges_and_matrices_before_dynamic_ones() -> None:
    models = ((tiny.cnn(), "static", "latency"), (tiny.transformer(), "dynamic", "macs"))
    for made, kind, goal in models:
        found = {one.recipe.name: one.recipe for one in proposed(made).tried}
        for percent in (30, 50, 65):
            (alone,) = found[f"pruned-{percent}"].steps
            assert alone.method == "prune.obs"
            assert alone.parameters == {"ratio": percent / 100, "goal": goal}
            first, *_, rounds, last = found[f"pruned-{percent}-{kind}"].steps
            assert first == alone
            assert rounds.method == f"quantize.{kind}"
            assert last.method == "quantize.bias_correction"


def test_pruning_saves_what_the_goal_is() -> None:
    found = {one.recipe.name: one.recipe for one in proposed(tiny.cnn(), goal="size").tried}
    assert found["pruned-50"].steps[0].parameters == {"ratio": 0.5, "goal": "size"}


def test_weights_are_fitted_where_the_size_is_the_goal() -> None:
    fitted = {"weights-codebook4", "weights-int4", "pruned-50-int4", "pruned-50-codebook4"}
    assert fitted <= set(names(proposed(tiny.cnn(), goal="size")))
    fast = {one.name: one.reason for one in proposed(tiny.cnn()).left_out}
    blind = {one.name: one.reason for one in proposed(tiny.cnn(), goal="size", data=False).left_out}
    for name in fitted:
        assert "smaller" in fast[name]
        assert "--data" in blind[name]


def test_packed_matrices_of_4_bits_are_not_rounded_to_nearest() -> None:
    for data, method in ((True, "quantize.gptq"), (False, "quantize.hqq")):
        found = {one.recipe.name: one.recipe for one in proposed(tiny.mlp(), data=data).tried}
        assert found["weights-int4-packed"].steps[-1].method == method
        assert found["weights-int8-packed"].steps[-1].method == "quantize.weight_only"


def test_pruning_needs_samples_and_channels() -> None:
    without = {one.name: one.reason for one in proposed(tiny.cnn(), data=False).left_out}
    assert "--data" in without["pruned-30"]
    assert "--data" in without["pruned-30-static"]
    relu = onnx.helper.make_node("Relu", ["x"], ["y"], "relu")
    ports = {"x": ("float32", [2])}, {"y": ("float32", [2])}
    bare = {one.name: one.reason for one in proposed(tiny.model([relu], *ports, {})).left_out}
    assert bare["pruned-30"].startswith("no operator of the main graph has channels")


def test_what_is_quantized_after_pruning_is_as_fast_as_it_can_be() -> None:
    def step(made: onnx.ModelProto) -> Mapping[str, Any]:
        found = {one.recipe.name: one.recipe for one in proposed(made).tried}
        return found["pruned-30-static"].steps[-2].parameters

    assert step(tiny.cnn()) == {"ranges": "mse"}
    assert step(convolution(64, 1)) == {"ranges": "mse", "asymmetric_channels": 64}
    assert step(convolution(8, 8)) == {"ranges": "percentile", "depthwise": "float"}


def convolution(channels: int, groups: int) -> onnx.ModelProto:
    """A single one."""
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], "conv", group=groups)
    size = [1, channels, 4, 4]
    weight = np.ones((channels, channels // groups, 1, 1), np.float32)
    return tiny.model([node], {"x": ("float32", size)}, {"y": ("float32", size)}, {"w": weight})


def test_a_name_says_where() -> None:
    found = proposed(tiny.cnn()).tried[0]
    assert found.name == found.recipe.name
    place = Place(target=Target(threads=2), made_for=Target(), label="2-threads")
    assert replace(found, place=place).name == f"{found.recipe.name}@2-threads"
