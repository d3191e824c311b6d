"""A graph as it will be when channels have left it or are there several times.

Its sizes, its numbers, and what must be rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from lissom.errors import MethodError
from lissom.graph.channels.arithmetic import Array, Numbers
from lissom.graph.channels.elsewhere import Sizes
from lissom.graph.channels.layout import laid, runs
from lissom.graph.channels.walk import Walk
from lissom.graph.cutting import (
    Resizing,
    ScaleInput,
    SetAttribute,
    SetInput,
    WeightCut,
    WeightGrowth,
    runs_of,
)
from lissom.graph.model import NodeInfo

__all__ = ["SIZES_AT", "After", "Asked", "Fit", "Setting"]

SIZES_AT: Final[Mapping[str, tuple[int, ...]]] = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Gather": (1,),
    "Pad": (1,),
    "Reshape": (1,),
    "Resize": (3,),
    "Slice": (1, 2),
    "Split": (1,),
}
"""Inputs that the settings rewrite; every other number is kept as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """An input must hold these integers, and may hold others by itself.

    Attributes:
        input: of the node, by number.
        wanted: what it must hold.
        now: what it holds by itself; None where that is not known.
    """

    input: int
    wanted: tuple[int, ...]
    now: tuple[int, ...] | None


Asked: TypeAlias = Fit | SetAttribute | SetInput
"""What a setting asks for."""


