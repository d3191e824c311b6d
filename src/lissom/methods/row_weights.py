"""How much each row of an operator counts: less where a normalization divides it by more.

Transformers give some positions (the first one, separators) values ten times as large as all others
(Sun et al., "Massive Activations in Large Language Models", 2024, arXiv:2402.17762). A layer
normalization behind makes all equally large again, so an error of the same size means less there.
Squared errors do not know that: a few positions would decide what a layer is fitted to. So where
what an operator gives reaches a normalization through sums alone, each of its rows counts by what
the normalization multiplies its squared errors with, 1 / (variance + epsilon) of the row that it
reads.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lissom.graph.model import Model, NodeInfo
from lissom.methods.reading import Array, Reading, rows

__all__ = ["Normalized", "normalized", "read_by", "row_weights"]

_NORMS = frozenset({"LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"})
_PASSED = frozenset({"Add", "Sum", "Identity", "Dropout"})
_EPSILON = 1e-5
_STEPS = 6  # nodes that are passed on the way at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalized:
    """A value that a normalization over the last axis reads.

    Attributes:
        value: its name.
        epsilon: that the normalization adds to a row's variance.
        centred: whether it takes the row's mean away.
    """

    value: str
    epsilon: float
    centred: bool

    def weights(self, taken: Array) -> Array:
        """How much each row of the value counts, [rows], of rows [rows, channels]."""
        wide = taken.astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinite rows have no weight
            squares = wide.var(axis=1) if self.centred else (wide * wide).mean(axis=1)
        return np.asarray(1.0 / (squares + self.epsilon))


def normalized(model: Model, readings: Iterable[Reading]) -> Mapping[str, Normalized]:
    """What is normalized behind operators, by node; without those that have nothing such behind.

    Args:
        model: the model.
        readings: its operators; only those that treat the last axis are looked at.
    """
    found = {}
    for one in readings:
        behind = _behind(model, one.output) if one.window is None else None
        if behind is not None:
            found[one.node] = behind
    return found


def read_by(behind: Mapping[str, Normalized]) -> list[str]:
    """The values that normalizations read."""
    return [one.value for one in behind.values()]


def row_weights(
    behind: Mapping[str, Normalized],
    reading: Reading,
    given: Mapping[str, Array],
    most: int,
    seed: int,
) -> Array | None:
    """How much each of the rows counts that are taken of an operator in a run, [rows].

    Args:
        behind: what is normalized behind operators.
        reading: the operator.
        given: values of the run: what the operator reads, and what is normalized behind it.
        most: rows that are taken at most, as for `rows`.
        seed: of the choice, as for `rows`.

    Returns:
        None if all rows count the same.
    """
    one = behind.get(reading.node)
    if one is None:
        return None
    return one.weights(
        rows(reading, given[reading.input], given[one.value], most=most, seed=seed)[1]
    )


def _behind(model: Model, value: str) -> Normalized | None:
    values = [value]
    for _ in range(_STEPS):
        readers = [model.node(name) for each in values for name in model.consumers.get(each, ())]
        for each in values:
            found = _read_by(model, each)
            if found is not None:
                return found
        values = [node.outputs[0] for node in readers if node.op_type in _PASSED]
    return None


def _read_by(model: Model, value: str) -> Normalized | None:
    """As one node, or as the nodes that begin one: the mean over the last axis, and the rest."""
    readers = [model.node(name) for name in model.consumers.get(value, ())]
    for node in readers:
        if node.op_type in _NORMS and node.inputs[0] == value and _over_last(model, node):
            epsilon = node.attributes.get("epsilon")
            return Normalized(
                value=value,
                epsilon=epsilon if isinstance(epsilon, float) else _EPSILON,
                centred=node.op_type == "LayerNormalization",
            )
    means = [node.outputs[0] for node in readers if _takes_means(model, node)]
    if any(node.op_type == "Sub" and node.inputs[1] in means for node in readers):
        return Normalized(value=value, epsilon=_EPSILON, centred=True)
    return None


def _over_last(model: Model, node: NodeInfo) -> bool:
    """Whether it normalizes the last axis alone: then it has a factor for each place there."""
    return node.inputs[1] in model.weights and len(model.weights[node.inputs[1]].shape) == 1


def _takes_means(model: Model, node: NodeInfo) -> bool:
    """Whether a node takes means over the last axis, and keeps it."""
    if node.op_type != "ReduceMean" or not node.attributes.get("keepdims", 1):
        return False
    axes = node.attributes.get("axes")
    if axes is None and len(node.inputs) > 1 and node.inputs[1] in model.weights:
        axes = tuple(np.asarray(model.weight(node.inputs[1])).tolist())
    return axes == (-1,)
