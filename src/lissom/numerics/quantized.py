"""Quantized tensors: integers, a scale, and sometimes a zero point.

The one value type for linear quantization, with ONNX's meaning (QuantizeLinear and
DequantizeLinear, https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html):

    q = saturate(round_half_to_even(x / scale) + zero_point)        x' = (q - zero_point) * scale

Three steps, each usable alone: find a range, turn it into a scale and a zero point
(`scale_zero_point`), round (`quantize`). Zero is always exact, because padding, ReLU and pruned
weights are zeros. Arrays in, arrays out; nothing here knows of models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

__all__ = [
    "Granularity",
    "QuantizedTensor",
    "dequantize",
    "expand",
    "integer_range",
    "quantize",
    "quantize_bias",
    "quantize_weight",
    "scale_zero_point",
    "scale_shape",
    "storage_dtype",
]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Integers: TypeAlias = npt.NDArray[np.integer[Any]]
Granularity = Literal["tensor", "channel", "block"]

# The smallest normal float32: a smaller scale is flushed to zero by some kernels.
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
_MIN_BITS, _MAX_BITS, _BIAS_BITS = 2, 8, 32


def integer_range(bits: int, *, signed: bool) -> tuple[int, int]:
    """Smallest and largest integer of this width; (-128, 127) for 8 signed bits.

    Seven bits are the "reduced range" of processors whose 8-bit multiply-add saturates at 16 bits
    (AVX2 and AVX512 without VNNI): ask for `bits=7` and the values are stored as 8-bit integers.

    Raises:
        ValueError: `bits` is neither in 2..8 nor 32.
    """
    if not (_MIN_BITS <= bits <= _MAX_BITS or bits == _BIAS_BITS):
        raise ValueError(f"bits is {bits}: use 2 to 8, or 32 for biases")
    if signed:
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def storage_dtype(bits: int, *, signed: bool) -> np.dtype[Any]:
    """The NumPy type that holds integers of this width one by one (int8 for 4 signed bits).

    Raises:
        ValueError: `bits` is neither in 2..8 nor 32.
    """
    integer_range(bits, signed=signed)
    if bits == _BIAS_BITS:
        return np.dtype(np.int32 if signed else np.uint32)
    return np.dtype(np.int8 if signed else np.uint8)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuantizedTensor:
    """An array as integers, with what turns them back into floats.

    The granularity is read off the shapes: a scale of shape `()` is per tensor, `[dim of axis]` is
    per channel, and with `block_size` the scale has the values' rank, its `axis` dimension being
    the number of blocks (the last block may be shorter).

    Attributes:
        values: integers in the range of `bits` and `signed`, any shape, one per element.
        scale: float32, positive and finite.
        zero_point: integers of the values' type and the scale's shape; None means zero everywhere.
        bits: 2 to 8, or 32 for biases.
        signed: whether the integers can be negative.
        axis: of the channels, or along which the blocks lie; None per tensor. Never negative.
        block_size: elements along `axis` that share a scale; None per tensor and per channel.
    """

    values: Integers
    scale: npt.NDArray[np.float32]
    zero_point: Integers | None
    bits: int
    signed: bool
    axis: int | None
    block_size: int | None

    def __post_init__(self) -> None:
        """Hold the invariants that every reader relies on.

        Raises:
            ValueError: types, shapes or ranges do not agree.
        """
        dtype = storage_dtype(self.bits, signed=self.signed)
        if self.values.dtype != dtype:
            raise ValueError(f"values are {self.values.dtype}, {self.bits} bits need {dtype}")
        expected = scale_shape(self.values.shape, self.axis, self.block_size)
        if self.scale.dtype != np.float32 or self.scale.shape != expected:
            found = f"{self.scale.dtype}{list(self.scale.shape)}"
            raise ValueError(f"scale is {found}, expected float32{list(expected)}")
        if not (np.all(np.isfinite(self.scale)) and np.all(self.scale > 0)):
            raise ValueError("a scale is not positive and finite")
        low, high = integer_range(self.bits, signed=self.signed)
        for name, array in (("values", self.values), ("zero_point", self.zero_point)):
            if array is not None and array.size and (array.min() < low or array.max() > high):
                raise ValueError(f"{name} leave the range [{low}, {high}] of {self.bits} bits")
        if self.zero_point is not None and (
            self.zero_point.dtype != dtype or self.zero_point.shape != self.scale.shape
        ):
            found = f"{self.zero_point.dtype}{list(self.zero_point.shape)}"
            raise ValueError(f"zero_point is {found}, expected {dtype}{list(expected)}")

    @property
    def granularity(self) -> Granularity:
        """What shares a scale: the tensor, a channel or a block."""
        if self.axis is None:
            return "tensor"
        return "channel" if self.block_size is None else "block"


def scale_shape(
    shape: tuple[int, ...], axis: int | None, block_size: int | None
) -> tuple[int, ...]:
    """Shape of the scale of an array of `shape`.

    Raises:
        ValueError: the axis does not exist, or a block size is given without axis or below 1.
    """
    if axis is None:
        if block_size is not None:
            raise ValueError(f"block_size {block_size} needs an axis")
        return ()
    if not 0 <= axis < len(shape):
        raise ValueError(f"axis {axis} is not an axis of the shape {list(shape)}")
    if block_size is None:
        return (shape[axis],)
    if block_size < 1:
        raise ValueError(f"block_size is {block_size}: it must be at least 1")
    blocks = -(-shape[axis] // block_size)
    return (*shape[:axis], blocks, *shape[axis + 1 :])


def scale_zero_point(
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    *,
    bits: int,
    signed: bool,
    symmetric: bool,
    power_of_two: bool = False,
) -> tuple[npt.NDArray[np.float32], Integers]:
    """Scale and zero point that cover [low, high], widened so that it holds zero.

    Symmetric: the range becomes [-m, m] with m the larger magnitude, on an equal number of
    integers on both sides (-127..127), and the zero point is the middle. An empty range
    (low == high == 0) gets scale 1, a range too small for float32 the smallest normal number.

    Args:
        low: smallest value(s), of any shape.
        high: largest value(s), of the same shape.
        bits: 2 to 8.
        signed: signed integers.
        symmetric: as above.
        power_of_two: the scale is the next power of two, so that a shift multiplies by it.

    Returns:
        Scale (float32) and zero point (the integers' type), both in the shape of the input.

    Raises:
        ValueError: a bound is not finite, `low` is above `high`, or `bits` is not in 2..8.
    """
    lowest, highest = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if not (np.all(np.isfinite(lowest)) and np.all(np.isfinite(highest))):
        raise ValueError("a range is not finite: the data hold NaN or infinity")
    if np.any(lowest > highest):
        raise ValueError("a range has its lower bound above its upper bound")
    if bits == _BIAS_BITS:
        raise ValueError("bits is 32: the scale of a bias follows from its layer")
    first, last = integer_range(bits, signed=signed)
    dtype = storage_dtype(bits, signed=signed)
    lowest, highest = np.minimum(lowest, 0.0), np.maximum(highest, 0.0)
    if symmetric:
        half = (1 << (bits - 1)) - 1
        scale = _safe_scale(np.maximum(-lowest, highest) / half, power_of_two=power_of_two)
        middle = 0 if signed else 1 << (bits - 1)
        return scale, np.full(scale.shape, middle, dtype)
    scale = _safe_scale((highest - lowest) / (last - first), power_of_two=power_of_two)
    zero_point = np.rint(first - lowest / scale.astype(np.float64))
    return scale, np.asarray(np.clip(zero_point, first, last).astype(dtype))


def _safe_scale(scale: npt.NDArray[np.float64], *, power_of_two: bool) -> npt.NDArray[np.float32]:
    filled = np.where(scale == 0.0, 1.0, np.maximum(scale, _SMALLEST_SCALE))
    if power_of_two:
        filled = np.exp2(np.ceil(np.log2(filled)))
    return np.asarray(filled, dtype=np.float32)


def quantize(
    x: Floats,
    scale: npt.NDArray[np.float32],
    zero_point: Integers | None,
    *,
    bits: int,
    signed: bool,
    axis: int | None = None,
    block_size: int | None = None,
) -> QuantizedTensor:
    """Round to the nearest integer (half to even), then saturate.

    Args:
        x: floats of any shape.
        scale: of the shape that `QuantizedTensor` describes.
        zero_point: of the scale's shape; None for zero.
        bits: 2 to 8, or 32.
        signed: signed integers.
        axis: of the channels or blocks; negative counts from the end.
        block_size: elements along `axis` that share a scale.

    Returns:
        The quantized tensor; its values have x's shape.

    Raises:
        ValueError: x holds NaN, or shapes, types and bits do not agree.
    """
    if np.any(np.isnan(x)):
        raise ValueError("NaN cannot be quantized")
    axis = _positive(axis, x.ndim)
    # Float32 as the runtimes do; a bias has more bits than float32 holds, so it takes float64.
    work = np.float64 if bits == _BIAS_BITS else np.float32
    divisor: Floats = expand(np.asarray(scale), x.shape, axis, block_size).astype(work)
    numerator: Floats = np.asarray(x, dtype=work)
    with np.errstate(over="ignore"):
        rounded = np.rint(numerator / divisor).astype(np.float64)
    if zero_point is not None:
        rounded = rounded + expand(np.asarray(zero_point), x.shape, axis, block_size)
    first, last = integer_range(bits, signed=signed)
    return QuantizedTensor(
        values=np.asarray(np.clip(rounded, first, last).astype(storage_dtype(bits, signed=signed))),
        scale=np.asarray(scale),
        zero_point=None if zero_point is None else np.asarray(zero_point),
        bits=bits,
        signed=signed,
        axis=axis,
        block_size=block_size,
    )


def dequantize(quantized: QuantizedTensor) -> npt.NDArray[np.float32]:
    """The floats that the integers stand for, in the values' shape."""
    q = quantized
    shape = q.values.shape
    wide = q.values.astype(np.int64)
    if q.zero_point is not None:
        wide = wide - expand(q.zero_point.astype(np.int64), shape, q.axis, q.block_size)
    scale = expand(q.scale, shape, q.axis, q.block_size)
    return np.asarray(wide.astype(np.float32) * scale, dtype=np.float32)


def quantize_weight(
    w: Floats,
    *,
    bits: int = 8,
    axis: int | None = None,
    block_size: int | None = None,
    symmetric: bool = True,
    signed: bool = True,
    power_of_two: bool = False,
) -> QuantizedTensor:
    """Quantize a weight to nearest, on the full range of each tensor, channel or block.

    Args:
        w: the weight, any shape, finite.
        bits: 2 to 8; 7 is the reduced range (see `integer_range`).
        axis: of the channels (without `block_size`) or along which blocks lie; None per tensor.
        block_size: elements along `axis` that share a scale.
        symmetric: zero point in the middle; for signed integers it is then left out (None).
        signed: signed integers, which most kernels want.
        power_of_two: scales are powers of two, nothing saturates.

    Returns:
        The quantized tensor; its values have w's shape.

    Raises:
        ValueError: w is not finite, or bits, axis and block size do not fit.
    """
    axis = _positive(axis, w.ndim)
    scale_shape(w.shape, axis, block_size)
    low, high = _ranges(w, axis, block_size)
    scale, zero_point = scale_zero_point(
        low, high, bits=bits, signed=signed, symmetric=symmetric, power_of_two=power_of_two
    )
    return quantize(
        w,
        scale,
        None if symmetric and signed else zero_point,
        bits=bits,
        signed=signed,
        axis=axis,
        block_size=block_size,
    )


def quantize_bias(bias: Floats, scale: npt.ArrayLike) -> QuantizedTensor:
    """Quantize a bias to 32 bits with the scale of its layer's accumulators.

    Args:
        bias: shape [out].
        scale: input scale x weight scale, a scalar or [out]. Integer kernels add the bias to their
            accumulators as it is, so this scale is not free.

    Returns:
        Values [out] int32, scale [out] (axis 0), no zero point.

    Raises:
        ValueError: the bias is not a finite vector or the scale does not fit it.
    """
    if bias.ndim != 1 or not np.all(np.isfinite(bias)):
        raise ValueError(f"a bias must be a finite vector, this one has shape {list(bias.shape)}")
    wide = np.broadcast_to(np.asarray(scale, dtype=np.float64), bias.shape)
    full = np.maximum(wide, _SMALLEST_SCALE).astype(np.float32)
    return quantize(bias, full, None, bits=_BIAS_BITS, signed=True, axis=0)


def _positive(axis: int | None, rank: int) -> int | None:
    return axis + rank if axis is not None and axis < 0 else axis


def expand(
    array: npt.NDArray[Any], shape: tuple[int, ...], axis: int | None, block_size: int | None
) -> npt.NDArray[Any]:
    """A scale or zero point in a shape that broadcasts against the values.

    Args:
        array: of the shape that `scale_shape` tells.
        shape: of the values.
        axis: of the channels or blocks.
        block_size: elements along `axis` that share a scale.

    Raises:
        ValueError: the array has another shape.
    """
    expected = scale_shape(shape, axis, block_size)
    if array.shape != expected:
        raise ValueError(f"a scale or zero point has shape {array.shape}, expected {expected}")
    if axis is None:
        return array
    if block_size is None:
        return array.reshape(*(-1 if i == axis else 1 for i in range(len(shape))))
    # A short last block is cut after repeating.
    return np.repeat(array, block_size, axis=axis).take(np.arange(shape[axis]), axis=axis)


def _ranges(w: Floats, axis: int | None, block_size: int | None) -> tuple[Floats, Floats]:
    """Smallest and largest element of each tensor, channel or block, in the scale's shape."""
    if w.size == 0:
        zeros = np.zeros(scale_shape(w.shape, axis, block_size), np.float32)
        return zeros, zeros
    if axis is None:
        return np.asarray(w.min()), np.asarray(w.max())
    if block_size is None:
        others = tuple(i for i in range(w.ndim) if i != axis)
        return w.min(axis=others), w.max(axis=others)
    starts = np.arange(0, w.shape[axis], block_size)
    return np.minimum.reduceat(w, starts, axis=axis), np.maximum.reduceat(w, starts, axis=axis)
