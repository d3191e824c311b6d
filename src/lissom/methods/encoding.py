"""Weights and biases of a layer as integers, fit for an integer kernel that takes them as they are.

An integer kernel adds the bias to its 32-bit accumulators, whose unit is input scale x weight
scale. So the weight's scale must leave room for the bias, and their product must be a number that
float32 holds: both are kept here, by a slightly larger weight scale where needed. That costs
nothing that float32 itself would have kept: the bias is then millions of times larger than what the
weights contribute.
"""

import numpy as np
from numpy.typing import NDArray

from lissom.graph.edit import EncodeWeight, IntegerEncoding
from lissom.numerics.quantized import (
    QuantizedTensor,
    quantize,
    quantize_bias,
    quantize_weight,
    scale_zero_point,
)
from lissom.store.store import Store

__all__ = ["embedding", "encode", "layer_integers", "merged"]

_LARGEST_BIAS = 2.0**30  # half of what int32 holds; the other half is for the products
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)


def layer_integers(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    *,
    axis: int | None,
    bits: int,
    input_scale: float,
    symmetric: bool = True,
) -> tuple[QuantizedTensor, QuantizedTensor | None]:
    """Signed integers per output channel or tensor, and the bias in the accumulators' unit.

    Args:
        weight: finite, any shape.
        bias: [out], finite; None if there is none.
        axis: of the output channels in the weight; None for one scale for all of it.
        bits: 8, or 7 where 8-bit products saturate.
        input_scale: of the layer's rounded input.
        symmetric: the zero points are zero.

    Returns:
        The weight, and the bias as 32-bit integers.

    Raises:
        ValueError: something is not finite or shapes do not fit.
    """
    others = tuple(i for i in range(weight.ndim) if i != axis)
    low = np.asarray(np.minimum(weight.min(axis=others), 0.0), np.float64)
    high = np.asarray(np.maximum(weight.max(axis=others), 0.0), np.float64)
    # A channel of zeros may have any scale; a usual one keeps its bias precise.
    empty = np.asarray(high == low)
    peaks = np.asarray(np.maximum(-low, high))[~empty]
    high[empty] = np.median(peaks) if peaks.size else 1.0
    least = np.full(high.shape, _SMALLEST_SCALE * max(1.0, 2.0 / input_scale))
    if bias is not None:
        room = np.abs(bias).astype(np.float64) / _LARGEST_BIAS / input_scale
        least = np.maximum(least, room if axis is not None else room.max(initial=0.0))
    steps = 2 ** (bits - 1) - 1 if symmetric else 2**bits - 1
    high = np.maximum(high, least * steps + (0.0 if symmetric else low))
    scale, zero_point = scale_zero_point(low, high, bits=bits, signed=True, symmetric=symmetric)
    points = None if symmetric else zero_point
    integers = quantize(weight, scale, points, bits=bits, signed=True, axis=axis)
    if bias is None:
        return integers, None
    return integers, quantize_bias(bias, scale.astype(np.float64) * input_scale)


def encode(
    name: str, integers: QuantizedTensor, consumers: tuple[str, ...], store: Store
) -> EncodeWeight:
    """The edit that keeps a weight as these integers behind a DequantizeLinear."""
    return EncodeWeight(
        weight=name,
        encoding=IntegerEncoding.of(integers, store),
        kernel="dequantize",
        consumers=consumers,
    )


def embedding(weight: NDArray[np.float32]) -> QuantizedTensor:
    """An embedding [rows, width] in 8 bits, a scale per row: rows are looked up one by one."""
    return quantize_weight(weight, bits=8, axis=0)


def merged(edits: list[EncodeWeight]) -> list[EncodeWeight]:
    """The same edits, those of one weight with the same integers as one (tied weights)."""
    found: dict[tuple[object, ...], EncodeWeight] = {}
    for edit in edits:
        key = (edit.weight, edit.encoding, edit.kernel, edit.accuracy_level)
        before = found.get(key)
        readers = edit.consumers if before is None else (*before.consumers, *edit.consumers)
        found[key] = EncodeWeight(
            weight=edit.weight,
            encoding=edit.encoding,
            kernel=edit.kernel,
            consumers=tuple(dict.fromkeys(readers)),
            accuracy_level=edit.accuracy_level,
        )
    return list(found.values())
