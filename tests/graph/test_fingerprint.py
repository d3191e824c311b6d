import numpy as np
import onnx_ir
import pytest

from lissom.graph.fingerprint import fingerprint, known_hashes, remember_hashes, tensor_hash
from tests import tiny
from tests.graph.graphs import ir_of


def _tensor(array, name="t"):
    return onnx_ir.Tensor(np.asarray(array), name=name)


def test_what_changes_nothing_is_left_out():
    proto = tiny.branchy()
    plain = fingerprint(ir_of(proto))
    proto.doc_string = "made somewhere"
    proto.producer_name = "someone"
    proto.graph.node[0].doc_string = "a trace"
    proto.graph.node[0].metadata_props.add(key="k", value="v")
    weights = list(proto.graph.initializer)[::-1]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(weights)
    assert fingerprint(ir_of(proto)) == plain


@pytest.mark.parametrize("what", ["weight", "name", "attribute", "body", "opset", "output", "edge"])
def test_what_changes_something_counts(what):
    proto = tiny.branchy()
    plain = fingerprint(ir_of(proto))
    if what == "weight":
        tensor = proto.graph.initializer[0]
        tensor.raw_data = tensor.raw_data[:-1] + bytes([tensor.raw_data[-1] ^ 1])
    elif what == "name":
        proto.graph.node[0].name = "other"
    elif what == "attribute":
        proto.graph.node[2].op_type = "Elu"
        proto.graph.node[2].attribute.add(name="alpha", type=1, f=0.5)
    elif what == "body":
        proto.graph.node[1].attribute[0].g.node[0].op_type = "Mul"
    elif what == "opset":
        proto.opset_import[0].version = 18
    elif what == "output":
        proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5
    else:
        proto.graph.node[2].input[0] = "h"
    assert fingerprint(ir_of(proto)) != plain


def test_tensors_differ_by_type_shape_and_bytes():
    tensors = [
        _tensor(np.zeros(4, np.float32)),
        _tensor(np.zeros((2, 2), np.float32)),
        _tensor(np.zeros(4, np.int32)),
        _tensor(np.ones(4, np.float32)),
        _tensor(np.zeros((0, 4), np.float32)),
        _tensor(np.float32(0)),
        onnx_ir.StringTensor([b"a", b"bc"], shape=onnx_ir.Shape([2])),
        onnx_ir.StringTensor([b"ab", b"c"], shape=onnx_ir.Shape([2])),
    ]
    assert len({tensor_hash(tensor) for tensor in tensors}) == len(tensors)


def test_a_tensor_hashes_alike_however_it_is_held():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    proto = onnx_ir.from_proto(onnx_ir.to_proto(_tensor(array)))
    strided = _tensor(np.asfortranarray(array))
    assert tensor_hash(proto) == tensor_hash(_tensor(array)) == tensor_hash(strided)


def test_known_hashes_spare_the_reading():
    ir = ir_of(tiny.mlp())
    again = ir_of(tiny.mlp())
    remember_hashes(again, known_hashes(ir))
    assert fingerprint(again) == fingerprint(ir)
    remember_hashes(again, {"fc0.weight": "0" * 64, "absent": "1" * 64})
    assert fingerprint(again) != fingerprint(ir)
