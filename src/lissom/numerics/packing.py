"""Packing of small integers into bytes, as ONNX and ONNX Runtime store them.

Three layouts. ONNX's INT4 and UINT4 tensors: two values a byte in memory order, the first in the
low half, the last byte padded with zero. `com.microsoft.MatMulNBits`: the weight as [N, K], that is
[out, in], cut into blocks along K; each block one blob of bytes, low half first; zero points packed
the same way along the blocks (the operator's text in ONNX Runtime, docs/ContribOperators.md). And
words, for widths that have no type in ONNX: as many indices as fit into 64 bits, the first in the
lowest, which a graph of standard operators takes apart (BitShift, BitwiseAnd).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from lissom.numerics.quantized import QuantizedTensor

__all__ = [
    "NBITS_BLOCK_SIZES",
    "BlockPacked",
    "pack_int4",
    "pack_matmul_nbits",
    "pack_words",
    "unpack_int4",
    "unpack_matmul_nbits",
    "unpack_words",
    "word_shifts",
]

Bytes = npt.NDArray[np.uint8]
NBITS_BLOCK_SIZES = (16, 32, 64, 128, 256)
"""Block sizes that MatMulNBits accepts."""
_NBITS = (4, 8)
_WORD, _BYTE = 64, 8


def pack_int4(values: npt.NDArray[np.integer[Any]]) -> Bytes:
    """Pack 4-bit integers, two a byte, first in the low half (ONNX INT4, UINT4).

    Args:
        values: integers in -8..7 or 0..15, any shape.

    Returns:
        A vector of ceil(size / 2) bytes.

    Raises:
        ValueError: a value needs more than 4 bits.
    """
    flat = np.asarray(values).reshape(-1)
    if flat.size and (flat.min() < -8 or flat.max() > 15 or (flat.min() < 0 and flat.max() > 7)):
        raise ValueError(f"values from {flat.min()} to {flat.max()} do not fit 4 bits")
    halves = (flat & 0xF).astype(np.uint8)
    if halves.size % 2:
        halves = np.append(halves, np.uint8(0))
    return np.asarray(halves[0::2] | (halves[1::2] << 4), dtype=np.uint8)


def unpack_int4(packed: Bytes, shape: tuple[int, ...], *, signed: bool) -> npt.NDArray[Any]:
    """The inverse of `pack_int4`: int8 if signed, else uint8, of the given shape.

    Raises:
        ValueError: the number of bytes is not what the shape needs.
    """
    size = int(np.prod(shape, dtype=np.int64))
    if packed.shape != ((size + 1) // 2,):
        raise ValueError(f"{packed.size} bytes cannot hold {size} 4-bit values")
    halves = np.stack([packed & 0xF, packed >> 4], axis=1).reshape(-1)[:size].reshape(shape)
    if not signed:
        return halves
    return np.asarray(((halves ^ 8).astype(np.int8) - 8).astype(np.int8))


def word_shifts(bits: int) -> npt.NDArray[np.uint64]:
    """By how much each index of a word is shifted: 0, bits, 2 bits, ... (21 indices of 3 bits).

    Raises:
        ValueError: `bits` is not in 1..8.
    """
    if not 1 <= bits <= _BYTE:
        raise ValueError(f"bits is {bits}: use 1 to 8")
    return np.arange(_WORD // bits, dtype=np.uint64) * np.uint64(bits)


def pack_words(indices: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint64]:
    """Pack indices into 64-bit words; the last word is padded with zeros.

    Args:
        indices: below 2^bits, any shape.
        bits: 1 to 8.

    Returns:
        A vector of words.

    Raises:
        ValueError: an index needs more bits.
    """
    shifts = word_shifts(bits)
    flat = np.asarray(indices).reshape(-1)
    if flat.size and int(flat.max()) >> bits:
        raise ValueError(f"an index of {int(flat.max())} does not fit {bits} bits")
    wide = np.pad(flat.astype(np.uint64), (0, -flat.size % len(shifts))).reshape(-1, len(shifts))
    return np.asarray(np.bitwise_or.reduce(wide << shifts, axis=1), np.uint64)


def unpack_words(
    words: npt.NDArray[np.uint64], bits: int, shape: tuple[int, ...]
) -> npt.NDArray[np.uint8]:
    """The inverse of `pack_words`: indices of the given shape.

    Raises:
        ValueError: the number of words is not what the shape needs.
    """
    shifts, size = word_shifts(bits), int(np.prod(shape, dtype=np.int64))
    if words.shape != (-(-size // len(shifts)),):
        raise ValueError(f"{words.size} words cannot hold {size} indices of {bits} bits")
    plain = (words[:, None] >> shifts) & np.uint64((1 << bits) - 1)
    return plain.reshape(-1)[:size].astype(np.uint8).reshape(shape)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockPacked:
    """A weight [N, K] as MatMulNBits takes it.

    Attributes:
        values: uint8 [N, blocks, block_size * bits / 8], the last block padded to full size.
        scale: float32 [N, blocks].
        zero_point: uint8 [N, ceil(blocks * bits / 8)]; None means 2^(bits-1) everywhere.
        bits: 4 or 8.
        block_size: elements along K that share a scale.
    """

    values: Bytes
    scale: npt.NDArray[np.float32]
    zero_point: Bytes | None
    bits: int
    block_size: int


def pack_matmul_nbits(quantized: QuantizedTensor) -> BlockPacked:
    """Pack a block-quantized weight [N, K] for MatMulNBits.

    MatMulNBits knows unsigned integers only, so signed values and zero points move up by
    2^(bits-1). Padding repeats the zero point: it stands for the weight zero.

    Args:
        quantized: values [N, K], blocks along axis 1, 4 or 8 bits.

    Raises:
        ValueError: the tensor is not two-dimensional, not in blocks along axis 1, or bits or block
            size are none that the operator takes.
    """
    q = quantized
    if q.values.ndim != 2 or q.axis != 1 or q.block_size is None:
        raise ValueError("MatMulNBits takes a weight [N, K] in blocks along axis 1")
    if q.bits not in _NBITS or q.block_size not in NBITS_BLOCK_SIZES:
        found = f"{q.bits} bits in blocks of {q.block_size}"
        raise ValueError(
            f"MatMulNBits takes {_NBITS} bits, blocks {NBITS_BLOCK_SIZES}, not {found}"
        )
    rows, columns = q.values.shape
    blocks = q.scale.shape[1]
    shift = 1 << (q.bits - 1) if q.signed else 0
    point = np.full(q.scale.shape, shift, np.int16)
    if q.zero_point is not None:
        point = point + q.zero_point.astype(np.int16)
    padded = np.repeat(point, q.block_size, axis=1)
    padded[:, :columns] = q.values.astype(np.int16) + shift
    plain = padded.astype(np.uint8).reshape(rows, blocks, q.block_size)
    middle = bool(np.all(point == 1 << (q.bits - 1)))
    return BlockPacked(
        values=_halves(plain) if q.bits == 4 else plain,
        scale=q.scale,
        zero_point=None if middle else _packed_rows(point.astype(np.uint8), q.bits),
        bits=q.bits,
        block_size=q.block_size,
    )


def unpack_matmul_nbits(packed: BlockPacked, columns: int) -> QuantizedTensor:
    """The weight [N, columns] of packed blocks, as unsigned integers with their zero points.

    Args:
        packed: as made by `pack_matmul_nbits`.
        columns: K, the number of weights in a row without the padding.

    Raises:
        ValueError: `columns` does not fit the number of blocks.
    """
    rows, blocks = packed.scale.shape
    if -(-columns // packed.block_size) != blocks:
        raise ValueError(f"{columns} columns do not fill {blocks} blocks of {packed.block_size}")
    plain = _wholes(packed.values) if packed.bits == 4 else packed.values
    if packed.zero_point is None:
        point = np.full(packed.scale.shape, 1 << (packed.bits - 1), np.uint8)
    elif packed.bits == 4:
        point = np.ascontiguousarray(_wholes(packed.zero_point)[:, :blocks])
    else:
        point = packed.zero_point
    return QuantizedTensor(
        values=np.ascontiguousarray(plain.reshape(rows, -1)[:, :columns]),
        scale=packed.scale,
        zero_point=point,
        bits=packed.bits,
        signed=False,
        axis=1,
        block_size=packed.block_size,
    )


def _packed_rows(point: Bytes, bits: int) -> Bytes:
    """Zero points [N, blocks], packed along the last axis; an odd row ends in an empty half."""
    if bits == 8:
        return point
    return _halves(np.pad(point, ((0, 0), (0, point.shape[1] % 2))))


def _halves(plain: Bytes) -> Bytes:
    return np.asarray(plain[..., 0::2] | (plain[..., 1::2] << 4), dtype=np.uint8)


def _wholes(packed: Bytes) -> Bytes:
    pairs = np.stack([packed & 0xF, packed >> 4], axis=-1)
    return pairs.reshape(*packed.shape[:-1], packed.shape[-1] * 2)
