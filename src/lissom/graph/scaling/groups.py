"""Channels that can be scaled, as groups; and weights multiplied by their factors.

    found = scalable(model, shapes)
    found.groups          # channels that the same weights make and read
    found.scaled(weight, factors)

Factors are a vector with one for each channel of all groups, [channels + 1]; the last one is that
of everything which must not be scaled, and is 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lissom.graph.channels.walk import Shapes
from lissom.graph.model import Model
from lissom.graph.scaling.labels import Labels, Scaling, Use
from lissom.graph.scaling.rules import RULES

__all__ = ["Group", "Scalable", "largest", "scalable"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Channels that live in the same weights.

    Attributes:
        name: of the operator that makes them.
        channels: their numbers among all channels that can be scaled.
        made: weights that make them.
        read: weights that read them.
    """

    name: str
    channels: Array
    made: tuple[Use, ...]
    read: tuple[Use, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes whose weights change."""
        return tuple(dict.fromkeys(use.node for use in (*self.made, *self.read)))


@dataclass(frozen=True, eq=False, kw_only=True)
class Scalable:
    """What can be scaled in a model.

    Attributes:
        model: the model.
        groups: in the graph's order.
        frozen: for operators whose outputs cannot all be scaled, why, by the operator's name.
        channels: how many can be scaled.
        places: of each label its channel; `channels` for those that cannot.
        uses: weights that take part; their labels are channels.
        values: of values with labels, the channels of their elements, which broadcast.
    """

    model: Model
    groups: tuple[Group, ...]
    frozen: Mapping[str, str]
    channels: int
    uses: tuple[Use, ...]
    values: Mapping[str, Labels]

    @cached_property
    def by_weight(self) -> Mapping[str, tuple[Use, ...]]:
        """The uses of each weight that some factor could change."""
        found: dict[str, list[Use]] = {}
        for use in self.uses:
            if np.any(use.labels < self.channels):
                found.setdefault(use.weight, []).append(use)
        return {name: tuple(own) for name, own in found.items()}

    def scaled(self, weight: str, factors: Array) -> Array:
        """A weight in float64, multiplied by the factors of what it makes, divided by the others.

        Args:
            weight: its name.
            factors: [channels + 1], the last one 1.
        """
        array = np.asarray(self.model.weight(weight), np.float64)
        for use in self.by_weight.get(weight, ()):
            array = array * factors[use.labels] ** use.sign
        return array


def scalable(model: Model, shapes: Shapes) -> Scalable:
    """Find the channels that can be scaled, and those weights that change with them.

    Args:
        model: the graph.
        shapes: the concrete shape of each value that is no weight, from one run.
    """
    walk = Scaling(model, shapes)
    walk.lead(RULES)
    frozen = walk.ids.frozen()
    roots = [walk.ids.roots(use.labels.ravel()).reshape(use.labels.shape) for use in walk.uses]
    places = _places(roots, walk.uses, frozen, int(walk.ids.all_roots().size))
    channels = int(places.max(initial=-1)) + 1
    places[places < 0] = channels
    uses = tuple(
        Use(
            node=use.node,
            weight=use.weight,
            labels=places[own],
            sign=use.sign,
            makes=use.makes,
            value=use.value,
            matrix=use.matrix,
        )
        for use, own in zip(walk.uses, roots, strict=True)
    )
    reasons: dict[str, str] = {}
    for use, own in zip(walk.uses, roots, strict=True):
        held = [frozen[root] for root in np.unique(own).tolist() if root in frozen]
        if use.makes and held and use.node not in reasons:
            reasons[use.node] = held[0]
    return Scalable(
        model=model,
        groups=_groups(uses, channels),
        frozen=reasons,
        channels=channels,
        uses=uses,
        values={
            name: places[walk.ids.roots(labels.ravel()).reshape(labels.shape)]
            for name, labels in walk.labels.items()
        },
    )


def _places(roots: list[Labels], uses: list[Use], frozen: Mapping[int, str], count: int) -> Labels:
    """Channels: classes of labels that some weight makes and some weight reads, numbered."""
    ends = []
    for makes in (True, False):
        own = [np.unique(r) for r, use in zip(roots, uses, strict=True) if use.makes == makes]
        ends.append(np.unique(np.concatenate([np.empty(0, np.int64), *own])))
    both = np.intersect1d(ends[0], ends[1])
    free = both[~np.isin(both, np.fromiter(frozen, np.int64, len(frozen)))]
    places = np.full(count, -1, np.int64)
    places[free] = np.arange(free.size)
    return places


def _groups(uses: tuple[Use, ...], channels: int) -> tuple[Group, ...]:
    """Channels with the same uses, in the order in which uses come up."""
    seen: list[list[int]] = [[] for _ in range(channels)]
    for number, use in enumerate(uses):
        for channel in np.unique(use.labels[use.labels < channels]).tolist():
            seen[channel].append(number)
    together: dict[tuple[int, ...], list[int]] = {}
    for channel, own in enumerate(seen):
        together.setdefault(tuple(own), []).append(channel)
    found = []
    for numbers, members in sorted(together.items()):
        made = tuple(uses[number] for number in numbers if uses[number].makes)
        read = tuple(uses[number] for number in numbers if not uses[number].makes)
        found.append(
            Group(
                name=(made or read)[0].node,
                channels=np.asarray(members, np.int64),
                made=made,
                read=read,
            )
        )
    return tuple(found)


def largest(array: Array, labels: Labels, channels: int) -> Array:
    """The largest absolute element of each channel, [channels + 1]; 0 where there is none.

    Args:
        array: a weight or value.
        labels: channels, that broadcast to it.
        channels: how many there are.
    """
    wide = labels.reshape((1,) * (array.ndim - labels.ndim) + labels.shape)
    over = tuple(axis for axis in range(array.ndim) if wide.shape[axis] == 1)
    size = np.abs(array).max(axis=over, keepdims=True, initial=0.0)
    found = np.zeros(channels + 1)
    np.maximum.at(found, np.broadcast_to(wide, size.shape).ravel(), size.ravel())
    return found
