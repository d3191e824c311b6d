"""A graph as it will be when channels have left it: sizes, numbers, and what must be rewritten."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from lissom.errors import MethodError
from lissom.graph.channels.arithmetic import Array, Numbers
from lissom.graph.channels.walk import Walk
from lissom.graph.cutting import Resizing, Rewrite, ScaleInput, SetInput, WeightCut, runs_of
from lissom.graph.model import NodeInfo

__all__ = ["After", "Setting"]

# Inputs that the settings below rewrite; every other number is kept as it was.
_SIZES_AT: Final[Mapping[str, tuple[int, ...]]] = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Gather": (1,),
    "Pad": (1,),
    "Reshape": (1,),
    "Resize": (3,),
    "Slice": (1, 2),
    "Split": (1,),
}


class After:
    """The graph as it will be.

    Args:
        walk: the graph, walked through.
        gone: the classes of indices that leave.
        settings: how each operator's settings are rewritten.

    Attributes:
        walk: as given.
        rewrites: what was found to rewrite.
    """

    def __init__(self, walk: Walk, gone: set[int], settings: Mapping[str, Setting]) -> None:
        self.walk = walk
        self._settings = settings
        self.rewrites: list[Rewrite] = []
        self._numbers = Numbers(self.walk.model)
        roots = self.walk.ids.all_roots()
        self._leaves = np.isin(roots, np.asarray(sorted(gone), np.int64))
        self._shapes = {name: self._shape(name) for name in self.walk.shapes}

    def cuts(self) -> Iterator[WeightCut]:
        """Where weights are cut."""
        for name in self.walk.model.weights:
            for axis, ids in enumerate(self.walk.axes[name]):
                if ids is not None and (leaves := self._leaves[ids]).any():
                    removed = runs_of(np.flatnonzero(leaves).tolist())
                    yield WeightCut(weight=name, axis=axis, removed=removed)

    def resized(self) -> Iterator[Resizing]:
        """What the graph says of its values' shapes and is no longer true."""
        for name, before in self.walk.shapes.items():
            stated = self.walk.model.value_shape(name)
            if stated is None or len(stated) != len(before):
                continue
            for axis, (old, new) in enumerate(zip(before, self._shapes[name], strict=True)):
                if old != new and isinstance(stated[axis], int):
                    yield Resizing(value=name, axis=axis, size=new)

    def step(self, node: NodeInfo) -> None:
        """Look at a node's settings."""
        rule = self._settings.get(node.op_type) if not node.domain else None
        self._numbers.follow(node, self._shapes)
        if rule is not None:
            self.rewrites += rule(self, node)
        self._keep_values(node, () if rule is None else _SIZES_AT.get(node.op_type, ()))

    def check_outputs(self) -> None:
        """See that no output of the model tells how many channels there are."""
        for port in self.walk.model.outputs:
            if self._differs(port.name):
                raise MethodError(f"output {port.name!r} is computed from a number of channels")

    # -- what rules ask --------------------------------------------------------------------------

    def size(self, name: str) -> tuple[int, ...]:
        """The shape that a value will have."""
        return self._shapes[name] if name in self._shapes else self._shape(name)

    def is_cut(self, name: str) -> bool:
        """Whether a value or weight changes its shape."""
        return self.size(name) != self.walk.shape(name)

    def kept(self, name: str, axis: int) -> Array:
        """Which indices of an axis stay."""
        ids = self.walk.of(name)[axis]
        count = self.walk.shape(name)[axis]
        return np.ones(count, bool) if ids is None else ~self._leaves[ids]

    def now(self, name: str) -> list[int] | None:
        """The integers that an input will hold by itself; None where they are not known."""
        found = self._numbers.of(name)
        return None if found is None else [int(number) for number in found.ravel()]

    def hold(self, name: str) -> None:
        """Say that a value stays what it was, since what it is made from is rewritten."""
        held = self.walk.numbers.of(name)
        if held is not None and not self.is_cut(name):
            self._numbers.put(name, held)

    def before(self, name: str) -> list[int] | None:
        """The integers that an input held; None where they are not known."""
        found = self.walk.numbers.of(name)
        return None if found is None else [int(number) for number in found.ravel()]

    def restore(self, node: NodeInfo, number: int) -> list[Rewrite]:
        """Rewrite an input so that it holds what it held."""
        name = node.inputs[number] if number < len(node.inputs) else ""
        held = self.before(name) if name else None
        return [] if held is None else self.fit(node, number, held, self.now(name))

    def fit(
        self, node: NodeInfo, number: int, wanted: Sequence[int], now: Sequence[int] | None
    ) -> list[Rewrite]:
        """Rewrite an input so that it holds the integers wanted, if it does not by itself."""
        if now is not None and list(wanted) == list(now):
            return []
        name = node.inputs[number] if number < len(node.inputs) else ""
        if not name or name in self.walk.model.weights:
            return [SetInput(node=node.name, input=number, values=tuple(wanted))]
        if (
            now is None
            or len(now) != len(wanted)
            or any(old == 0 != new for old, new in zip(now, wanted, strict=True))
        ):
            raise MethodError(
                f"{node.op_type} {node.name!r} counts channels in a way that is computed"
            )
        pairs = [(1, 1) if old == new else (new, old) for old, new in zip(now, wanted, strict=True)]
        above, below = zip(*pairs, strict=True)
        return [ScaleInput(node=node.name, input=number, numerators=above, denominators=below)]

    # -- inside ----------------------------------------------------------------------------------

    def _shape(self, name: str) -> tuple[int, ...]:
        before = self.walk.shape(name)
        axes = self.walk.of(name)
        return tuple(
            size if ids is None else int((~self._leaves[ids]).sum())
            for size, ids in zip(before, axes, strict=True)
        )

    def _keep_values(self, node: NodeInfo, settings: Collection[int]) -> None:
        """Let a number that is computed with (a scale by the number of channels) stay as it was."""
        if not node.domain and node.op_type in {"Shape", "Size"}:
            return
        refusal = f"{node.op_type} {node.name!r} computes with the number of channels"
        if any(map(self._differs, node.captured)):
            raise MethodError(refusal)
        if any(map(self._numbers.computed, node.outputs[:1])):
            return
        for number, name in enumerate(node.inputs):
            if number in settings or not self._differs(name):
                continue
            old, new = self.walk.numbers.of(name), self._numbers.of(name)
            if old is None or new is None or old.shape != new.shape or old.ndim > 1:
                raise MethodError(refusal)
            if old.ndim == 1:
                stays = self.kept(name, 0)
                old, new = old[stays], new[stays]
            if old.dtype.kind not in "if" or not np.all(new):
                raise MethodError(refusal)
            self.rewrites.append(
                ScaleInput(
                    node=node.name,
                    input=number,
                    numerators=tuple(old.ravel().tolist()),
                    denominators=tuple(new.ravel().tolist()),
                )
            )

    def _differs(self, name: str) -> bool:
        """Whether a value that is known by number becomes another, or is no longer known."""
        if not self.walk.numbers.computed(name):
            return False
        old, new = self.walk.numbers.of(name), self._numbers.of(name)
        return old is None or new is None or not np.array_equal(old, new)


Setting: TypeAlias = Callable[[After, NodeInfo], list[Rewrite]]
"""What rewrites an operator's settings."""
