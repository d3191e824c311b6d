"""Small numbers that follow from shapes and constants alone: the arithmetic of dynamic sizes.

Exporters write a reshape's target as a little graph of Shape, Gather, Mul and Concat. Its values
are computed here, for the shapes that a run had and again for those that it would have after a
removal, so that a removal rewrites what does not follow by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lissom.graph.model import Model, NodeInfo

__all__ = ["MOST", "Numbers", "reduced_axes"]

MOST: Final = 4096
"""Elements of a value that is still computed."""

Array = npt.NDArray[Any]
_TYPES: Final = {
    1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64,
}  # fmt: skip


class Numbers:
    """Values known by number: constants, and what is computed from them and from shapes."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[str, Array] = {}

    def of(self, name: str) -> Array | None:
        """The value, if it is known and small."""
        found = self._known.get(name)
        if found is not None:
            return found
        info = self._model.weights.get(name)
        if info is None or prod(info.shape) > MOST or info.dtype == "string":
            return None
        return self._model.weight(name)

    def computed(self, name: str) -> bool:
        """Whether the value is known and is no constant of the model."""
        return name in self._known

    def follow(self, node: NodeInfo, shapes: Mapping[str, Sequence[int]]) -> None:
        """Compute a node's outputs, if they follow from numbers or from shapes."""
        if node.domain or not node.outputs or not node.outputs[0]:
            return
        if node.op_type in {"Shape", "Size"}:
            shape = shapes.get(node.inputs[0])
            if shape is not None:
                self._known[node.outputs[0]] = _measured(node, shape)
            return
        if node.op_type == "ConstantOfShape":
            self._fill(node, shapes)
            return
        rule = _RULES.get(node.op_type)
        if rule is None or not any(name in self._known for name in node.inputs):
            return
        if any(prod(shapes.get(name, (MOST + 1,))) > MOST for name in node.outputs if name):
            return
        given = [self.of(name) if name else None for name in node.inputs]
        if any(array is None for array, name in zip(given, node.inputs, strict=True) if name):
            return
        with np.errstate(all="ignore"):
            found = rule(node, given)
        self._known[node.outputs[0]] = np.asarray(found)

    def put(self, name: str, value: Array) -> None:
        """Say what a value is."""
        self._known[name] = value

    def _fill(self, node: NodeInfo, shapes: Mapping[str, Sequence[int]]) -> None:
        size = self.of(node.inputs[0])
        if size is None or prod(size.tolist()) > MOST or node.outputs[0] not in shapes:
            return
        value = next(one for one in self._model.ir.graph if one.name == node.name).attributes
        filling = value["value"].as_tensor().numpy() if "value" in value else np.zeros(1, "f4")
        self._known[node.outputs[0]] = np.full(size.tolist(), filling.ravel()[0], filling.dtype)


def reduced_axes(node: NodeInfo, numbers: Numbers, rank: int) -> tuple[int, ...] | None:
    """The axes that a reduction takes away; None where they are not known."""
    axes: Any = node.attributes.get("axes")
    if axes is None and len(node.inputs) > 1 and node.inputs[1]:
        found = numbers.of(node.inputs[1])
        if found is None:
            return None
        axes = found.ravel().tolist()
    if not axes:
        return () if node.attributes.get("noop_with_empty_axes") else tuple(range(rank))
    return tuple(sorted(axis % rank for axis in axes))


def _measured(node: NodeInfo, shape: Sequence[int]) -> Array:
    if node.op_type == "Size":
        return np.asarray(prod(shape), np.int64)
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    return np.asarray(list(shape)[start:end], np.int64)  # type: ignore[misc]  # they are integers


def _divide(left: Array, right: Array) -> Array:
    if left.dtype.kind != "i":
        return np.asarray(left / right)
    whole = np.abs(left) // np.maximum(np.abs(right), 1)
    return np.asarray(np.sign(left) * np.sign(right) * whole)  # ONNX rounds towards zero


def _squeeze(node: NodeInfo, given: list[Any]) -> Array:
    axes = node.attributes.get("axes") if len(given) < 2 else given[1].ravel().tolist()
    return np.squeeze(given[0], tuple(axes) if axes else None)  # type: ignore[arg-type]


