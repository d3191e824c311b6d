"""Channel groups of a graph: found by following indices, with no table of architectures.

    found = channels(model, shapes)
    found.groups      # what may leave together, unit by unit
    found.coverage    # the share of parameters that lie in some unit
    found.kept        # what must stay, with reasons, largest first

Where several kinds of unit are possible, all are tried, and the one is taken that covers most
parameters; among equals, one that does not cut into products of two computed values (whole
attention heads instead of the same place in every head), then the finest.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Final

import numpy as np

from lissom.errors import MethodError, ModelError
from lissom.graph.channels import elementwise, norms, picking, products, recurrent, shapes
from lissom.graph.channels.fitting import fitted
from lissom.graph.channels.settings import SETTINGS
from lissom.graph.channels.walk import Rule, Shapes, Walk
from lissom.graph.model import Model, WeightInfo

__all__ = ["ChannelGroup", "Channels", "Kept", "Member", "Reader", "channels"]

_MOST_TRIALS: Final = 32
_RULES: Final[Mapping[tuple[str, str], Rule]] = {
    **elementwise.RULES,
    **norms.RULES,
    **picking.RULES,
    **products.RULES,
    **recurrent.RULES,
    **shapes.RULES,
}
_NO_PARAMETERS: Final = frozenset({"bool", "int32", "int64", "string"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Where a group lives in one weight.

    Attributes:
        weight: its name.
        axis: of the stored weight.
        indices: for each unit, its indices along the axis.
    """

    weight: str
    axis: int
    indices: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """An operator that sums over a group's channels.

    Attributes:
        node: its name.
        input: which of its inputs, by number.
        axis: of that input.
        indices: for each unit, its indices along the axis.
    """

    node: str
    input: int
    axis: int
    indices: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroup:
    """Slices of weights, across operators, that must be removed together, unit by unit.

    Attributes:
        name: of the operator whose weight makes the channels.
        roots: the class of each unit.
        members: where it lives.
        readers: what sums over its channels.
        inexact: why removing differs from zeroing what reads the channels; empty where it does not.
    """

    name: str
    roots: tuple[int, ...]
    members: tuple[Member, ...]
    readers: tuple[Reader, ...]
    inexact: str

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self.roots)

    @property
    def channels(self) -> int:
        """How many channels a unit is, in the weight where it has fewest."""
        return min(len(member.indices[0]) for member in self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Parameters in no removable unit, and why."""

    reason: str
    parameters: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Channels:
    """All that was found in a graph.

    Attributes:
        walk: the graph, walked through.
        groups: what may be removed, in the graph's order.
    """

    walk: Walk
    groups: tuple[ChannelGroup, ...]

    def group(self, name: str) -> ChannelGroup:
        """The group of this name.

        Raises:
            ModelError: there is none.
        """
        for one in self.groups:
            if one.name == name:
                return one
        raise ModelError(f"no channel group is called {name!r} in this model")

    @cached_property
    def coverage(self) -> float:
        """The share of parameters that lie in at least one removable unit."""
        total = sum(prod(info.shape) for _, info in _parameters(self.walk.model))
        return 1.0 - sum(one.parameters for one in self.kept) / total if total else 0.0

    @cached_property
    def kept(self) -> tuple[Kept, ...]:
        """Parameters that must stay, by reason, most first."""
        free = {root for group in self.groups for root in group.roots}
        frozen = self.walk.ids.frozen()
        found: Counter[str] = Counter()
        for name, info in _parameters(self.walk.model):
            bound, reason = 1, "it is a single number, or has one channel"
            for ids, size in zip(self.walk.axes[name], info.shape, strict=True):
                if ids is None:
                    bound *= size
                    continue
                roots = self.walk.ids.roots(ids).tolist()
                held = [root for root in roots if root not in free]
                bound *= len(held)
                if held and held[0] in frozen:
                    said = frozen[held[0]]
                    reason = reason if "kernel" in said else said
                elif held:
                    reason = ONE_UNIT
            if bound:
                found[reason] += bound
        return tuple(Kept(reason=reason, parameters=n) for reason, n in found.most_common())


ONE_UNIT: Final = "all its channels are one unit, and one must stay"


def channels(model: Model, shapes_of: Shapes) -> Channels:
    """Find the channel groups of a graph.

    Args:
        model: the graph.
        shapes_of: the concrete shape of each value that is no weight, from one run.
    """
    best = _best(model, shapes_of)
    if best.groups and _refused(best.walk, best.groups, set()):
        best = Channels(walk=best.walk, groups=tuple(_groups(best.walk)))
    return best


def _refused(walk: Walk, groups: Sequence[ChannelGroup], beside: set[int]) -> bool:
    """Try on paper to remove a unit of each group; freeze the groups where that is refused.

    Args:
        walk: the graph, walked through.
        groups: to be tried, together, and in halves if that is refused.
        beside: what leaves besides; the first unit of each group that is fine is added.

    Returns:
        Whether a group was frozen.
    """
    gone = {group.roots[0] for group in groups}
    try:
        fitted(walk, dict.fromkeys(beside | gone, 0), SETTINGS)
    except MethodError as error:
        if len(groups) == 1:
            walk.ids.freeze(np.asarray(groups[0].roots, np.int64), str(error))
            return True
        half = len(groups) // 2
        first = _refused(walk, groups[:half], beside)
        return _refused(walk, groups[half:], beside) or first
    beside |= gone
    return False


def _best(model: Model, shapes_of: Shapes) -> Channels:
    """The choice that covers most."""
    best = _found(model, shapes_of, {})
    asked, trials = set[str](), 0
    while open_questions := [one for one in best.walk.offered if one not in asked]:
        question = open_questions[0]
        asked.add(question)
        for option in range(1, best.walk.offered[question]):
            if trials == _MOST_TRIALS:
                return best
            trials += 1
            other = _found(model, shapes_of, {**best.walk.choices, question: option})
            best = max(best, other, key=_merit)
    return best


def _merit(found: Channels) -> tuple[float, int, int, int]:
    """More parameters, no cuts into products of computed values, more that is exact, finer."""
    free = {root for group in found.groups for root in group.roots}
    inside = {
        root
        for ids in found.walk.products
        for root in found.walk.ids.roots(ids).tolist()
        if root in free
    }
    inexact = sum(group.units for group in found.groups if group.inexact)
    units = sum(group.units for group in found.groups)
    return round(found.coverage, 2), -len(inside), -inexact, units


def _found(model: Model, shapes_of: Shapes, choices: Mapping[str, int]) -> Channels:
    walk = Walk(model, shapes_of, choices)
    walk.lead(_RULES)
    return Channels(walk=walk, groups=tuple(_groups(walk)))


def _groups(walk: Walk) -> Iterator[ChannelGroup]:
    """Units that live in the same places, in the order in which the graph reads them."""
    frozen, marked = walk.ids.frozen(), walk.ids.marked()
    places: dict[int, dict[tuple[str, int], list[int]]] = {}
    for name in _in_order(walk.model):
        for axis, ids in enumerate(walk.axes[name]):
            if ids is None:
                continue
            for index, root in enumerate(walk.ids.roots(ids).tolist()):
                if root not in frozen:
                    places.setdefault(root, {}).setdefault((name, axis), []).append(index)
    readers = _readers(walk, places)
    seen: dict[int, list[_Where]] = {}
    for read, each_root in readers.items():
        for root in each_root:
            seen.setdefault(root, []).append(read)
    together: dict[tuple[tuple[tuple[str, int], ...], tuple[_Where, ...]], list[int]] = {}
    for root, each in places.items():
        together.setdefault((tuple(each), tuple(seen.get(root, ()))), []).append(root)
    names: Counter[str] = Counter()
    for (where, seen_at), roots in together.items():
        read_by = tuple(_reader(one, readers[one], roots) for one in seen_at)
        inexact = next((marked[root] for root in roots if root in marked), "")
        types = {walk.model.weights[name].dtype for name, _ in where}
        if len(roots) < 2 or types <= _NO_PARAMETERS or not (read_by or inexact):
            continue
        name = (*walk.model.consumers.get(where[0][0], ()), where[0][0])[0]
        names[name] += 1
        yield ChannelGroup(
            name=name if names[name] == 1 else f"{name}#{names[name]}",
            roots=tuple(roots),
            members=tuple(
                Member(
                    weight=weight,
                    axis=axis,
                    indices=tuple(tuple(places[root][weight, axis]) for root in roots),
                )
                for weight, axis in where
            ),
            readers=read_by,
            inexact=inexact,
        )


_Where = tuple[str, int, int]


def _readers(walk: Walk, places: Mapping[int, object]) -> dict[_Where, dict[int, list[int]]]:
    """For each operator that sums over channels, the indices of each class that is free."""
    found: dict[_Where, dict[int, list[int]]] = {}
    for read in walk.reads:
        own = found.setdefault((read.node, read.input, read.axis), {})
        for index, root in enumerate(walk.ids.roots(read.ids).tolist()):
            if root in places:
                own.setdefault(root, []).append(index)
    return found


def _reader(where: _Where, each: Mapping[int, list[int]], roots: list[int]) -> Reader:
    node, number, axis = where
    indices = tuple(tuple(each[root]) for root in roots)
    return Reader(node=node, input=number, axis=axis, indices=indices)


def _in_order(model: Model) -> list[str]:
    """Weights in the order in which the graph reads them."""
    read = dict.fromkeys(name for node in model.nodes for name in node.inputs)
    return [name for name in read if name in model.weights]


def _parameters(model: Model) -> Iterator[tuple[str, WeightInfo]]:
    for name, info in model.weights.items():
        if info.dtype not in _NO_PARAMETERS:
            yield name, info
