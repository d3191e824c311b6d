"""The values that rounded weights may take, and the search for good ones.

A grid gives each output of a matrix [outputs, inputs], or each block of its inputs, the values
scale (q - zero point) for q in a range of integers. Rounding methods differ in which of them they
choose; all of them choose here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from lissom.numerics.quantized import QuantizedTensor, integer_range, storage_dtype

__all__ = ["Best", "Grid", "Shape", "largest", "searched"]

Array: TypeAlias = npt.NDArray[Any]

_SHRINKS = np.linspace(1.1, 0.4, 29)  # shares of the full range to choose from
_TINY = float(np.finfo(np.float32).tiny)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What kind of grid.

    Attributes:
        bits: 2 to 8.
        block_size: inputs of an output that share a scale; None: all of them.
        symmetric: the zero points are zero.
    """

    bits: int
    block_size: int | None = None
    symmetric: bool = True

    def starts(self, inputs: int) -> Array:
        """The first input of each block."""
        return np.arange(0, max(inputs, 1), self.block_size or max(inputs, 1))


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """The values that the weights of a matrix may take.

    Attributes:
        shape: what kind.
        scale: float32 [outputs, blocks], positive.
        zero_point: float64 [outputs, blocks], whole numbers; zeros for a symmetric one.
    """

    shape: Shape
    scale: Array
    zero_point: Array

    @classmethod
    def of(cls, shape: Shape, scale: Array, zero_point: Array) -> Grid:
        """With scales that float32 holds; one instead of zero."""
        return cls(shape=shape, scale=_float32(scale), zero_point=zero_point)

    def nearest(self, values: Array, column: int) -> Array:
        """The nearest values of the grid to those of one column, [outputs]."""
        block = column // (self.shape.block_size or column + 1)
        return self._near(values, self.scale[:, block], self.zero_point[:, block])

    def in_row(self, values: Array, row: int) -> Array:
        """The nearest values of the grid to those of one row, [inputs]."""
        one = np.s_[row : row + 1]
        grid = Grid(shape=self.shape, scale=self.scale[one], zero_point=self.zero_point[one])
        return np.asarray(grid.rounded(values[None])[0])

    def rounded(self, matrix: Array) -> Array:
        """The nearest values of the grid to a matrix [outputs, inputs]."""
        return self._near(matrix, *self._wide(matrix.shape[1]))

    def step(self, inputs: int) -> Array:
        """The distance between neighbouring values for each weight, [outputs, inputs]."""
        return self._wide(inputs)[0]

    def bounds(self, inputs: int) -> tuple[Array, Array]:
        """The smallest and the largest value for each weight, [outputs, inputs]."""
        scale, point = self._wide(inputs)
        low, high = integer_range(self.shape.bits, signed=True)
        return (low - point) * scale, (high - point) * scale

    def tensor(self, matrix: Array) -> QuantizedTensor:
        """A matrix of the grid's values as integers: blocks along axis 1, or channels of axis 0."""
        low, high = integer_range(self.shape.bits, signed=True)
        dtype = storage_dtype(self.shape.bits, signed=True)
        scale, point = self._wide(matrix.shape[1])
        values = np.clip(np.rint(matrix / scale) + point, low, high).astype(dtype)
        blocks = self.shape.block_size is not None
        points = self.zero_point.astype(dtype)
        return QuantizedTensor(
            values=values,
            scale=self.scale if blocks else self.scale[:, 0],
            zero_point=None if self.shape.symmetric else points if blocks else points[:, 0],
            bits=self.shape.bits,
            signed=True,
            axis=1 if blocks else 0,
            block_size=self.shape.block_size,
        )

    def scaled(self, factors: Array) -> Grid:
        """With other scales: times factors, [outputs, blocks] or less."""
        return Grid.of(self.shape, self.scale * factors, self.zero_point)

    def mixed(self, other: Grid, taken: Array) -> Grid:
        """The other one where `taken` [outputs, blocks] or [outputs, 1] is true."""
        return Grid(
            shape=self.shape,
            scale=np.where(taken, other.scale, self.scale),
            zero_point=np.where(taken, other.zero_point, self.zero_point),
        )

    def _wide(self, inputs: int) -> tuple[Array, Array]:
        scale, point = self.scale.astype(np.float64), self.zero_point
        if self.shape.block_size is None:
            return scale, point
        index = np.arange(inputs) // self.shape.block_size
        return scale[:, index], point[:, index]

    def _near(self, values: Array, scale: Array, point: Array) -> Array:
        low, high = integer_range(self.shape.bits, signed=True)
        steps = np.rint(values / scale.astype(np.float64))
        return np.asarray(np.clip(steps, low - point, high - point) * scale)