def _unsqueeze(node: NodeInfo, given: list[Any]) -> Array:
    axes: Any = node.attributes.get("axes") if len(given) < 2 else given[1].ravel().tolist()
    rank = given[0].ndim + len(axes)
    found = given[0]
    for axis in sorted(axis % rank for axis in axes):
        found = np.expand_dims(found, axis)
    return np.asarray(found)


def _slice(node: NodeInfo, given: list[Any]) -> Array:
    attributes: Any = node.attributes
    if len(given) == 1:
        starts, ends = attributes["starts"], attributes["ends"]
        axes, steps = attributes.get("axes"), None
    else:
        starts, ends = given[1].ravel(), given[2].ravel()
        axes = given[3].ravel() if len(given) > 3 and given[3] is not None else None
        steps = given[4].ravel() if len(given) > 4 and given[4] is not None else None
    index = [slice(None)] * given[0].ndim
    for number, axis in enumerate(range(len(starts)) if axes is None else axes):
        step = 1 if steps is None else int(steps[number])
        start, end = int(starts[number]), int(ends[number])
        stop = None if step < 0 and end < -given[0].shape[int(axis)] else end
        index[int(axis)] = slice(start, stop, step)
    return np.asarray(given[0][tuple(index)])


def _reshape(node: NodeInfo, given: list[Any]) -> Array:
    del node
    target = [given[0].shape[i] if n == 0 else int(n) for i, n in enumerate(given[1].ravel())]
    return np.asarray(given[0].reshape(target))


def _cast(node: NodeInfo, given: list[Any]) -> Array:
    kind: Any = node.attributes["to"]
    return np.asarray(given[0].astype(_TYPES.get(kind, np.int64)))


def _reduced(function: Callable[..., Any]) -> Callable[[NodeInfo, list[Any]], Any]:
    def rule(node: NodeInfo, given: list[Any]) -> Any:
        axes: Any = node.attributes.get("axes") if len(given) < 2 else given[1].ravel().tolist()
        kept = bool(node.attributes.get("keepdims", 1))
        return function(given[0], axis=tuple(axes) if axes else None, keepdims=kept)

    return rule


def _each(function: Callable[..., Any]) -> Callable[[NodeInfo, list[Any]], Any]:
    return lambda node, given: function(*given)


_RULES: Final[dict[str, Callable[[NodeInfo, list[Any]], Any]]] = {
    "Abs": _each(np.abs), "Add": _each(np.add), "And": _each(np.logical_and),
    "Ceil": _each(np.ceil), "Div": _each(_divide), "Equal": _each(np.equal),
    "Floor": _each(np.floor), "Greater": _each(np.greater), "Identity": _each(np.asarray),
    "GreaterOrEqual": _each(np.greater_equal), "Less": _each(np.less),
    "LessOrEqual": _each(np.less_equal), "Max": _each(np.maximum), "Min": _each(np.minimum),
    "Mod": _each(np.mod), "Mul": _each(np.multiply), "Neg": _each(np.negative),
    "Not": _each(np.logical_not), "Or": _each(np.logical_or), "Pow": _each(np.power),
    "Reciprocal": _each(np.reciprocal), "Round": _each(np.round), "Sign": _each(np.sign),
    "Sqrt": _each(np.sqrt), "Sub": _each(np.subtract), "Where": _each(np.where),
    "ReduceMax": _reduced(np.max), "ReduceMin": _reduced(np.min),
    "ReduceProd": _reduced(np.prod), "ReduceSum": _reduced(np.sum),
    "Cast": _cast, "Reshape": _reshape, "Slice": _slice,
    "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Concat": lambda node, given: np.concatenate(given, axis=node.attributes["axis"]),  # type: ignore[call-overload]
    "Expand": lambda node, given: given[0] * np.ones(given[1], given[0].dtype),
    "Gather": lambda node, given: np.take(given[0], given[1], axis=node.attributes.get("axis", 0)),  # type: ignore[call-overload]
    "Range": lambda node, given: np.arange(*[one.item() for one in given]),
}  # fmt: skip