class After:
    """The graph as it will be.

    Args:
        walk: the graph, walked through.
        times: how often classes of indices will be there, where that is not once.
        settings: how each operator's settings are rewritten.
        before: the graph as it is for inputs of other sizes; as in the walk unless given.

    Attributes:
        walk: as given.
        numbers: values known by number, as they will be so far.
    """

    def __init__(
        self,
        walk: Walk,
        times: Mapping[int, int],
        settings: Mapping[str, Setting],
        before: Sizes | None = None,
    ) -> None:
        self.walk = walk
        self.numbers = Numbers(walk.model, self._changed_array)
        self._changed, self._settings = times, settings
        self._before = before or Sizes(shapes=walk.shapes, numbers=walk.numbers)
        self._roots = walk.ids.all_roots()
        per_class = np.ones(self._roots.size, np.int64)
        for root, count in times.items():
            per_class[root] = count
        self._times = per_class[self._roots]
        self._shapes: dict[str, tuple[int, ...]] = {}
        for name in self._before.shapes:
            try:
                self._shapes[name] = self._shape(name)
            except MethodError:
                continue  # its size there does not follow from the one here

    def at(self, before: Sizes) -> After:
        """The same change for inputs of other sizes, from its start."""
        return After(self.walk, self._changed, self._settings, before)

    def with_numbers(self, numbers: Numbers) -> After:
        """The same, with other numbers so far."""
        found = copy(self)
        found.numbers = numbers
        return found

    def cuts(self) -> Iterator[WeightCut]:
        """Where weights are cut."""
        for name in self.walk.model.weights:
            for axis, ids in enumerate(self.walk.axes[name]):
                if ids is not None and (leaves := self._times[ids] == 0).any():
                    removed = runs_of(np.flatnonzero(leaves).tolist())
                    yield WeightCut(weight=name, axis=axis, removed=removed)

    def growths(self, shared: Collection[tuple[str, int]]) -> Iterator[WeightGrowth]:
        """Where weights grow.

        Args:
            shared: axes of weights, along which copies share what was there.
        """
        for name in self.walk.model.weights:
            for axis, ids in enumerate(self.walk.axes[name]):
                if ids is None or not (self._times[ids] > 1).any():
                    continue
                starts, ends = runs(self._roots[ids])
                counts = self._times[ids][starts]
                copied = zip(starts.tolist(), ends.tolist(), counts.tolist(), strict=True)
                yield WeightGrowth(
                    weight=name,
                    axis=axis,
                    copied=tuple(run for run in copied if run[2] > 1),
                    shared=(name, axis) in shared,
                )

    def changes(self) -> set[tuple[int, int]]:
        """All sizes that change, before and after."""
        return {
            pair
            for name, before in self._before.shapes.items()
            for pair in zip(before, self.size(name), strict=True)
            if pair[0] != pair[1]
        }

    def resized(self) -> Iterator[Resizing]:
        """What the graph says of its values' shapes and is no longer true."""
        for name, before in self.walk.shapes.items():
            stated = self.walk.model.value_shape(name)
            if stated is None or len(stated) != len(before):
                continue
            for axis, (old, new) in enumerate(zip(before, self._shapes[name], strict=True)):
                if old != new and isinstance(stated[axis], int):
                    yield Resizing(value=name, axis=axis, size=new)

    def follow(self, node: NodeInfo) -> None:
        """Compute what a node gives, if it is known by number."""
        self.numbers.follow(node, self._shapes)

    def asked(self, node: NodeInfo) -> list[Asked]:
        """What a node's settings must be.

        Raises:
            MethodError: they cannot be set.
        """
        rule = self._settings.get(node.op_type) if not node.domain else None
        return [] if rule is None else rule(self, node)

    def check_outputs(self) -> None:
        """See that no output of the model tells how many channels there are."""
        for port in self.walk.model.outputs:
            if self.differs(port.name):
                raise MethodError(f"output {port.name!r} is computed from a number of channels")

    # -- what rules ask --------------------------------------------------------------------------

    def size(self, name: str) -> tuple[int, ...]:
        """The shape that a value will have.

        Raises:
            MethodError: it is not known.
        """
        return self._shapes[name] if name in self._shapes else self._shape(name)

    def is_cut(self, name: str) -> bool:
        """Whether a value or weight changes its shape."""
        return self.size(name) != self._shape_before(name)

    def times(self, name: str, axis: int) -> Array:
        """How often each index of an axis will be there."""
        ids = self.walk.of(name)[axis]
        count = self._shape_before(name)[axis]
        if ids is not None and ids.size != count:
            raise MethodError(
                f"which indices of {name!r} stay for inputs of other sizes is unknown"
            )
        return np.ones(count, np.int64) if ids is None else self._times[ids]

    def stays(self, name: str, axis: int) -> bool:
        """Whether every index of an axis will be there once."""
        return bool((self.times(name, axis) == 1).all())

    def laid(self, name: str, axis: int) -> tuple[Array, Array]:
        """The indices of an axis in their new order, and which copy each one is."""
        ids, times = self.walk.of(name)[axis], self.times(name, axis)
        return laid(np.arange(times.size) if ids is None else self._roots[ids], times)

    def differs(self, name: str) -> bool:
        """Whether what stays of a value known by number becomes another, or is no longer known."""
        if not self._before.numbers.computed(name):
            return False
        old, new = self._left(name), self.numbers.of(name)
        return old is None or new is None or not np.array_equal(old, new)

    def now(self, name: str) -> list[int] | None:
        """The integers that an input will hold by itself; None where they are not known."""
        found = self.numbers.of(name)
        return None if found is None else [int(number) for number in found.ravel()]

    def hold(self, name: str) -> None:
        """Say that what stays of a value is as it was, since what makes it is rewritten."""
        held = self._left(name)
        if held is not None and self._before.numbers.computed(name):
            self.numbers.put(name, held)

    def before(self, name: str) -> list[int] | None:
        """The integers that an input held; None where they are not known."""
        found = self._before.numbers.of(name)
        return None if found is None else [int(number) for number in found.ravel()]

    def restore(self, node: NodeInfo, number: int) -> list[Asked]:
        """Let an input hold what it held."""
        name = node.inputs[number] if number < len(node.inputs) else ""
        held = self.before(name) if name else None
        return [] if held is None else self.fit(number, held, self.now(name))

    def fit(self, number: int, wanted: Sequence[int], now: Sequence[int] | None) -> list[Asked]:
        """Let an input hold the integers wanted."""
        held = None if now is None else tuple(now)
        return [Fit(input=number, wanted=tuple(wanted), now=held)]

    # -- inside ----------------------------------------------------------------------------------

    def _shape_before(self, name: str) -> tuple[int, ...]:
        if name in self.walk.model.weights or self._before.shapes is self.walk.shapes:
            return self.walk.shape(name)
        found = self._before.shapes.get(name)
        if found is None or len(found) != len(self.walk.of(name)):
            raise MethodError(f"the shape of {name!r} for inputs of other sizes is unknown")
        return found

    def _shape(self, name: str) -> tuple[int, ...]:
        """What becomes of each axis; where open sizes are merged into it, the same share of it."""
        found = []
        for size, ids in zip(self._shape_before(name), self.walk.of(name), strict=True):
            if ids is None:
                found.append(size)
                continue
            stays, rest = divmod(size * int(self._times[ids].sum()), ids.size)
            if rest:
                raise MethodError(f"the shape of {name!r} for inputs of other sizes is unknown")
            found.append(stays)
        return tuple(found)

    def keep_values(self, node: NodeInfo) -> list[ScaleInput]:
        """Let a number that is computed with (a scale by the number of channels) stay as it was."""
        if not node.domain and node.op_type in {"Shape", "Size"}:
            return []
        refusal = f"{node.op_type} {node.name!r} computes with the number of channels"
        if any(map(self.differs, node.captured)):
            raise MethodError(refusal)
        if any(map(self.numbers.computed, node.outputs[:1])):
            return []
        known = node.op_type in self._settings and not node.domain
        settings = SIZES_AT.get(node.op_type, ()) if known else ()
        found = []
        for number, name in enumerate(node.inputs):
            if number in settings or not self.differs(name):
                continue
            old, new = self._left(name), self.numbers.of(name)
            if old is None or new is None or old.shape != new.shape or old.ndim > 1:
                raise MethodError(refusal)
            if old.dtype.kind not in "if" or not np.all(new):
                raise MethodError(refusal)
            above, below = tuple(old.ravel().tolist()), tuple(new.ravel().tolist())
            found.append(
                ScaleInput(node=node.name, input=number, numerators=above, denominators=below)
            )
        return found

    def _left(self, name: str) -> Array | None:
        """What a value held, of the indices that will be there."""
        found = self._before.numbers.of(name)
        return (
            found if found is None or name not in self._shapes else self._changed_array(name, found)
        )

    def _changed_array(self, name: str, array: Array) -> Array:
        for axis in range(array.ndim):
            if not self.stays(name, axis):
                array = np.take(array, self.laid(name, axis)[0], axis)
        return array


Setting: TypeAlias = Callable[[After, NodeInfo], list[Asked]]
"""What rewrites an operator's settings."""
