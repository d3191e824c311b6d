"""How quantization is written into a graph: integers behind DequantizeLinear, pairs at values.

The form is QDQ (a QuantizeLinear and a DequantizeLinear where a value is rounded, a
DequantizeLinear behind integer weights): every runtime can read it, and those with integer kernels
fuse it away. Zero points are written out even where they are zero, since the fusions of ONNX
Runtime look for them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.edit import EncodeWeight, QuantizeActivation, describe
from lissom.graph.encoding import Encoding, IntegerEncoding
from lissom.graph.perform_draft import Draft
from lissom.graph.perform_gather import is_lookup, look_up_integers
from lissom.numerics.packing import pack_int4
from lissom.numerics.quantized import QuantizedTensor
from lissom.store.store import Store

__all__ = ["encode_weight", "least_opset", "quantize_activation", "read_encoding"]

_FOUR_BITS = 4
_BIAS_BITS = 32


def least_opset(edit: EncodeWeight | QuantizeActivation) -> int:
    """The oldest opset whose operators can express the edit.

    QuantizeLinear is of opset 10, dynamic of 11, an axis of 13, blocks and 4 bits of 21; the
    operators that take words apart (see `perform_fold`) are of 18.
    """
    if isinstance(edit, QuantizeActivation):
        return 11 if edit.scale is None else 10
    if edit.kernel == "matmul_nbits":
        return 1
    encoding = edit.encoding
    if edit.kernel == "fold":
        return 21 if encoding.bits == _FOUR_BITS else 13 if encoding.bits in {8, 32} else 18
    if encoding.block_size is not None or encoding.bits <= _FOUR_BITS:
        return 21
    return 10 if encoding.axis is None else 13


def read_encoding(encoding: Encoding, store: Store, why: str) -> QuantizedTensor:
    """The integers of an edit.

    Raises:
        BrokenPromise: the arrays are none of a quantized tensor.
    """
    if not isinstance(encoding, IntegerEncoding):
        raise BrokenPromise(f"{why}: only the kernel 'fold' reads tables")
    try:
        return encoding.quantized(store)
    except ValueError as error:
        raise BrokenPromise(f"{why}: {error}") from error


def encode_weight(draft: Draft, edit: EncodeWeight, store: Store) -> None:
    """Put integers and a DequantizeLinear in the place of a weight, for the edit's consumers.

    A Gather of the weight's rows looks up integers, and only what it found becomes floats.

    Raises:
        MethodError: the weight is not float32 or is an input of the model; a lookup cannot use the
            encoding.
        BrokenPromise: names or shapes of the edit do not fit the model.
    """
    why = describe(edit)
    weight = draft.weight(edit.weight, why)
    quantized = read_encoding(edit.encoding, store, why)
    stored = weight.const_value
    if stored is None or quantized.values.shape != tuple(stored.shape):
        raise BrokenPromise(f"{why}: the integers have shape {list(quantized.values.shape)}")
    readers = draft.chosen_readers(weight, edit.consumers, why)
    name = edit.weight
    inputs = [
        draft.constant(f"{name}/quantized", _integers(quantized.values, quantized)),
        draft.constant(f"{name}/scale", ir.tensor(quantized.scale)),
    ]
    # A bias has no zero point: 32-bit DequantizeLinear takes none but zero.
    if quantized.bits != _BIAS_BITS:
        point = quantized.zero_point
        if point is None:
            point = np.zeros(quantized.scale.shape, quantized.values.dtype)
        inputs.append(draft.constant(f"{name}/zero_point", _integers(point, quantized)))
    lookups = [node for node in readers if is_lookup(node, weight)]
    for node in lookups:
        look_up_integers(draft, node, inputs, quantized, why)
    others = [node for node in readers if node not in lookups]
    if not others:
        return
    attributes: dict[str, Any] = {}
    if quantized.axis is not None:
        attributes["axis"] = quantized.axis
    if quantized.block_size is not None:
        attributes["block_size"] = quantized.block_size
    given = draft.output(f"{name}/dequantized", ir.DataType.FLOAT, weight)
    node = draft.make("DequantizeLinear", f"{name}/dequantize", inputs, [given], attributes)
    draft.insert_behind(weight, [node])
    draft.redirect(others, weight, given)


def _integers(array: np.ndarray, quantized: QuantizedTensor) -> ir.TensorProtocol:
    if quantized.bits > _FOUR_BITS:
        return ir.tensor(array)
    dtype = ir.DataType.INT4 if quantized.signed else ir.DataType.UINT4
    return ir.PackedTensor(pack_int4(array), dtype, shape=array.shape)


def quantize_activation(draft: Draft, edit: QuantizeActivation) -> None:
    """Put a QuantizeLinear and a DequantizeLinear between a value and its readers (static).

    Edits of one value with equal numbers share the pair.

    Raises:
        MethodError: the value is not float32.
        BrokenPromise: names or numbers of the edit do not fit the model.
    """
    why = describe(edit)
    value = draft.value(edit.value, why)
    if value.dtype not in {ir.DataType.FLOAT, None}:
        raise MethodError(f"{why}: the value is {value.dtype}, not FLOAT")
    readers = draft.chosen_readers(value, edit.consumers, why)
    given = _pair(draft, edit, value, why)
    draft.redirect(readers, value, given)
    if edit.graph_output:
        _take_output(draft, value, given, why)


def _pair(draft: Draft, edit: QuantizeActivation, value: ir.Value, why: str) -> ir.Value:
    scale, point = _numbers(edit, why)
    key = (edit.value, edit.dtype, float(scale), int(point))
    known = draft.pairs.get(key)
    if known is not None:
        return known
    name = edit.value
    numbers = [
        draft.constant(f"{name}/scale", ir.tensor(scale)),
        draft.constant(f"{name}/zero_point", ir.tensor(point)),
    ]
    integers = draft.output(f"{name}/quantized", ir.DataType[edit.dtype.upper()], value)
    given = draft.output(f"{name}/dequantized", ir.DataType.FLOAT, value)
    down = draft.make("QuantizeLinear", f"{name}/quantize", [value, *numbers], [integers])
    up = draft.make("DequantizeLinear", f"{name}/dequantize", [integers, *numbers], [given])
    draft.insert_behind(value, [down, up])
    draft.pairs[key] = given
    return given


def _numbers(edit: QuantizeActivation, why: str) -> tuple[np.ndarray, np.ndarray]:
    scale = np.asarray(edit.scale, dtype=np.float32)
    limits = np.iinfo(edit.dtype)
    point = edit.zero_point
    if not (np.isfinite(scale) and scale > 0):
        raise BrokenPromise(f"{why}: the scale is not positive and finite")
    if point is None or not limits.min <= point <= limits.max:
        raise BrokenPromise(f"{why}: the zero point is not an integer of type {edit.dtype}")
    return scale, np.asarray(point, dtype=edit.dtype)


def _take_output(draft: Draft, value: ir.Value, given: ir.Value, why: str) -> None:
    """Let the rounded value be the model's output, under the output's name."""
    outputs = draft.ir.graph.outputs
    if value not in outputs:
        raise BrokenPromise(f"{why}: {value.name!r} is not an output of the model")
    if value.producer() is None:
        raise MethodError(f"{why}: the output is an input or a weight at the same time")
    name = value.name or ""
    draft.rename(value, f"{name}/float")
    given.name, given.shape = name, value.shape
    for index, output in enumerate(outputs):
        if output is value:
            outputs[index] = given
