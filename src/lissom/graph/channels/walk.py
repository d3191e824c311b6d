"""Lead the identities of all indices through a graph, node by node.

The graph is walked once with concrete shapes (from one run on a sample), which settle what each
operator does. What no rule follows is frozen, with the operator as the reason.

Where an axis is split into factors (768 into 12 heads of 64), or a convolution has groups, several
units are possible: whole heads, or the same place in every head. The walk takes what `choices`
says, and notes what else there was.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from lissom.graph.channels.arithmetic import Array, Numbers
from lissom.graph.channels.elsewhere import Sizes, elsewhere
from lissom.graph.channels.identities import Axes, Identities, Ids
from lissom.graph.model import Model, NodeInfo

__all__ = ["CannotFollow", "Read", "Rule", "Shapes", "Walk"]

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""The concrete shape of each value of a graph that is no weight, by name."""

_SIZES = frozenset({"Shape", "Size"})  # they read how many there are, which numbers follow
_COUNTED = frozenset({"int64", "int32", "string"})


class CannotFollow(Exception):
    """A rule does not know where identities go; the words say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """An operator that sums over channels: where it reads them.

    Attributes:
        node: its name.
        input: which of its inputs, by number.
        axis: of that input.
        ids: the channels along it.
    """

    node: str
    input: int
    axis: int
    ids: Ids


@dataclass(eq=False)
class Walk:
    """A graph while it is walked through, and what was found when it is done.

    Attributes:
        model: the graph.
        shapes: concrete, of every value that is no weight.
        choices: which of several possible units to take, by where the question comes up.
        ids: all identities.
        numbers: values known by number.
        axes: of every value and weight that was met.
        offered: how many possibilities there were, by where the question came up.
        reads: operators that sum over channels.
        products: channels over which two computed values are multiplied and summed.
    """

    model: Model
    shapes: Shapes
    choices: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ids = Identities()
        self.numbers = Numbers(self.model)
        self._elsewhere = Numbers(self.model)
        self._other_shapes = _Other(self.model, self.shapes)
        self.axes: dict[str, Axes] = {}
        self.offered: dict[str, int] = {}
        self.reads: list[Read] = []
        self.products: list[Ids] = []
        self._asked: set[str] = set()
        for name in self.model.weights:
            self.axes[name] = self._of_weight(name)
        for value in self.model.ir.graph.inputs:
            # A weight that a caller may replace keeps its shape.
            self.freeze(self.axes.get(value.name or "", ()), "it is an input of the model")

    def lead(self, rules: Mapping[tuple[str, str], "Rule"]) -> None:
        """Walk through the whole graph."""
        for node in self.model.nodes:
            self._step(node, rules.get((node.domain, node.op_type)))
        for port in self.model.outputs:
            self.freeze(self.axes.get(port.name, ()), "it is an output of the model")

    def shape(self, name: str) -> tuple[int, ...]:
        """The concrete shape of a value or weight.

        Raises:
            CannotFollow: it is not known.
        """
        found = self.shapes.get(name)
        if found is None and name in self.model.weights:
            found = self.model.weights[name].shape
        if found is None:
            raise CannotFollow("the shape of what it reads or gives is not known")
        return found

    def of(self, name: str) -> Axes:
        """The identities along each axis of a value or weight.

        Raises:
            CannotFollow: not even its shape is known.
        """
        self._asked.add(name)
        found = self.axes.get(name)
        return (None,) * len(self.shape(name)) if found is None else found

    @cached_property
    def elsewhere(self) -> tuple[Sizes, ...]:
        """The graph for inputs of other sizes; none if no size is open."""
        return elsewhere(self.model, self.shapes)

    def number(self, name: str) -> Array | None:
        """A value known by number; None if it is not."""
        return self.numbers.of(name) if name else None

    def fixed(self, name: str) -> tuple[bool, ...]:
        """Which elements of an integer value would be the same for inputs of other sizes."""
        here, there = self.numbers.of(name), self._elsewhere.of(name)
        if here is None or there is None or here.shape != there.shape:
            return (False,) * (0 if here is None else here.size)
        return tuple((here == there).ravel().tolist())

    def freeze(self, axes: Sequence[Ids | None], reason: str) -> None:
        """Freeze every identity along these axes."""
        for ids in axes:
            if ids is not None:
                self.ids.freeze(ids, reason)

    def unite(self, found: Sequence[Ids | None], reason: str) -> Ids | None:
        """Unite what meets along one axis; freeze it where some of it is not tracked.

        Args:
            found: identities of each of those that meet, of one length.
            reason: to freeze for.

        Returns:
            The identities of all; None where nothing is tracked.
        """
        tracked = [ids for ids in found if ids is not None]
        if not tracked:
            return None
        for ids in tracked[1:]:
            self.ids.unite(tracked[0], ids)
        if len(tracked) < len(found):
            self.ids.freeze(tracked[0], reason)
        return tracked[0]

    def blocks(self, ids: Ids, shape: Sequence[int], axis: int) -> Ids:
        """Unite identities, laid out in a shape, along all axes but one; answer those along it."""
        laid = np.moveaxis(ids.reshape(shape), axis, 0).reshape(shape[axis], -1)
        first = np.ascontiguousarray(laid[:, 0])
        if laid.shape[1] > 1:
            self.ids.unite(first.repeat(laid.shape[1] - 1), laid[:, 1:].ravel())
        return first

    def choose(self, question: str, count: int) -> int:
        """Which of several possibilities to take; the first unless something else was said."""
        self.offered[question] = count
        return min(self.choices.get(question, 0), count - 1)

    def read(self, node: NodeInfo, number: int, axis: int, ids: Ids | None) -> None:
        """Note that an operator sums over channels."""
        if ids is not None:
            self.reads.append(Read(node=node.name, input=number, axis=axis, ids=ids))

    def _of_weight(self, name: str) -> Axes:
        info = self.model.weights[name]
        if info.dtype in _COUNTED and len(info.shape) < 2:
            return (None,) * len(info.shape)  # sizes and indices: numbers, not channels
        return tuple(self.ids.new(size) if size > 1 else None for size in info.shape)

    def _step(self, node: NodeInfo, rule: "Rule | None") -> None:
        self.numbers.follow(node, self.shapes)
        self._elsewhere.follow(node, self._other_shapes)
        self._asked.clear()
        try:
            found = self._followed(node, rule)
        except CannotFollow as error:
            why, silent = str(error), {*node.inputs, *node.captured}
        except (ArithmeticError, LookupError, TypeError, ValueError):
            # A rule trusts the operator's definition, and a stranger's node need not hold to it.
            why = "its settings do not fit what it reads"
            silent = {*node.inputs, *node.captured}
        else:
            self.axes.update(found)
            why = "it is a setting"
            sizes = node.op_type in _SIZES and not node.domain
            silent = set() if sizes else {*node.inputs, *node.captured} - self._asked
        kind = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        for name in sorted(silent - {""}):
            self.freeze(self.axes.get(name, ()), f"{kind}: {why}")

    def _followed(self, node: NodeInfo, rule: "Rule | None") -> dict[str, Axes]:
        """What a rule says of each output, checked against the shapes."""
        if rule is None:
            raise CannotFollow("no rule follows this operator")
        if any(name and name not in self.shapes for name in node.outputs[:1]):
            raise CannotFollow("the shape of what it gives is not known")
        answers = rule(self, node)
        if any(node.outputs[len(answers) :]):
            raise CannotFollow("it gives more than is followed")
        found = {name: axes for name, axes in zip(node.outputs, answers, strict=False) if name}
        for name, axes in found.items():
            tracked = [None if ids is None else ids.size for ids in axes]
            shape = self.shape(name)
            if len(tracked) != len(shape) or any(
                one not in {None, size} for one, size in zip(tracked, shape, strict=True)
            ):
                raise CannotFollow("its shapes are not those of its definition")
        return found


class _Other(Mapping[str, tuple[int, ...]]):
    """Shapes as if every open size were larger by one: what differs then, follows an input."""

    def __init__(self, model: Model, shapes: Shapes) -> None:
        self._model, self._shapes = model, shapes

    def __getitem__(self, name: str) -> tuple[int, ...]:
        here = self._shapes[name]
        stated = self._model.value_shape(name)
        if stated is None or len(stated) != len(here):
            return tuple(size + 1 for size in here)
        return tuple(
            size if isinstance(said, int) else size + 1
            for size, said in zip(here, stated, strict=True)
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


Rule: TypeAlias = Callable[[Walk, NodeInfo], Sequence[Axes]]
"""What an operator does: unites, freezes, and answers the identities of what it gives."""
