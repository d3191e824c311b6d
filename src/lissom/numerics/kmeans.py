"""K-means of numbers: the few levels that stand for many numbers with the least squared error.

In one dimension the best clusters are intervals, so the optimum is found by dynamic programming
over sorted numbers (Wang and Song, "Ckmeans.1d.dp", The R Journal 3/2, 2011): exact up to
`EXACT_POINTS` numbers. More of them are first merged into as many runs of equal count, and what is
found so is improved by Lloyd's steps (Lloyd, 1982) over all numbers. Groups of numbers (the rows of
a weight) are clustered side by side. Numbers may have weights, as in Kim et al., "SqueezeLLM",
2023, arXiv:2306.07629, section 4.1; without them this is the weight sharing of Han, Mao and Dally,
"Deep Compression", 2015, arXiv:1510.00149, section 3.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["EXACT_POINTS", "kmeans", "nearest"]

Array: TypeAlias = npt.NDArray[Any]

EXACT_POINTS = 128
"""How many numbers of a group are clustered exactly (with at most `_EXACT_LEVELS` levels)."""
_EXACT_LEVELS = 32  # above it the dynamic programme takes too long, and starts matter little
_LLOYD_STEPS = 60
_TOGETHER = 64  # groups in one dynamic programme: bounds memory


def kmeans(x: Array, levels: int, weight: Array | None = None) -> Array:
    """The levels of each group of numbers.

    Args:
        x: finite numbers, [groups, n].
        levels: how many levels a group has, at least 1.
        weight: of the squared errors, [groups, n], not negative; None for ones.

    Returns:
        Levels in ascending order, [groups, levels], float64; where a group has fewer different
        numbers than levels, the last one is repeated.

    Raises:
        ValueError: shapes do not fit, a number is not finite, or a weight is negative.
    """
    x = np.asarray(x, np.float64)
    weight = np.ones_like(x) if weight is None else np.asarray(weight, np.float64)
    if x.ndim != 2 or weight.shape != x.shape or levels < 1:
        raise ValueError(f"{levels} levels of {x.shape} with weights {weight.shape}: need [g, n]")
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(weight)) and np.all(weight >= 0)):
        raise ValueError("a number or weight is not finite, or a weight is negative")
    if x.shape[1] == 0:
        return np.zeros((len(x), levels))
    if x.shape[1] <= levels:
        return np.pad(np.sort(x, axis=1), ((0, 0), (0, levels - x.shape[1])), mode="edge")
    order = np.argsort(x, axis=1, kind="stable")
    x = np.take_along_axis(x, order, axis=1)
    weight = _positive(np.take_along_axis(weight, order, axis=1))
    found = np.empty((len(x), levels))
    for start in range(0, len(x), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        found[part] = _of_sorted(x[part], weight[part], levels)
    return found


def nearest(x: Array, table: Array) -> npt.NDArray[np.uint8]:
    """The index of the nearest level, the lower one of two that are equally near.

    Args:
        x: numbers, [groups, n].
        table: levels in ascending order, [groups, levels] or [levels], at most 256.
    """
    tables = np.broadcast_to(table, (len(x), np.shape(table)[-1]))
    middles = (tables[:, 1:] + tables[:, :-1]) / 2
    found = np.empty(x.shape, np.uint8)
    for row, (numbers, limits) in enumerate(zip(x, middles, strict=True)):
        found[row] = np.searchsorted(limits, numbers)
    return found


def _positive(weight: Array) -> Array:
    """Weights whose sums never vanish: numbers that count for nothing still get a level."""
    mean = weight.mean(axis=1, keepdims=True)
    relative = np.where(mean > 0, weight / np.where(mean > 0, mean, 1.0), 1.0)
    return np.asarray(relative + 1e-9)


def _of_sorted(x: Array, weight: Array, levels: int) -> Array:
    """Levels of sorted groups: a start, then Lloyd's steps until nothing changes."""
    # Sums over runs are differences of these; of centred numbers, so that little is lost in them.
    centre = x.mean(axis=1, keepdims=True)
    off = x - centre
    sums = np.stack([_running(weight), _running(weight * off), _running(weight * off * off)])
    if levels <= _EXACT_LEVELS:
        count = min(x.shape[1], EXACT_POINTS)
        ends = np.round(np.linspace(0, x.shape[1], count + 1)).astype(np.int64)
        cuts = np.stack([ends[each] for each in _programme(sums[:, :, ends], levels)])
    else:
        cuts = _companded(x, weight, levels)
    return _lloyd(x, centre, sums, cuts)


def _running(values: Array) -> Array:
    return np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))


def _programme(sums: Array, levels: int) -> Array:
    """The best intervals of points given by running sums [3, groups, points + 1].

    Returns:
        Where each interval ends, [groups, levels + 1], from 0 to the number of points.
    """
    groups, edges = sums.shape[1:]
    total, first, second = (one[:, None, :] - one[:, :, None] for one in sums)  # [g, from, to]
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = np.maximum(second - first * first / total, 0.0)
    backwards = np.arange(edges)[:, None] > np.arange(edges)
    cost[:, backwards] = np.inf
    cost[:, np.eye(edges, dtype=bool)] = 0.0  # an empty interval
    best, steps = cost[:, 0, :], []
    for _ in range(levels - 1):
        choices = best[:, :, None] + cost
        steps.append(choices.argmin(axis=1))
        best = choices.min(axis=1)
    cuts = np.full((groups, levels + 1), edges - 1)
    cuts[:, 0] = 0
    for level, step in zip(range(levels - 1, 0, -1), reversed(steps), strict=True):
        cuts[:, level] = np.take_along_axis(step, cuts[:, level + 1, None], axis=1)[:, 0]
    return cuts


def _companded(x: Array, weight: Array, levels: int) -> Array:
    """Intervals as dense as the cube root of the density: nearly best for many levels.

    Panter and Dite, 1951; with the gap between neighbours as the inverse of the density, each gap
    gets its share in proportion to gap^(2/3), and to the cube root of its weight.
    """
    gaps = np.diff(x, axis=1, append=x[:, -1:]) + 1e-12 * (np.ptp(x, axis=1, keepdims=True) + 1e-30)
    share = np.cumsum(np.cbrt(gaps * gaps * weight), axis=1)
    wanted = np.arange(1, levels) / levels
    inner = [np.searchsorted(one, wanted * one[-1]) for one in share]
    return np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (0, x.shape[1])))


def _lloyd(x: Array, centre: Array, sums: Array, cuts: Array) -> Array:
    """Means of intervals, and intervals of means, in turn; [groups, levels]."""
    levels = np.empty((len(x), cuts.shape[1] - 1))
    for row, numbers in enumerate(x):
        mass, moment, ends = sums[0, row], sums[1, row], cuts[row]
        for _ in range(_LLOYD_STEPS):
            filled = np.flatnonzero(np.diff(ends))
            first, last = ends[filled], ends[filled + 1]
            means = (moment[last] - moment[first]) / (mass[last] - mass[first]) + centre[row]
            # What is equal is met exactly: zeros stay zeros.
            means = np.clip(means, numbers[first], numbers[last - 1])
            # An empty interval has the level of its neighbour below, the first ones that above.
            places = np.searchsorted(filled, np.arange(len(levels[row])), side="right") - 1
            levels[row] = means[np.maximum(places, 0)]
            middles = (levels[row, 1:] + levels[row, :-1]) / 2
            limits = np.searchsorted(numbers, middles, side="right")
            after = np.concatenate([[0], limits, [len(numbers)]])
            if np.array_equal(after, ends):
                break
            ends = after
    return levels
