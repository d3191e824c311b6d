"""Matrix products on integers: dynamic 8-bit, and weights in blocks for MatMulNBits.

Dynamic: the input is measured and rounded at every run (DynamicQuantizeLinear, shared by all
products that read it), multiplied as integers and scaled back. The nodes are those that ONNX
Runtime fuses to DynamicQuantizeMatMul and MatMulIntegerToFloat:

    x -> DynamicQuantizeLinear -> MatMulInteger(weight) -> Cast -> Mul(x scale * w scale) [-> Add]

How an LSTM is written is in `perform_recurrent`.

MatMulNBits: the float input is multiplied with a weight that is unpacked block by block.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.edit import EncodeWeight, IntegerEncoding, QuantizeActivation, describe
from lissom.graph.perform_draft import Draft
from lissom.graph.perform_recurrent import is_recurrent, unfit_recurrent, use_integer_lstm
from lissom.store.store import Store

__all__ = ["CONTRIB", "quantize_dynamically", "use_matmul_nbits"]

CONTRIB = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""

_FLOAT = ir.DataType.FLOAT
_PRODUCTS = frozenset({"MatMul", "Gemm"})


def quantize_dynamically(draft: Draft, edit: QuantizeActivation) -> None:
    """Turn the MatMuls, Gemms and LSTMs that read a value into integer products (dynamic).

    Their weights must be 8-bit integers already, per tensor or per output channel. Without named
    consumers, those that fit are turned and all others stay as they are.

    Raises:
        MethodError: a named consumer does not fit, or none does.
        BrokenPromise: names of the edit do not fit the model.
    """
    why = describe(edit)
    value = draft.value(edit.value, why)
    readers = draft.chosen_readers(value, edit.consumers, why)
    problems = {node: _unfit(node, value) for node in readers}
    fitting = [node for node in readers if not problems[node]]
    if not fitting or (edit.consumers is not None and len(fitting) < len(readers)):
        found = "; ".join(f"{n.name} ({n.op_type}): {text}" for n, text in problems.items() if text)
        raise MethodError(f"{why}: no integer product can take its place: {found or 'no consumer'}")
    products = [node for node in fitting if not is_recurrent(node)]
    for node in fitting:
        if is_recurrent(node):
            use_integer_lstm(draft, node)
    if products:
        _integer_products(draft, edit, value, products)


def _integer_products(
    draft: Draft, edit: QuantizeActivation, value: ir.Value, products: list[ir.Node]
) -> None:
    """Round a value once, and multiply it as integers in all of these nodes."""
    rounded = [
        draft.output(f"{edit.value}/quantized", ir.DataType.UINT8, value),
        draft.output(f"{edit.value}/scale", _FLOAT, None),
        draft.output(f"{edit.value}/zero_point", ir.DataType.UINT8, None),
    ]
    for number in rounded[1:]:
        number.shape = ir.Shape([])
    name = f"{edit.value}/quantize"
    draft.insert_behind(value, [draft.make("DynamicQuantizeLinear", name, [value], rounded)])
    for node in products:
        _integer_product(draft, node, rounded)


def _unfit(node: ir.Node, value: ir.Value) -> str:
    """Why a node cannot become an integer product of this value; empty if it can."""
    if is_recurrent(node):
        return unfit_recurrent(node, value)
    if node.op_type not in _PRODUCTS or node.domain:
        return "only MatMul, Gemm and LSTM can"
    if node.inputs[0] is not value or node.inputs[1] is value:
        return "the value must be its first input only"
    if node.op_type == "Gemm" and _flag(node, "transA"):
        return "its input is transposed"
    weight = node.inputs[1]
    source = None if weight is None else weight.producer()
    if source is None or source.op_type != "DequantizeLinear" or len(source.inputs) != 3:
        return "its weight is not held as integers"
    values, scale, point = (_tensor(given) for given in source.inputs)
    if values is None or scale is None or point is None or values.dtype.bitwidth != 8:
        return "its weight is not held as 8-bit integers"
    if scale.size == 1:
        return ""
    rank = len(values.shape)
    axis = source.attributes.get_int("axis", 1) % rank
    if rank != 2 or len(scale.shape) != 1 or axis != _out_axis(node, rank):
        return "its weight is not quantized per tensor or per output channel"
    return ""


def _flag(node: ir.Node, name: str) -> bool:
    return name in node.attributes and node.attributes[name].as_int() != 0


def _tensor(value: ir.Value | None) -> ir.TensorProtocol | None:
    return None if value is None else value.const_value


def _out_axis(node: ir.Node, rank: int) -> int:
    transposed = node.op_type == "Gemm" and _flag(node, "transB")
    return 0 if transposed else rank - 1


def _integer_product(draft: Draft, node: ir.Node, rounded: list[ir.Value]) -> None:
    weight = node.inputs[1]
    source = None if weight is None else weight.producer()
    if source is None:
        raise BrokenPromise(f"node {node.name!r} lost its weight")
    values, scale, point = source.inputs
    name = node.name or ""
    gemm = node.op_type == "Gemm"
    if gemm and _flag(node, "transB"):
        values = _transposed(draft, values)
    if gemm and (alpha := node.attributes.get_float("alpha", 1.0)) != 1.0:
        scale = _scaled(draft, scale, alpha)
    out = node.outputs[0]
    product = draft.output(f"{name}/accumulators", ir.DataType.INT32, out)
    wide = draft.output(f"{name}/accumulators/float", _FLOAT, out)
    both = draft.output(f"{name}/scale", _FLOAT, scale)
    given = draft.output(f"{name}/product", _FLOAT, out)
    inputs = [rounded[0], values, rounded[2], point]
    nodes = [
        draft.make("MatMulInteger", f"{name}/integer", inputs, [product]),
        draft.make("Cast", f"{name}/cast", [product], [wide], {"to": int(_FLOAT)}),
        draft.make("Mul", f"{name}/scales", [rounded[1], scale], [both]),
        draft.make("Mul", f"{name}/rescale", [wide, both], [given]),
    ]
    if gemm and len(node.inputs) > 2 and node.inputs[2] is not None:
        nodes += _add_bias(draft, node, given)
    draft.replace_node(node, nodes)


def _add_bias(draft: Draft, gemm: ir.Node, product: ir.Value) -> list[ir.Node]:
    """What adds the third input of a Gemm, times its factor: a node more where it is computed."""
    bias, nodes = gemm.inputs[2], list[ir.Node]()
    beta = gemm.attributes.get_float("beta", 1.0)
    if beta != 1.0 and _tensor(bias) is not None:
        bias = _scaled(draft, bias, beta)
    elif beta != 1.0:
        factor = draft.constant(f"{gemm.name}/beta", ir.tensor(np.float32(beta)))
        scaled = draft.output(f"{gemm.name}/addend", _FLOAT, bias)
        nodes.append(draft.make("Mul", f"{gemm.name}/scaling", [bias, factor], [scaled]))
        bias = scaled
    given = draft.output(f"{gemm.name}/biased", _FLOAT, product)
    return [*nodes, draft.make("Add", f"{gemm.name}/bias", [product, bias], [given])]


def _constant(value: ir.Value | None, why: str) -> np.ndarray:
    if value is None or value.const_value is None:
        raise MethodError(f"{why}: an operand is no constant")
    return value.const_value.numpy()


def _transposed(draft: Draft, values: ir.Value | None) -> ir.Value:
    name = "" if values is None else values.name or ""
    wanted = f"{name}/transposed"
    if wanted not in draft.values:
        array = np.ascontiguousarray(_constant(values, wanted).T)
        draft.constant(wanted, ir.tensor(array))
    return draft.values[wanted]


def _scaled(draft: Draft, value: ir.Value | None, factor: float) -> ir.Value:
    name = "" if value is None else value.name or ""
    array = _constant(value, f"{name} times {factor}") * np.float32(factor)
    return draft.constant(f"{name}/scaled", ir.tensor(np.asarray(array, dtype=np.float32)))


def use_matmul_nbits(draft: Draft, edit: EncodeWeight, store: Store) -> None:
    """Replace the MatMuls and Gemms that read a weight by MatMulNBits.

    Raises:
        MethodError: a consumer computes something that MatMulNBits does not.
        BrokenPromise: names or shapes of the edit do not fit the model.
    """
    why = describe(edit)
    weight = draft.weight(edit.weight, why)
    readers = draft.chosen_readers(weight, edit.consumers, why)
    encoding = edit.encoding
    if not isinstance(encoding, IntegerEncoding) or encoding.block_size is None:
        raise BrokenPromise(f"{why}: MatMulNBits takes integers in blocks")
    values, scale = store.array(encoding.values), store.array(encoding.scale)
    inputs = [
        draft.constant(f"{edit.weight}/quantized", ir.tensor(values)),
        draft.constant(f"{edit.weight}/scale", ir.tensor(scale)),
    ]
    if encoding.zero_point is not None:
        point = store.array(encoding.zero_point)
        inputs.append(draft.constant(f"{edit.weight}/zero_point", ir.tensor(point)))
    shape = tuple(int(dim) for dim in _constant(weight, why).shape)
    for node in readers:
        rows, columns = _product_sizes(node, weight, shape, why)
        blob = encoding.block_size * encoding.bits // 8
        expected = (rows, -(-columns // encoding.block_size), blob)
        if values.shape != expected or scale.size != rows * expected[1]:
            found = f"{list(values.shape)}, node {node.name!r} needs {list(expected)}"
            raise BrokenPromise(f"{why}: the packed values have shape {found}")
        sizes = {"N": rows, "K": columns, "bits": encoding.bits, "block_size": encoding.block_size}
        if edit.accuracy_level:
            sizes["accuracy_level"] = edit.accuracy_level
        given = draft.output(f"{node.name}/product", _FLOAT, node.outputs[0])
        read = [node.inputs[0], *inputs]
        nodes = [
            draft.make("MatMulNBits", f"{node.name}/nbits", read, [given], sizes, domain=CONTRIB)
        ]
        if node.op_type == "Gemm" and len(node.inputs) > 2 and node.inputs[2] is not None:
            nodes += _add_bias(draft, node, given)
        draft.replace_node(node, nodes)
    draft.ir.opset_imports.setdefault(CONTRIB, 1)


def _product_sizes(
    node: ir.Node, weight: ir.Value, shape: tuple[int, ...], why: str
) -> tuple[int, int]:
    """N and K of a product that MatMulNBits can do."""
    problem = ""
    if node.op_type not in _PRODUCTS or node.domain:
        problem = f"it is a {node.op_type}"
    elif node.inputs[1] is not weight or node.inputs[0] is weight or len(shape) != 2:
        problem = "the weight is not its second input and a matrix"
    elif node.op_type == "Gemm" and _flag(node, "transA"):
        problem = "its input is transposed"
    elif node.op_type == "Gemm" and node.attributes.get_float("alpha", 1.0) != 1.0:
        problem = "its alpha is not 1"
    if problem:
        raise MethodError(f"{why}: node {node.name!r} cannot use MatMulNBits: {problem}")
    return (shape[0], shape[1]) if _out_axis(node, 2) == 0 else (shape[1], shape[0])
