"""Non-linear quantization: an index for each number, and a table that says what it stands for.

    x' = table[index] * scale

The table is fixed (see `levels`) or learned (see `kmeans`); it serves the whole array, or each
channel has its own. A scale, per tensor, channel or block, goes with a table that is shared.
Arrays in, arrays out; nothing here knows of models.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from lissom.numerics.kmeans import kmeans, nearest
from lissom.numerics.quantized import expand, scale_shape

__all__ = [
    "CodebookTensor",
    "absmax_scale",
    "dequantize",
    "encode",
    "half_if_exact",
    "learn",
    "rounded_to_half",
    "searched_scale",
    "stored_bytes",
]

Array: TypeAlias = npt.NDArray[Any]
Float32s: TypeAlias = npt.NDArray[np.float32]

_MIN_BITS, _MAX_BITS = 1, 8
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
_SEARCHED = np.linspace(1.0, 0.5, 26)  # shares of the largest magnitude
_HALF_PRECISION = 2.0**-10


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodebookTensor:
    """An array as indices into a table, with what turns them back into floats.

    Attributes:
        indices: uint8, any shape, below the number of levels.
        table: float32, finite, ascending; [levels], or [channels, levels] for a table a channel.
        scale: float32, positive and finite, of the shape that `QuantizedTensor` describes; None
            for one everywhere, and wherever channels have tables of their own.
        bits: of an index, 1 to 8; there are at most 2^bits levels.
        axis: of the channels (of tables or scales), or along which blocks lie; None per tensor.
        block_size: elements along `axis` that share a scale; None per tensor and per channel.
    """

    indices: npt.NDArray[np.uint8]
    table: Float32s
    scale: Float32s | None
    bits: int
    axis: int | None
    block_size: int | None

    def __post_init__(self) -> None:
        """Hold the invariants that every reader relies on.

        Raises:
            ValueError: types, shapes or ranges do not agree.
        """
        if self.indices.dtype != np.uint8 or self.table.dtype != np.float32:
            found = f"{self.indices.dtype} and {self.table.dtype}"
            raise ValueError(f"indices and table are {found}, not uint8 and float32")
        expected = scale_shape(self.indices.shape, self.axis, self.block_size)
        own = self.table.ndim == 2
        if own and (self.block_size is not None or self.table.shape[:1] != expected):
            raise ValueError(f"tables {list(self.table.shape)} are not one for each channel")
        if not own and self.table.ndim != 1:
            raise ValueError(f"a table has shape {list(self.table.shape)}")
        levels = self.table.shape[-1]
        if not (_MIN_BITS <= self.bits <= _MAX_BITS and 1 <= levels <= 1 << self.bits):
            raise ValueError(f"{levels} levels do not go with {self.bits} bits (1 to 8)")
        if not np.all(np.isfinite(self.table)) or np.any(np.diff(self.table, axis=-1) < 0):
            raise ValueError("a table is not finite and ascending")
        if self.indices.size and int(self.indices.max()) >= levels:
            raise ValueError(f"an index is not below the number of levels, {levels}")
        self._check_scale(expected)

    def _check_scale(self, expected: tuple[int, ...]) -> None:
        own = self.table.ndim == 2
        if self.scale is None:
            if not own and self.axis is not None:
                raise ValueError("an axis needs scales or tables along it")
            return
        if own or self.scale.dtype != np.float32 or self.scale.shape != expected:
            found = f"{self.scale.dtype}{list(self.scale.shape)}"
            raise ValueError(f"scale is {found}, expected float32{list(expected)}, one table")
        if not (np.all(np.isfinite(self.scale)) and np.all(self.scale > 0)):
            raise ValueError("a scale is not positive and finite")


def dequantize(codebook: CodebookTensor) -> Float32s:
    """The floats that the indices stand for, in their shape."""
    c = codebook
    if c.table.ndim == 1:
        values = c.table[c.indices]
        if c.scale is None:
            return values
        return np.asarray(values * expand(c.scale, c.indices.shape, c.axis, c.block_size))
    rows = np.moveaxis(c.indices, c.axis or 0, 0)
    flat = rows.reshape(len(rows), prod(rows.shape[1:])).astype(np.intp)
    values = np.take_along_axis(c.table, flat, axis=1).reshape(rows.shape)
    return np.ascontiguousarray(np.moveaxis(values, 0, c.axis or 0))


def encode(
    x: Array,
    table: Array,
    *,
    bits: int,
    scale: Array | None = None,
    axis: int | None = None,
    block_size: int | None = None,
) -> CodebookTensor:
    """Replace each number by the index of the nearest level.

    Args:
        x: finite floats of any shape.
        table: levels in ascending order, [levels] or [channels, levels].
        bits: of an index.
        scale: of the shape that `CodebookTensor` describes.
        axis: of the channels or blocks.
        block_size: elements along `axis` that share a scale.

    Raises:
        ValueError: x is not finite, or shapes and bits do not agree.
    """
    if not np.all(np.isfinite(x)):
        raise ValueError("only finite numbers can be quantized")
    wanted = np.asarray(table, np.float32)
    factor = None if scale is None else np.asarray(scale, np.float32)
    if wanted.ndim == 2:
        rows = np.moveaxis(np.asarray(x, np.float32), axis or 0, 0)
        found = nearest(rows.reshape(len(rows), prod(rows.shape[1:])), wanted).reshape(rows.shape)
        indices = np.ascontiguousarray(np.moveaxis(found, 0, axis or 0))
    else:
        ratios = np.asarray(x, np.float64)
        if factor is not None:
            ratios = ratios / expand(factor, x.shape, axis, block_size)
        indices = nearest(ratios.reshape(1, -1), wanted).reshape(x.shape)
    return CodebookTensor(
        indices=indices, table=wanted, scale=factor, bits=bits, axis=axis, block_size=block_size
    )


def learn(
    x: Array, *, bits: int, axis: int | None = None, importance: Array | None = None
) -> CodebookTensor:
    """Learn the table with the least squared error (k-means), for the tensor or each channel.

    Args:
        x: finite floats of any shape.
        bits: of an index: 2^bits levels.
        axis: of the channels; None for one table.
        importance: of each squared error, in x's shape; None for ones.
    """
    rows = np.asarray(x if axis is None else np.moveaxis(x, axis, 0))
    flat = rows.reshape(*((1, x.size) if axis is None else (len(rows), prod(rows.shape[1:]))))
    weight = None
    if importance is not None:
        moved = importance if axis is None else np.moveaxis(importance, axis, 0)
        weight = moved.reshape(flat.shape)
    table = kmeans(flat, 1 << bits, weight).astype(np.float32)
    return encode(x, table[0] if axis is None else table, bits=bits, axis=axis)


def absmax_scale(
    x: Array, table: Array, *, axis: int | None = None, block_size: int | None = None
) -> Float32s:
    """The scale that puts the largest magnitude of each group on the table's outermost level."""
    return _positive(_groups(np.abs(x), axis, block_size, np.maximum) / np.abs(table).max())


