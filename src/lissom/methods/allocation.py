"""How much leaves where: widths of all channel groups that reach a goal at the least cost.

The multiply-accumulates of an operator are a product: what stays of its outputs times what stays of
its inputs. Widths shrink in steps, always the group's next step that costs least for what it saves
(a greedy solution of the knapsack, which is exact where costs rise evenly).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lissom.graph.channels.groups import ChannelGroup
from lissom.graph.model import Model
from lissom.graph.site import sites
from lissom.methods.reading import Array

__all__ = ["Share", "allocate", "left_of", "shares", "step_of", "uniform"]


_PER_BYTE = 3.0  # multiply-accumulates in the time of reading a byte: 2 to 4 with AVX-512


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """An operator whose work shrinks with channel groups.

    Attributes:
        work: of one run before anything leaves, in multiply-accumulates: those that it does, or
            that could be done while its weights are read from memory, whichever are more.
        axes: for each axis of its weight, the groups on it and the share of the axis that one of
            their units takes.
    """

    work: float
    axes: tuple[tuple[tuple[str, float], ...], ...]


def shares(model: Model, groups: Sequence[ChannelGroup], counted: Mapping[str, int]) -> list[Share]:
    """The operators that groups live in.

    Args:
        model: the model.
        groups: its channel groups.
        counted: multiply-accumulates by node.
    """
    places: dict[tuple[str, int], list[tuple[str, float]]] = {}
    for group in groups:
        for member in group.members:
            size = model.weights[member.weight].shape[member.axis]
            each = len(member.indices[0]) / size
            places.setdefault((member.weight, member.axis), []).append((group.name, each))
    found = []
    for site in sites(model):
        axes = tuple(tuple(places.get((site.weight, axis), ())) for axis in range(len(site.shape)))
        if counted.get(site.node) and any(axes):
            least = _PER_BYTE * model.weights[site.weight].size_bytes
            found.append(Share(work=max(counted[site.node], least), axes=axes))
    return found


def left_of(work: Sequence[Share], removed: Mapping[str, int]) -> float:
    """The work that is left."""
    total = 0.0
    for one in work:
        part = one.work
        for axis in one.axes:
            part *= 1.0 - sum(removed.get(name, 0) * each for name, each in axis)
        total += part
    return total


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
    each = max(len(member.indices[0]) for member in group.members)
    step = max(1, grid // each)
    while step > 1 and group.units < 2 * step:
        step //= 2
    return step


def allocate(
    groups: Sequence[ChannelGroup],
    costs: Mapping[str, Array],
    work: Sequence[Share],
    *,
    ratio: float,
    grid: int,
) -> dict[str, int]:
    """How many units leave each group, so that a share of all work is saved.

    Args:
        groups: that may shrink.
        costs: by group, the predicted cost after the first, the first two, ... units left.
        work: of the operators that they live in.
        ratio: the share of the work of these operators that is to be saved.
        grid: what is left of a group is a multiple of this, or of less where it is small.
    """
    removed = {group.name: 0 for group in groups}
    steps = {group.name: (group.units, step_of(group, grid)) for group in groups}
    start = left_of(work, {})
    now, goal = start, start * (1 - ratio)
    while now > goal:
        best, gain = "", 0.0
        for name, count in removed.items():
            after = _next(count, *steps[name])
            if after is None:
                continue
            saved = now - left_of(work, {**removed, name: after})
            spent = _cost(costs[name], after) - _cost(costs[name], count)
            merit = saved / max(spent, 1e-12)
            if merit > gain:
                best, gain = name, merit
        if not best:
            break
        after = _next(removed[best], *steps[best])
        removed[best] = removed[best] if after is None else after
        now = left_of(work, removed)
    return removed


def _next(removed: int, units: int, step: int) -> int | None:
    """So many are removed after one more step; None where there is none."""
    left = units - removed
    fewer = (left - 1) // step * step
    return units - fewer if fewer > 0 else None


def _cost(costs: Array, removed: int) -> float:
    return float(np.maximum.accumulate(costs)[removed - 1]) if removed else 0.0
