"""Small numbers that follow from shapes and constants alone: the arithmetic of dynamic sizes.

Exporters write a reshape's target as a little graph of Shape, Gather, Mul and Concat. Its values
are computed here, for the shapes that a run had and again for those that it would have after a
removal, so that a removal rewrites what does not follow by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, reduce
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lissom.graph.model import Model, NodeInfo

__all__ = ["MOST", "Array", "Numbers", "reduced_axes"]

MOST: Final = 4096
"""Elements of a value that is still computed."""

Array = npt.NDArray[Any]
_TYPES: Final = {
    1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64,
}  # fmt: skip


class Numbers:
    """Values known by number: constants, and what is computed from them and from shapes.

    Args:
        model: the graph.
        left: what is left of a value, of which indices may have left; all of it unless given.
    """

    def __init__(self, model: Model, left: Callable[[str, Array], Array] | None = None) -> None:
        self._model = model
        self._left = left
        self._known: dict[str, Array] = {}
        self._instead: dict[tuple[str, int], Array] = {}

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
        given = [self._given(node.name, *each) for each in enumerate(node.inputs)]
        if any(array is None for array, name in zip(given, node.inputs, strict=True) if name):
            return
        try:
            with np.errstate(all="ignore"):
                found = rule(node, given)
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
            return  # a stranger's settings that make no sense: the value stays unknown
        self._known[node.outputs[0]] = np.asarray(found)

    def put(self, name: str, value: Array) -> None:
        """Say what a value is."""
        self._known[name] = value

    def instead(self, node: str, number: int, value: Array) -> None:
        """Say what an input of a node holds instead of a constant; what follows is not redone."""
        self._instead[node, number] = value

    def copy(self) -> "Numbers":
        """The same numbers, to be changed by themselves."""
        found = Numbers(self._model, self._left)
        found._known, found._instead = dict(self._known), dict(self._instead)
        return found

    def _given(self, node: str, number: int, name: str) -> Array | None:
        """What a node reads."""
        found = self._instead.get((node, number), self.of(name) if name else None)
        if found is None or self._left is None or name in self._known:
            return found
        return self._left(name, found)

    def _fill(self, node: NodeInfo, shapes: Mapping[str, Sequence[int]]) -> None:
        size = self.of(node.inputs[0])
        if size is None or size.ndim != 1 or node.outputs[0] not in shapes:
            return
        sizes = size.tolist()
        if min(sizes, default=1) < 0 or prod(sizes) > MOST:
            return
        filling = self._fillings.get(node.name, np.zeros(1, np.float32))
        if filling.size:
            self._known[node.outputs[0]] = np.full(sizes, filling.ravel()[0], filling.dtype)

    @cached_property
    def _fillings(self) -> dict[str, Array]:
        """What each ConstantOfShape fills with, by node; tensors are no plain attributes."""
        return {
            node.name or "": node.attributes["value"].as_tensor().numpy()
            for node in self._model.ir.graph
            if node.op_type == "ConstantOfShape" and "value" in node.attributes
        }


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
    attributes: Any = node.attributes
    return np.asarray(list(shape)[attributes.get("start", 0) : attributes.get("end")], np.int64)


def _divide(left: Array, right: Array) -> Array:
    if left.dtype.kind != "i":
        return np.asarray(left / right)
    whole = np.abs(left) // np.maximum(np.abs(right), 1)
    return np.asarray(np.sign(left) * np.sign(right) * whole)  # ONNX rounds towards zero


def _squeeze(node: NodeInfo, given: list[Any]) -> Array:
    axes = _axes(node, given)
    return np.asarray(np.squeeze(given[0], tuple(axes) if axes else None))


def _unsqueeze(node: NodeInfo, given: list[Any]) -> Array:
    axes = _axes(node, given)
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


def _reshape(_: NodeInfo, given: list[Any]) -> Array:
    target = [given[0].shape[i] if n == 0 else int(n) for i, n in enumerate(given[1].ravel())]
    return np.asarray(given[0].reshape(target))


def _flatten(node: NodeInfo, given: list[Any]) -> Array:
    axis: Any = node.attributes.get("axis", 1)
    return np.asarray(given[0].reshape(prod(given[0].shape[:axis]), -1))


def _transpose(node: NodeInfo, given: list[Any]) -> Array:
    order: Any = node.attributes.get("perm")
    return np.asarray(np.transpose(given[0], order))


def _cast(node: NodeInfo, given: list[Any]) -> Array:
    kind: Any = node.attributes["to"]
    return np.asarray(given[0].astype(_TYPES[kind]))


def _reduced(function: Callable[..., Any]) -> Callable[[NodeInfo, list[Any]], Any]:
    def rule(node: NodeInfo, given: list[Any]) -> Any:
        axes = _axes(node, given)
        if not axes and node.attributes.get("noop_with_empty_axes"):
            return given[0]
        kept = bool(node.attributes.get("keepdims", 1))
        return function(given[0], axis=tuple(axes) if axes else None, keepdims=kept)

    return rule


def _axes(node: NodeInfo, given: list[Any]) -> Any:
    """Of an attribute, or of a second input."""
    if len(given) < 2 or given[1] is None:
        return node.attributes.get("axes")
    return given[1].ravel().tolist()


def _each(function: Callable[..., Any]) -> Callable[[NodeInfo, list[Any]], Any]:
    return lambda _, given: function(*given)


def _all(function: Callable[..., Any]) -> Callable[[NodeInfo, list[Any]], Any]:
    """Any number of inputs, taken one after the other."""
    return lambda _, given: reduce(function, given)


def _modulo(node: NodeInfo, given: list[Any]) -> Any:
    return (np.fmod if node.attributes.get("fmod", 0) else np.mod)(*given)


def _concat(node: NodeInfo, given: list[Any]) -> Any:
    axis: Any = node.attributes["axis"]
    return np.concatenate(given, axis=axis)


def _gather(node: NodeInfo, given: list[Any]) -> Any:
    axis: Any = node.attributes.get("axis", 0)
    return np.take(given[0], given[1], axis=axis)


_RULES: Final[dict[str, Callable[[NodeInfo, list[Any]], Any]]] = {
    "Abs": _each(np.abs), "Add": _each(np.add), "And": _each(np.logical_and),
    "Ceil": _each(np.ceil), "Div": _each(_divide), "Equal": _each(np.equal),
    "Floor": _each(np.floor), "Greater": _each(np.greater), "Identity": _each(np.asarray),
    "GreaterOrEqual": _each(np.greater_equal), "Less": _each(np.less),
    "LessOrEqual": _each(np.less_equal), "Max": _all(np.maximum), "Min": _all(np.minimum),
    "Mod": _modulo, "Mul": _each(np.multiply), "Neg": _each(np.negative),
    "Not": _each(np.logical_not), "Or": _each(np.logical_or), "Pow": _each(np.power),
    "Reciprocal": _each(np.reciprocal), "Round": _each(np.round), "Sign": _each(np.sign),
    "Sqrt": _each(np.sqrt), "Sub": _each(np.subtract), "Where": _each(np.where),
    "ReduceMax": _reduced(np.max), "ReduceMin": _reduced(np.min),
    "ReduceProd": _reduced(np.prod), "ReduceSum": _reduced(np.sum),
    "Cast": _cast, "Flatten": _flatten, "Reshape": _reshape, "Slice": _slice,
    "Squeeze": _squeeze, "Transpose": _transpose, "Unsqueeze": _unsqueeze,
    "Concat": _concat, "Gather": _gather, "Tile": _each(np.tile),
    "Expand": lambda _, given: given[0] * np.ones(given[1], given[0].dtype),
    "Range": lambda _, given: np.arange(*[one.item() for one in given]),
}  # fmt: skip