def searched_scale(
    x: Array,
    table: Array,
    *,
    axis: int | None = None,
    block_size: int | None = None,
    importance: Array | None = None,
) -> Float32s:
    """The scale, among shares of the largest magnitude, with the least squared error a group.

    Args:
        x: finite floats of any shape.
        table: levels in ascending order, [levels].
        axis: of the channels or blocks.
        block_size: elements along `axis` that share a scale.
        importance: of each squared error, in x's shape; None for ones.
    """
    most = absmax_scale(x, table, axis=axis, block_size=block_size)
    levels = np.asarray(table, np.float32)
    best, least = most, np.full(most.shape, np.inf)
    for share in _SEARCHED:
        scale = _positive(most * share)
        wide = expand(scale, x.shape, axis, block_size)
        indices = nearest((x / wide).reshape(1, -1), levels).reshape(x.shape)
        off = (levels[indices] * wide - x) ** 2
        error = _groups(off if importance is None else off * importance, axis, block_size, np.add)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return np.asarray(best, np.float32)


def _groups(x: Array, axis: int | None, block_size: int | None, how: np.ufunc) -> Array:
    """A reduction over each tensor, channel or block, in the scale's shape."""
    if x.size == 0:
        return np.zeros(scale_shape(x.shape, axis, block_size))
    if axis is None:
        return np.asarray(how.reduce(x, axis=None))
    if block_size is None:
        return np.asarray(how.reduce(x, axis=tuple(i for i in range(x.ndim) if i != axis)))
    return np.asarray(how.reduceat(x, np.arange(0, x.shape[axis], block_size), axis=axis))


def _positive(scale: Array) -> Float32s:
    """Groups of zeros get the scale 1."""
    return np.asarray(np.where(scale == 0, 1.0, np.maximum(scale, _SMALLEST_SCALE)), np.float32)


def rounded_to_half(x: Array) -> Float32s:
    """The nearest numbers of float16, as float32, where that is precise enough; else x itself.

    Args:
        x: [..., n]; in no row may an error exceed 1/1024 of the largest magnitude.
    """
    with np.errstate(over="ignore"):
        half = x.astype(np.float16).astype(np.float32)
    most = np.abs(x).max(axis=-1, keepdims=True, initial=0.0) * _HALF_PRECISION
    return np.asarray(half if np.all(np.abs(half - x) <= most) else x, np.float32)


def half_if_exact(x: Float32s) -> npt.NDArray[Any]:
    """Numbers as files hold them: as float16 where that loses nothing, else as they are."""
    with np.errstate(over="ignore"):
        half = x.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), x) else x


def stored_bytes(codebook: CodebookTensor) -> int:
    """What indices (packed without gaps), table and scale take together."""
    c = codebook
    numbers = [half_if_exact(one).nbytes for one in (c.table, c.scale) if one is not None]
    return -(-c.indices.size * c.bits // 8) + sum(numbers)
