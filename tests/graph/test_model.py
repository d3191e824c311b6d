import numpy as np
import onnx_ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from lissom.errors import ModelError
from lissom.graph.model import Model, Port
from tests import tiny
from tests.graph.graphs import ir_of, model_of, node


def test_ports_opset_and_counts():
    model = model_of(tiny.cnn())
    assert model.inputs == (Port(name="image", dtype="float32", shape=("batch", 3, 8, 8)),)
    assert model.outputs == (Port(name="logits", dtype="float32", shape=("batch", 5)),)
    assert model.opset == 17
    assert model.op_counts["Conv"] == 2
    assert model.node_names[0] == "conv1"
    assert model.node("bn").inputs[0] == "c1"
    assert model.node("conv1").attributes["pads"] == (1, 1, 1, 1)
    assert "9 nodes" in repr(model)


def test_parameters_and_bytes_by_hand():
    model = model_of(tiny.mlp(sizes=(16, 32, 4)))
    assert model.parameters == 16 * 32 + 32 + 32 * 4 + 4
    assert model.weight_bytes == 4 * model.parameters
    assert model.weights["fc0.weight"].shape == (32, 16)
    assert model.weights["fc0.weight"].size_bytes == 4 * 512


def test_weights_are_read_only():
    model = model_of(tiny.mlp())
    weight = model.weight("fc0.weight")
    assert weight.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        weight[0, 0] = 1
    with pytest.raises(ModelError, match="nothing"):
        model.weight("nothing")
    with pytest.raises(ModelError, match="nothing"):
        model.node("nothing")


def test_who_gives_and_who_reads_a_value():
    model = model_of(tiny.branchy())
    assert model.producers["h"] == "proj"
    assert model.consumers["h"] == ("choose",)
    assert model.consumers["shift"] == ("choose",)
    assert model.captured == {"h", "shift"}
    assert model.node("choose").captured == ("h", "shift")


def test_types_and_shapes_of_values():
    model = model_of(tiny.transformer())
    assert model.value_dtype("ids") == "int64"
    assert model.value_shape("ids") == ("batch", "sequence")
    assert model.value_dtype("embedding") == "float32"
    assert model.value_dtype("no such value") is None
    assert model.value_shape("scores") is None


def test_a_copy_can_be_changed_and_the_model_stays():
    model = model_of(tiny.cnn())
    copy = model.copy_ir()
    copy.graph.inputs[0].dtype = onnx_ir.DataType.DOUBLE
    copy.graph.node("relu1").op_type = "Sigmoid"
    copy.graph.outputs[0].name = "other"
    assert model.inputs[0].dtype == "float32"
    assert Model.build(model.ir).fingerprint == model.fingerprint
    assert Model.build(copy) != model


def test_a_copy_shares_the_weights():
    model = model_of(tiny.cnn())
    copy = model.copy_ir()
    assert all(
        copy.graph.initializers[name].const_value is value.const_value
        for name, value in model.ir.graph.initializers.items()
    )


def test_initializers_that_are_inputs_are_no_ports():
    proto = tiny.mlp()
    proto.graph.input.append(
        onnx_value := type(proto.graph.input[0])(name="fc0.bias")  # as IR version 3 wrote them
    )
    onnx_value.type.CopyFrom(proto.graph.input[0].type)
    assert [port.name for port in model_of(proto).inputs] == ["x"]


def test_quantized_models_are_recognised():
    assert not model_of(tiny.mlp()).already_quantized
    weights = {"s": np.float32(0.1).reshape(()), "z": np.uint8(3).reshape(())}
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    ports = {"y": ("float32", [2])}
    model = model_of(tiny.model(nodes, {"x": ("float32", [2])}, ports, weights))
    assert model.already_quantized
    assert model.parameters == 0


def test_metadata_of_the_author():
    proto = tiny.mlp()
    entry = proto.metadata_props.add()
    entry.key, entry.value = "character", "abc"
    assert model_of(proto).metadata == {"character": "abc"}


@given(st.integers(0, 100), st.integers(0, 100))
def test_equal_models_have_equal_fingerprints_and_only_they(one, other):
    a, b = model_of(tiny.mlp(seed=one)), model_of(tiny.mlp(seed=other))
    assert (a == b) == (one == other)
    assert (hash(a) == hash(b)) == (one == other)


def test_models_are_not_equal_to_other_things():
    assert model_of(tiny.mlp()) != "model"


def test_other_domains_are_named_in_counts():
    proto = tiny.mlp()
    ir = ir_of(proto)
    ir.graph.node("relu0").domain = "com.microsoft"
    assert Model.build(ir).op_counts["com.microsoft::Relu"] == 1


def test_constants_in_attributes_count_as_weights():
    proto = tiny.branchy()
    body_constant = numpy_helper.from_array(np.float32(2))
    model = model_of(proto)
    assert model.weight_bytes == 4 * (16 + 4) + len(body_constant.raw_data)
    assert model.parameters == 16 + 4 + 1
