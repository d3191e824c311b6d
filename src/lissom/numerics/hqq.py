"""Grids fitted to weights whose errors have heavy tails, without data: half-quadratic quantization.

Errors are weighed by |e|^p with p < 1, so that a few outliers may be far off. The problem is split:

    min over s, z, E of sum |E|^p + beta/2 |W - Q(W) - E|^2

E by shrinking W - Q(W), E = sign(e) max(0, |e| - p |e|^(p-1) / beta), then the scale s and the zero
point z by least squares of W - E on the integers, while beta grows (Badri and Shaji, 2023,
"Half-Quadratic Quantization", section "Half-Quadratic Solver"). There s is fixed and z is any
number; here z is a whole one, as files store it, and s is fitted with it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.numerics.grids import Grid
from lissom.numerics.quantized import integer_range

__all__ = ["half_quadratic"]

Array: TypeAlias = npt.NDArray[Any]

_GROWTH = 1.05  # of beta, at each step
_BETA = 2.0  # at the start, for errors in units of the scale


def half_quadratic(weight: Array, start: Grid, *, norm: float = 0.7, steps: int = 20) -> Grid:
    """Fit a grid to a matrix; each block keeps the best that was seen.

    Args:
        weight: [outputs, inputs], finite.
        start: the grid to begin with.
        norm: p, above 0 and at most 1.
        steps: at most.
    """
    best = grid = start
    if weight.size == 0:
        return best
    starts = start.shape.starts(weight.shape[1])
    least = _losses(best, weight, norm, starts)
    beta = _BETA
    for _ in range(steps):
        grid = _fitted(grid, weight, _shrunk(grid, weight, norm, beta), starts)
        losses = _losses(grid, weight, norm, starts)
        best = best.mixed(grid, losses < least)
        least = np.minimum(losses, least)
        beta *= _GROWTH
    return best


def _losses(grid: Grid, weight: Array, norm: float, starts: Array) -> Array:
    errors = np.abs(grid.rounded(weight) - weight)
    return np.asarray(np.add.reduceat(errors**norm, starts, axis=1))


def _shrunk(grid: Grid, weight: Array, norm: float, beta: float) -> Array:
    """E: the part of each error that is left alone, [outputs, inputs]."""
    step = grid.step(weight.shape[1])
    errors = (weight - grid.rounded(weight)) / step
    size = np.abs(errors)
    less = norm * np.maximum(size, 1e-8) ** (norm - 1.0) / beta
    return np.asarray(np.sign(errors) * np.maximum(0.0, size - less) * step)


def _fitted(grid: Grid, weight: Array, apart: Array, starts: Array) -> Grid:
    """Scale and zero point by least squares of W - E on the integers, block by block."""
    wide = weight.shape[1]
    steps = grid.rounded(weight) / grid.step(wide)  # q - z
    index = np.repeat(np.arange(len(starts)), np.diff([*starts, wide]))
    target = weight - apart
    point = grid.zero_point
    if not grid.shape.symmetric:
        first, last = integer_range(grid.shape.bits, signed=True)
        count = np.diff([*starts, wide])
        offset = np.add.reduceat(steps - target / grid.step(wide), starts, axis=1) / count
        point = np.clip(np.rint(point + offset), first, last)
        steps = steps + (grid.zero_point - point)[:, index]
    products = np.add.reduceat(steps * target, starts, axis=1)
    squares = np.add.reduceat(steps * steps, starts, axis=1)
    usable = (products > 0.0) & (squares > 0.0)
    scale = np.where(usable, products / np.where(usable, squares, 1.0), grid.scale)
    return Grid.of(grid.shape, scale, point)
