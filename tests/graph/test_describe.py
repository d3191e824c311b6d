import numpy as np
import onnx
import onnx_ir
import pytest
from onnx import helper

from lissom.graph import describe
from tests import tiny
from tests.graph.graphs import ir_of, node


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("FLOAT", "float32"),
        ("FLOAT16", "float16"),
        ("INT64", "int64"),
        ("BOOL", "bool"),
        ("STRING", "string"),
        ("UNDEFINED", "undefined"),
        ("BFLOAT16", "bfloat16"),
        ("INT4", "int4"),
    ],
)
def test_names_of_types_are_numpys(dtype, name):
    assert describe.dtype_name(onnx_ir.DataType[dtype]) == name


def test_types_that_are_no_tensors():
    floats = onnx_ir.TensorType(onnx_ir.DataType.FLOAT)
    assert describe.type_name(floats) == "float32"
    assert describe.type_name(onnx_ir.SequenceType(floats)) == "sequence(float32)"
    nested = onnx_ir.OptionalType(onnx_ir.SequenceType(floats))
    assert describe.type_name(nested) == "optional(sequence(float32))"


def test_shapes_hold_sizes_names_and_unknowns():
    assert describe.shape_of(onnx_ir.Shape([1, "batch", None])) == (1, "batch", None)
    assert describe.shape_of(onnx_ir.Shape([-1, 3])) == (None, 3)


def test_a_port_without_a_rank():
    value = onnx_ir.Value(name="v", type=onnx_ir.TensorType(onnx_ir.DataType.FLOAT))
    port = describe.port(value)
    assert (port.shape, port.ranked) == ((), False)


@pytest.mark.parametrize(
    ("op_type", "quantized"),
    [("QLinearConv", True), ("MatMulNBits", True), ("QuantizeLinear", True), ("Conv", False)],
)
def test_operators_of_quantized_models(op_type, quantized):
    assert describe.is_quantized(op_type) is quantized


def test_absent_inputs_and_outputs_are_empty_names():
    made = node("LSTM", ["x", "w", "r", "", "", "h"], ["", "y"], "cell", hidden_size=2)
    graph = helper.make_graph([made], "g", [], [])
    info = describe.node_info(onnx_ir.from_proto(graph)[0])
    assert info.inputs == ("x", "w", "r", "", "", "h")
    assert info.outputs == ("", "y")
    assert info.attributes == {"hidden_size": 2}


def test_attributes_as_plain_data():
    tensor = onnx.numpy_helper.from_array(np.zeros((2, 3), np.int8))
    made = helper.make_node("Op", [], ["y"], a=1, b=0.5, c="text", d=[1, 2], e=tensor)
    made.attribute.append(onnx.AttributeProto(name="f", ref_attr_name="outer", type=2))
    info = describe.node_info(onnx_ir.from_proto(made))
    assert info.attributes == {
        "a": 1,
        "b": 0.5,
        "c": "text",
        "d": (1, 2),
        "e": "tensor int8[2, 3]",
        "f": "reference to outer",
    }


def test_packed_weights_count_with_what_they_unpack_to():
    weights = {"q": np.zeros((4, 1, 16), np.uint8), "s": np.ones((4, 1), np.float32)}
    made = node(
        "MatMulNBits",
        ["x", "q", "s"],
        ["y"],
        domain="com.microsoft",
        K=32,
        N=4,
        bits=4,
        block_size=32,
    )
    proto = tiny.model(
        [node("Relu", ["x"], ["y"])],
        {"x": ("float32", [1, 32])},
        {"y": ("float32", [1, 32])},
        weights,
    )
    proto.graph.node[0].CopyFrom(made)
    assert describe.parameter_count(ir_of(proto)) == 32 * 4


def test_bodies_inside_bodies_capture_too():
    proto = tiny.branchy()
    yes = next(a for a in proto.graph.node[1].attribute if a.name == "then_branch").g
    inner = helper.make_node(
        "If", ["flag"], ["inner_out"], "inner", then_branch=yes, else_branch=yes
    )
    outer = helper.make_graph([inner], "outer", [], [])
    made = onnx_ir.from_proto(
        helper.make_node("If", ["flag"], ["y"], then_branch=outer, else_branch=outer)
    )
    assert describe.captured_names(made) == ("flag", "h", "shift")
