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
from lissom.numerics.quantized import QuantizedTensor, quantize, quantize_bias
from lissom.store.store import Store

__all__ = ["encode", "layer_integers", "merged"]

_LARGEST_BIAS = 2.0**30  # half of what int32 holds; the other half is for the products
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)


def layer_integers(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    *,
    axis: int,
    bits: int,
    input_scale: float,
) -> tuple[QuantizedTensor, QuantizedTensor | None]:
    """Symmetric signed integers per output channel, and the bias in the accumulators' unit.

    Args:
        weight: finite, any shape.
        bias: [out], finite; None if there is none.
        axis: of the output channels in the weight.
        bits: 8, or 7 where 8-bit products saturate.
        input_scale: of the layer's rounded input; of the largest it can be if that is dynamic.

    Returns:
        The weight, and the bias as 32-bit integers.

    Raises:
        ValueError: something is not finite or shapes do not fit.
    """
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.abs(weight).max(axis=others).astype(np.float64) / (2 ** (bits - 1) - 1)
    # A channel of zeros may have any scale; a usual one keeps its bias precise.
    scale[scale == 0.0] = np.median(scale[scale > 0.0]) if np.any(scale > 0.0) else 1.0
    scale = np.maximum(scale, _SMALLEST_SCALE * max(1.0, 2.0 / input_scale))
    if bias is not None:
        scale = np.maximum(scale, np.abs(bias) / (input_scale * _LARGEST_BIAS))
    narrow = scale.astype(np.float32)
    integers = quantize(weight, narrow, None, bits=bits, signed=True, axis=axis)
    if bias is None:
        return integers, None
    return integers, quantize_bias(bias, narrow.astype(np.float64) * input_scale)


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
