"""What is proposed for small models, where a runtime does all or nearly nothing."""

from dataclasses import replace

import numpy as np
import onnx

from lissom.methods.scope import Scope
from lissom.runtime.facts import Facts
from lissom.search.limits import Goal
from lissom.search.proposals import Proposals, proposals
from tests import tiny
from tests.graph.graphs import model_of

__all__ = ["ASYMMETRIC", "FACTS", "POOR", "convolution", "names", "proposed"]

FACTS = Facts(
    activation="uint8",
    reduce_range=False,
    integer_operators=frozenset({"Conv", "MatMul", "Gemm", "Add"}),
    passthrough_operators=frozenset({"Reshape"}),
    weight_only=((4, 32), (8, 32)),
    dynamic_operators=frozenset({"MatMul", "Gemm"}),
    float16_compute=False,
)
ASYMMETRIC = replace(FACTS, asymmetric_weights=True)
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


def convolution(channels: int, groups: int) -> onnx.ModelProto:
    """A single one."""
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], "conv", group=groups)
    size = [1, channels, 4, 4]
    weight = np.ones((channels, channels // groups, 1, 1), np.float32)
    return tiny.model([node], {"x": ("float32", size)}, {"y": ("float32", size)}, {"w": weight})
