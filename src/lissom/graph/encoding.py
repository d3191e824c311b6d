"""A weight kept as integers, its arrays in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from lissom.numerics.packing import BlockPacked
from lissom.numerics.quantized import QuantizedTensor
from lissom.store.hashing import Json
from lissom.store.refs import ArrayRef
from lissom.store.store import Store

__all__ = ["IntegerEncoding", "encoding_from_json", "encoding_to_json"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerEncoding:
    """A weight as integers, its arrays in the store.

    For the kernel `dequantize` the arrays are those of a `QuantizedTensor`, one integer an element.
    For `matmul_nbits` they are those of a `BlockPacked`: values uint8 [N, blocks, blob], scale
    [N, blocks], zero points packed.

    Attributes:
        values: the integers.
        scale: float32.
        zero_point: None means zero (for `matmul_nbits`: the middle, 2^(bits-1)).
        bits: 2 to 8; 32 for biases.
        signed: whether the integers can be negative.
        axis: of the channels or along which the blocks lie, in the stored weight; None per tensor.
        block_size: elements along `axis` that share a scale; None without blocks.
    """

    values: ArrayRef
    scale: ArrayRef
    zero_point: ArrayRef | None
    bits: int
    signed: bool
    axis: int | None
    block_size: int | None

    @classmethod
    def of(cls, quantized: QuantizedTensor, store: Store) -> IntegerEncoding:
        """Keep a quantized tensor in the store, for the kernel `dequantize`."""
        point = quantized.zero_point
        return cls(
            values=store.put_array(quantized.values),
            scale=store.put_array(quantized.scale),
            zero_point=None if point is None else store.put_array(point),
            bits=quantized.bits,
            signed=quantized.signed,
            axis=quantized.axis,
            block_size=quantized.block_size,
        )

    @classmethod
    def packed(cls, packed: BlockPacked, store: Store) -> IntegerEncoding:
        """Keep packed blocks in the store, for the kernel `matmul_nbits`."""
        point = packed.zero_point
        return cls(
            values=store.put_array(packed.values),
            scale=store.put_array(packed.scale),
            zero_point=None if point is None else store.put_array(point),
            bits=packed.bits,
            signed=False,
            axis=1,
            block_size=packed.block_size,
        )

    def quantized(self, store: Store) -> QuantizedTensor:
        """The tensor that `of` kept.

        Raises:
            ValueError: the arrays are none of a quantized tensor (those of `packed` are not).
            StoreError: an array is not in the store.
        """
        return QuantizedTensor(
            values=store.array(self.values),
            scale=store.array(self.scale),
            zero_point=None if self.zero_point is None else store.array(self.zero_point),
            bits=self.bits,
            signed=self.signed,
            axis=self.axis,
            block_size=self.block_size,
        )


def encoding_to_json(encoding: IntegerEncoding) -> Json:
    """Write as JSON; `encoding_from_json` is the inverse."""
    point = encoding.zero_point
    return {
        "values": encoding.values.to_json(),
        "scale": encoding.scale.to_json(),
        "zero_point": None if point is None else point.to_json(),
        "bits": encoding.bits,
        "signed": encoding.signed,
        "axis": encoding.axis,
        "block_size": encoding.block_size,
    }


def encoding_from_json(value: Mapping[str, Json]) -> IntegerEncoding:
    """Read what `encoding_to_json` wrote.

    Raises:
        KeyError: a field is missing.
        TypeError: a field is too many.
    """
    fields: dict[str, Any] = dict(value)
    for name in ("values", "scale", "zero_point"):
        if fields[name] is not None:
            fields[name] = ArrayRef.from_json(fields[name])
    return IntegerEncoding(**fields)
