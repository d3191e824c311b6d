"""What is removed for which goal, and what becomes of what is left."""

from collections.abc import Mapping
from typing import Any

import onnx

from lissom.runtime.facts import Facts
from tests import tiny
from tests.search.offered import ASYMMETRIC, FACTS, convolution, proposed


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


def test_pruning_needs_samples_and_channels() -> None:
    without = {one.name: one.reason for one in proposed(tiny.cnn(), data=False).left_out}
    assert "--data" in without["pruned-30"]
    assert "--data" in without["pruned-30-static"]
    relu = onnx.helper.make_node("Relu", ["x"], ["y"], "relu")
    ports = {"x": ("float32", [2])}, {"y": ("float32", [2])}
    bare = {one.name: one.reason for one in proposed(tiny.model([relu], *ports, {})).left_out}
    assert bare["pruned-30"].startswith("no operator of the main graph has channels")


def test_what_is_quantized_after_pruning_is_as_fast_as_it_can_be() -> None:
    def step(made: onnx.ModelProto, facts: Facts = FACTS) -> Mapping[str, Any]:
        found = {one.recipe.name: one.recipe for one in proposed(made, facts=facts).tried}
        return found["pruned-30-static"].steps[-2].parameters

    assert step(tiny.cnn()) == {"ranges": "mse"}
    assert step(convolution(64, 1)) == {"ranges": "mse"}
    assert step(convolution(64, 1), ASYMMETRIC) == {"ranges": "mse", "asymmetric_channels": 64}
    assert step(convolution(8, 8)) == {"ranges": "percentile", "depthwise": "float"}
