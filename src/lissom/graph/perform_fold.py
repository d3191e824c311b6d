"""Narrow weights that the runtime widens once, when it loads the model.

In front of the nodes that read a weight stand plain operators over constants, which ONNX Runtime
and OpenVINO compute at load (measured: then as fast as the float model, in as much memory; a
DequantizeLinear that ONNX Runtime does not fuse is computed at every run instead). The file is what
is small:

    integers    Cast [-> Sub(zero point)] -> Mul(scale)
    codebook    Cast -> Gather(table) [-> Mul(scale)]       one table
                Cast -> GatherElements(tables)              a table for each channel

Eight bits are stored as bytes and four as ONNX's 4-bit integers. Other widths have no type that
both runtimes read: as many as fit are packed into 64-bit words, and BitShift and BitwiseAnd take
them apart. Numbers that float16 holds without loss are stored so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir

from lissom.errors import BrokenPromise
from lissom.graph.edit import CodebookEncoding, EncodeWeight, describe
from lissom.graph.perform_draft import Draft
from lissom.graph.perform_quantize import read_encoding
from lissom.numerics.codebook import CodebookTensor, half_if_exact
from lissom.numerics.packing import pack_int4, pack_words, word_shifts
from lissom.numerics.quantized import QuantizedTensor, integer_range
from lissom.store.store import Store

__all__ = ["fold_weight"]

_FLOAT, _INDEX = ir.DataType.FLOAT, ir.DataType.INT32
_WHOLE_BITS, _HALF_BITS = (8, 32), 4


def fold_weight(draft: Draft, edit: EncodeWeight, store: Store) -> None:
    """Put narrow constants, and what widens them, in the place of a weight.

    The codes have the weight's shape, or another with its elements in the same order.

    Raises:
        MethodError: the weight is not float32 or is an input of the model.
        BrokenPromise: names or shapes of the edit do not fit the model.
    """
    why = describe(edit)
    weight = draft.weight(edit.weight, why)
    readers = draft.chosen_readers(weight, edit.consumers, why)
    stored = weight.const_value
    shape = () if stored is None else tuple(stored.shape.numpy())
    made = _Expression(draft, edit.weight)
    if isinstance(edit.encoding, CodebookEncoding):
        try:
            codebook = edit.encoding.codebook(store)
        except ValueError as error:
            raise BrokenPromise(f"{why}: {error}") from error
        _check_size(codebook.indices, shape, why)
        given = _tables(made, codebook, why) if codebook.table.ndim > 1 else _one(made, codebook)
    else:
        quantized = read_encoding(edit.encoding, store, why)
        _check_size(quantized.values, shape, why)
        given = _integers(made, quantized)
    if given.shape != ir.Shape(shape):
        given = made.reshape("folded", given, shape)
    made.forget_shapes(given)
    draft.insert_behind(weight, made.nodes)
    draft.redirect(readers, weight, given)


def _check_size(codes: np.ndarray, shape: tuple[int, ...], why: str) -> None:
    if codes.size != prod(shape):
        found = f"shape {list(codes.shape)}, the weight {list(shape)}"
        raise BrokenPromise(f"{why}: the codes have {found}")


class _Expression:
    """Nodes over constants, each reading the one before, named after the weight."""

    def __init__(self, draft: Draft, weight: str) -> None:
        self._draft, self._weight = draft, weight
        self.nodes: list[ir.Node] = []

    def constant(self, part: str, array: np.ndarray | ir.TensorProtocol) -> ir.Value:
        tensor = ir.tensor(array) if isinstance(array, np.ndarray) else array
        return self._draft.constant(f"{self._weight}/{part}", tensor)

    def floats(self, part: str, array: np.ndarray) -> ir.Value:
        """A constant in float32, stored as float16 where that loses nothing."""
        narrow = half_if_exact(np.ascontiguousarray(array, np.float32))
        value = self.constant(part, narrow)
        return value if narrow.dtype == np.float32 else self.cast(part, value, _FLOAT, array.shape)

    def node(
        self,
        op_type: str,
        part: str,
        inputs: Sequence[ir.Value],
        shape: Sequence[int],
        dtype: ir.DataType = _FLOAT,
        **attributes: Any,
    ) -> ir.Value:
        given = self._draft.output(f"{self._weight}/{part}", dtype, None)
        given.shape = ir.Shape(shape)
        name = f"{self._weight}/{part}"
        self.nodes.append(self._draft.make(op_type, name, inputs, [given], attributes or None))
        return given

    def forget_shapes(self, given: ir.Value) -> None:
        """Leave the shapes of all but the last value to inference: they would be stored."""
        for node in self.nodes:
            for value in node.outputs:
                if value is not given:
                    value.shape, value.type = None, None

    def cast(
        self, part: str, value: ir.Value, dtype: ir.DataType, shape: Sequence[int]
    ) -> ir.Value:
        return self.node("Cast", f"{part}/wide", [value], shape, dtype, to=int(dtype))

    def reshape(self, part: str, value: ir.Value, shape: Sequence[int]) -> ir.Value:
        sizes = self.constant(f"{part}/sizes", np.asarray(shape, np.int64))
        return self.node("Reshape", part, [value, sizes], shape, value.dtype or _FLOAT)

    def first(self, part: str, value: ir.Value, axis: int, shape: Sequence[int]) -> ir.Value:
        """The first `shape[axis]` elements along an axis."""
        bounds = [
            self._draft.shared(f"index_{number}", ir.tensor(np.asarray([number], np.int64)))
            for number in (0, shape[axis], axis)
        ]
        return self.node("Slice", part, [value, *bounds], shape, value.dtype or _FLOAT)

    def codes(
        self, array: np.ndarray, bits: int, dtype: ir.DataType, *, signed: bool = False
    ) -> ir.Value:
        """Integers of some bits, stored as narrow as both runtimes read them, as `dtype`.

        Signed ones of widths without a type are stored as what they lie above the smallest.
        """
        if bits in _WHOLE_BITS:
            return self.cast("codes", self.constant("codes", array), dtype, array.shape)
        if bits == _HALF_BITS:
            kind = ir.DataType.INT4 if signed else ir.DataType.UINT4
            packed = ir.PackedTensor(pack_int4(array), kind, shape=array.shape)
            return self.cast("codes", self.constant("codes", packed), dtype, array.shape)
        return self._words(array, bits, dtype)

    def _words(self, array: np.ndarray, bits: int, dtype: ir.DataType) -> ir.Value:
        words, shifts = pack_words(array, bits)[:, None], word_shifts(bits)
        grid, mask = (len(words), len(shifts)), np.uint64((1 << bits) - 1)
        kind = ir.DataType.UINT64
        shared = self._draft.shared
        inputs = [self.constant("codes", words), shared(f"shifts_{bits}", ir.tensor(shifts))]
        value = self.node("BitShift", "shifted", inputs, grid, kind, direction="RIGHT")
        inputs = [value, shared(f"mask_{bits}", ir.tensor(np.asarray(mask)))]
        value = self.node("BitwiseAnd", "masked", inputs, grid, kind)
        value = self.cast("masked", value, dtype, grid)
        if array.size < prod(grid):
            value = self.reshape("row", value, (prod(grid),))
            value = self.first("filled", value, 0, (array.size,))
        return self.reshape("shaped", value, array.shape)


def _one(made: _Expression, codebook: CodebookTensor) -> ir.Value:
    """One table for all, and perhaps scales."""
    c = codebook
    blocked = _blocked(c.indices, c.axis, c.block_size)
    indices = made.codes(blocked, c.bits, _INDEX)
    table = made.floats("table", c.table)
    value = made.node("Gather", "looked_up", [table, indices], blocked.shape)
    if c.scale is None:
        return value
    return _scaled(made, value, c.scale, c.indices.shape, (c.axis, c.block_size))


def _tables(made: _Expression, codebook: CodebookTensor, why: str) -> ir.Value:
    """A table for each index of the first or the last axis."""
    shape, axis = codebook.indices.shape, codebook.axis
    if axis == 0:
        rows, table, along = codebook.indices.reshape(shape[0], -1), codebook.table, 1
    elif axis == len(shape) - 1:
        rows, table, along = codebook.indices.reshape(-1, shape[-1]), codebook.table.T, 0
    else:
        raise BrokenPromise(f"{why}: tables for each channel lie along the first or the last axis")
    inputs = [made.floats("table", table), made.codes(rows, codebook.bits, _INDEX)]
    return made.node("GatherElements", "looked_up", inputs, rows.shape, axis=along)


def _integers(made: _Expression, quantized: QuantizedTensor) -> ir.Value:
    """Integers, minus their zero points, times their scales."""
    q = quantized
    values, offset = q.values, 0
    if q.bits not in {*_WHOLE_BITS, _HALF_BITS}:
        offset = integer_range(q.bits, signed=q.signed)[0]
        values = (values.astype(np.int16) - offset).astype(np.uint8)
    blocked = _blocked(values, q.axis, q.block_size)
    value = made.codes(blocked, q.bits, _FLOAT, signed=q.signed)
    zeros = np.zeros(q.scale.shape) if q.zero_point is None else q.zero_point
    point = np.asarray(zeros - np.float64(offset), np.float32)
    if np.any(point):
        same = bool(np.all(point == point.flat[0]))
        along = (None, None) if same else (q.axis, q.block_size)
        point = np.asarray(point.flat[0]) if same else _aligned(point, q.values.ndim, along)
        inputs = [value, made.floats("zero_point", point)]
        value = made.node("Sub", "centred", inputs, blocked.shape)
    return _scaled(made, value, q.scale, q.values.shape, (q.axis, q.block_size))


def _scaled(
    made: _Expression,
    value: ir.Value,
    scale: np.ndarray,
    shape: tuple[int, ...],
    along: tuple[int | None, int | None],
) -> ir.Value:
    """The value times its scales, blocks joined again."""
    axis, block_size = along
    factors = made.floats("scale", _aligned(scale, len(shape), along))
    if axis is None or block_size is None:
        return made.node("Mul", "scaled", [value, factors], shape)
    count = scale.shape[axis]
    blocks = (*shape[:axis], count, block_size, *shape[axis + 1 :])
    whole = (*shape[:axis], count * block_size, *shape[axis + 1 :])
    value = made.node("Mul", "scaled", [value, factors], blocks)
    value = made.reshape("joined", value, whole)
    return value if whole == shape else made.first("kept", value, axis, shape)


def _aligned(array: np.ndarray, rank: int, along: tuple[int | None, int | None]) -> np.ndarray:
    """Scales or zero points, shaped to be broadcast to (blocked) values."""
    axis, block_size = along
    if axis is None:
        return array
    if block_size is None:
        return array.reshape(*(-1 if i == axis else 1 for i in range(rank)))
    return np.expand_dims(array, axis + 1)


def _blocked(codes: np.ndarray, axis: int | None, block_size: int | None) -> np.ndarray:
    """Codes with the axis split into blocks, the last one filled up with zeros."""
    if axis is None or block_size is None:
        return codes
    shape = codes.shape
    missing = -shape[axis] % block_size
    filled = np.pad(codes, [(0, missing if i == axis else 0) for i in range(len(shape))])
    split = (*shape[:axis], -1, block_size, *shape[axis + 1 :])
    return filled.reshape(split)
