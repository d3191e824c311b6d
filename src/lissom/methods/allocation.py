"""How much leaves where: widths of all channel groups that reach a goal at the least error.

What an operator takes depends on what stays of its outputs and of its inputs, so groups that meet
in an operator depend on each other. Widths shrink step by step: always the step that saves most for
the error that it adds. A step may go over several widths at once, since the next narrower one may
save nothing (a runtime computes whole blocks of channels) where the one after it does. When the
goal is reached, whatever it does not need is given back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lissom.graph.channels.groups import ChannelGroup
from lissom.methods.reading import Array

__all__ = ["Cost", "Share", "allocate", "left_of", "multiples", "step_of", "uniform"]

Cost: TypeAlias = Callable[[Sequence[float]], float]
"""What an operator takes, from the share that is left of each axis of its weight."""

_NOTHING = 1e-9  # of all that is taken: less is no saving


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """An operator that takes less when channel groups shrink.

    Attributes:
        cost: what it takes in one run: time, arithmetic or bytes.
        axes: for each axis of its weight, the groups on it and the share of the axis that one of
            their units takes.
    """

    cost: Cost
    axes: tuple[tuple[tuple[str, float], ...], ...]

    def after(self, removed: Mapping[str, int]) -> float:
        """What it takes when so many units of each group have left."""
        return self.cost(
            [1.0 - sum(removed.get(name, 0) * each for name, each in axis) for axis in self.axes]
        )

    @property
    def groups(self) -> frozenset[str]:
        """The groups that it depends on."""
        return frozenset(name for axis in self.axes for name, _ in axis)


def left_of(work: Sequence[Share], removed: Mapping[str, int]) -> float:
    """What all operators take when so many units of each group have left."""
    return sum(one.after(removed) for one in work)


def uniform(groups: Sequence[ChannelGroup], ratio: float, grid: int) -> dict[str, int]:
    """The same share of every group's units, so that what is left is a multiple of the grid."""
    found = {}
    for group in groups:
        step = step_of(group, grid)
        left = max(step, round(group.units * (1 - ratio) / step) * step)
        found[group.name] = max(0, group.units - left)
    return found


def step_of(group: ChannelGroup, grid: int) -> int:
    """How many units leave at a time: fewer where a unit is several channels, or there are few."""
    step = max(1, grid // group.channels)
    while step > 1 and group.units < 2 * step:
        step //= 2
    return step


def multiples(group: ChannelGroup, grid: int) -> list[int]:
    """How many units may leave, rising: what is left is a multiple of the grid."""
    step = step_of(group, grid)
    return [group.units - left for left in range((group.units - 1) // step * step, 0, -step)]


def allocate(
    costs: Mapping[str, Array],
    work: Sequence[Share],
    allowed: Mapping[str, Sequence[int]],
    *,
    ratio: float,
) -> dict[str, int]:
    """How many units leave each group, so that a share of what operators take is saved.

    Args:
        costs: by group, the predicted error after the first, the first two, ... units left.
        work: the operators that they live in.
        allowed: by group that may shrink, how many of its units may leave, rising.
        ratio: the share of what these operators take that is to be saved.
    """
    table = _Table(costs, work, allowed)
    goal = table.total * (1 - ratio)
    table.shrink(goal)
    table.give_back(max(goal, table.total))
    return table.removed


class _Table:
    """All groups with what was removed of each, and what that takes and costs."""

    def __init__(
        self,
        costs: Mapping[str, Array],
        work: Sequence[Share],
        allowed: Mapping[str, Sequence[int]],
    ) -> None:
        self.removed = dict.fromkeys(allowed, 0)
        self._allowed = allowed
        self._errors = {
            name: np.concatenate([[0.0], np.maximum.accumulate(costs[name])]) for name in allowed
        }
        self._touched = {name: [one for one in work if name in one.groups] for name in allowed}
        self._near = {
            name: {other for one in own for other in one.groups} & set(allowed)
            for name, own in self._touched.items()
        }
        self.total = left_of(work, {})
        self._least = _NOTHING * self.total

    def saving(self, name: str, count: int) -> float:
        """What is saved if so many units of a group are removed instead of as many as are now."""
        after = {**self.removed, name: count}
        return sum(one.after(self.removed) - one.after(after) for one in self._touched[name])

    def error(self, name: str, count: int) -> float:
        """The predicted error that comes of it."""
        return float(self._errors[name][count] - self._errors[name][self.removed[name]])

    def move(self, name: str, count: int) -> None:
        """Remove so many units of a group."""
        self.total -= self.saving(name, count)
        self.removed[name] = count

    def shrink(self, goal: float) -> None:
        """Take the best step until the goal is reached, or nothing saves anything."""
        best = {name: self._best(name) for name in self.removed}
        while self.total > goal:
            name = max(best, key=lambda one: best[one][0], default=None)
            if name is None or best[name][0] <= 0:
                return
            self.move(name, best[name][1])
            best.update({near: self._best(near) for near in {name, *self._near[name]}})

    def _best(self, name: str) -> tuple[float, int]:
        """How much a group's best step saves for its error, and where it leads."""
        best = (0.0, 0)
        for count in self._allowed[name]:
            if count > self.removed[name] and (saved := self.saving(name, count)) > self._least:
                best = max(best, (saved / max(self.error(name, count), 1e-12), -count))
        return best[0], -best[1]

    def give_back(self, goal: float) -> None:
        """Undo what the goal does not need, what costs most first."""
        while True:
            undone = [
                (-self.error(name, count), name, count)
                for name, own in self._allowed.items()
                for count in (0, *own)
                if count < self.removed[name] and self.total - self.saving(name, count) <= goal
            ]
            relief, name, count = max(undone, default=(0.0, "", 0))
            if relief <= 0:
                return
            self.move(name, count)
