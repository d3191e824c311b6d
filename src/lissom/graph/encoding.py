"""A weight kept narrow, as integers or as indices into a table, its arrays in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod
from typing import Any, TypeAlias, final

from lissom.numerics.codebook import CodebookTensor
from lissom.numerics.packing import BlockPacked
from lissom.numerics.quantized import QuantizedTensor
from lissom.store.hashing import Json
from lissom.store.refs import ArrayRef
from lissom.store.store import Store

__all__ = [
    "CodebookEncoding",
    "Encoding",
    "IntegerEncoding",
    "encoding_from_json",
    "encoding_to_json",
]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerEncoding:
    """A weight as integers, its arrays in the store.

    For the kernels `dequantize` and `fold` the arrays are those of a `QuantizedTensor`, one integer
    an element.
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

    def size_bytes(self, count: int) -> int:
        """What so many numbers take in the file: integers of 4 bits or whole bytes, and scales."""
        width = next(width for width in (4, 8, 32) if self.bits <= width)
        points = 0 if self.zero_point is None else width * prod(self.zero_point.shape)
        return -(-(count * width + points) // 8) + 4 * prod(self.scale.shape)

    @classmethod
    def of(cls, quantized: QuantizedTensor, store: Store) -> IntegerEncoding:
        """Keep a quantized tensor in the store, for the kernels `dequantize` and `fold`."""
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


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CodebookEncoding:
    """A weight as indices into a table: the arrays of a `CodebookTensor`, for the kernel `fold`.

    They have the weight's shape, or another one with its elements in the same order.

    Attributes:
        indices: uint8.
        table: float32 [levels], or [channels, levels].
        scale: float32; None where there is none.
        bits: of an index, 1 to 8.
        axis: of the channels or along which the blocks lie, in the indices; None per tensor.
        block_size: elements along `axis` that share a scale; None without blocks.
    """

    indices: ArrayRef
    table: ArrayRef
    scale: ArrayRef | None
    bits: int
    axis: int | None
    block_size: int | None

    def size_bytes(self, count: int) -> int:
        """What so many numbers take in the file: indices, tables and scales of 16 bits."""
        others = [self.table] if self.scale is None else [self.table, self.scale]
        return -(-count * self.bits // 8) + 2 * sum(prod(one.shape) for one in others)

    @classmethod
    def of(cls, codebook: CodebookTensor, store: Store) -> CodebookEncoding:
        """Keep a coded tensor in the store."""
        scale = codebook.scale
        return cls(
            indices=store.put_array(codebook.indices),
            table=store.put_array(codebook.table),
            scale=None if scale is None else store.put_array(scale),
            bits=codebook.bits,
            axis=codebook.axis,
            block_size=codebook.block_size,
        )

    def codebook(self, store: Store) -> CodebookTensor:
        """The tensor that `of` kept.

        Raises:
            ValueError: the arrays are none of a coded tensor.
            StoreError: an array is not in the store.
        """
        return CodebookTensor(
            indices=store.array(self.indices),
            table=store.array(self.table),
            scale=None if self.scale is None else store.array(self.scale),
            bits=self.bits,
            axis=self.axis,
            block_size=self.block_size,
        )


Encoding: TypeAlias = IntegerEncoding | CodebookEncoding
_ARRAYS = ("values", "indices", "table", "scale", "zero_point")


def encoding_to_json(encoding: Encoding) -> Json:
    """Write as JSON; `encoding_from_json` is the inverse."""
    written: dict[str, Json] = {}
    for field in fields(encoding):
        value = getattr(encoding, field.name)
        written[field.name] = value.to_json() if isinstance(value, ArrayRef) else value
    return written


def encoding_from_json(value: Mapping[str, Json]) -> Encoding:
    """Read what `encoding_to_json` wrote.

    Raises:
        TypeError: a field is missing or too many.
    """
    read: dict[str, Any] = dict(value)
    for name in _ARRAYS:
        if read.get(name) is not None:
            read[name] = ArrayRef.from_json(read[name])
    return CodebookEncoding(**read) if "table" in read else IntegerEncoding(**read)