def largest(weight: Array, shape: Shape) -> Grid:
    """The grid that covers every weight: where rounding to nearest starts.

    Args:
        weight: [outputs, inputs], finite.
        shape: of the grid.
    """
    return _covering(*_ends(weight, shape), shape)


def searched(weight: Array, shape: Shape, importance: Array | None = None) -> Grid:
    """The grid on which rounding to nearest loses least: some weights may be clipped.

    Args:
        weight: [outputs, inputs], finite.
        shape: of the grid.
        importance: of a squared error in each input, [inputs]: the mean square of what it reads
            (the diagonal of the layer's quadratic error); None: all the same.
    """
    low, high = _ends(weight, shape)
    found = _covering(low, high, shape)
    least = _losses(found, weight, importance)
    for shrink in _SHRINKS:
        tried = _covering(low * shrink, high * shrink, shape)
        losses = _losses(tried, weight, importance)
        found = found.mixed(tried, losses < least)
        least = np.minimum(losses, least)
    return found


def _ends(weight: Array, shape: Shape) -> tuple[Array, Array]:
    """The smallest and largest weight of each block, [outputs, blocks]; zero is among them."""
    if weight.size == 0:
        empty = np.zeros((len(weight), len(shape.starts(weight.shape[1]))))
        return empty, empty
    starts = shape.starts(weight.shape[1])
    low = np.minimum.reduceat(weight, starts, axis=1).astype(np.float64)
    high = np.maximum.reduceat(weight, starts, axis=1).astype(np.float64)
    return np.minimum(low, 0.0), np.maximum(high, 0.0)


def _covering(low: Array, high: Array, shape: Shape) -> Grid:
    first, last = integer_range(shape.bits, signed=True)
    if shape.symmetric:
        return Grid.of(shape, np.maximum(-low, high) / last, np.zeros(low.shape))
    scale = _float32((high - low) / (last - first))
    point = np.clip(np.rint(first - low / scale.astype(np.float64)), first, last)
    return Grid(shape=shape, scale=scale, zero_point=point)


def _float32(scale: Array) -> Array:
    """Positive and finite in float32; a block of zeros gets one."""
    largest_scale = np.finfo(np.float32).max / 256
    filled = np.where(scale == 0.0, 1.0, np.clip(scale, _TINY, largest_scale))
    return np.asarray(filled, np.float32)


def _losses(grid: Grid, weight: Array, importance: Array | None) -> Array:
    """The weighted squared error of rounding to nearest, [outputs, blocks]."""
    if weight.size == 0:
        return np.zeros(grid.scale.shape)
    errors = (grid.rounded(weight) - weight) ** 2
    if importance is not None:
        errors *= importance
    return np.add.reduceat(errors, grid.shape.starts(weight.shape[1]), axis=1)


@final
class Best:
    """For each output the best of what was offered."""

    def __init__(self, matrix: Array, grid: Grid, losses: Array) -> None:
        self.matrix, self.grid, self._losses = matrix, grid, losses

    def offer(self, matrix: Array, grid: Grid, losses: Array) -> None:
        """Take those rows whose loss [outputs] is smaller.

        Args:
            matrix: [outputs, inputs], of the grid's values.
            grid: of the same shape as those before.
            losses: of each row.
        """
        better = losses < self._losses
        self.matrix = np.where(better[:, None], matrix, self.matrix)
        self.grid = self.grid.mixed(grid, better[:, None])
        self._losses = np.minimum(losses, self._losses)
