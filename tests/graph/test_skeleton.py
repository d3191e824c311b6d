import numpy as np
import onnx
import pytest

from lissom.graph.fingerprint import fingerprint
from lissom.graph.skeleton import Skeleton, check, in_memory
from tests import tiny
from tests.graph.graphs import ir_of


def test_large_weights_are_left_out_and_come_back():
    ir = ir_of(tiny.cnn(channels=32))
    before = fingerprint(ir)
    skeleton = Skeleton(ir)
    assert skeleton.proto.ByteSize() < 8000
    assert {"conv1.weight", "conv2.weight"} <= {value.name for value in skeleton.proto.graph.input}
    assert fingerprint(ir) == before
    assert fingerprint(skeleton.restore(skeleton.proto)) == before


def test_the_checker_sees_what_breaks_the_standard():
    ir = ir_of(tiny.mlp())
    check(ir)
    ir.graph.node("relu0").op_type = "NoSuchOperator"
    with pytest.raises(onnx.checker.ValidationError, match="NoSuchOperator"):
        check(ir)


def test_tensors_of_other_files_are_copied(tmp_path):
    import onnx_ir

    np.arange(4, dtype=np.float32).tofile(tmp_path / "w.bin")
    tensor = onnx_ir.ExternalTensor(
        "w.bin",
        0,
        16,
        onnx_ir.DataType.FLOAT,
        shape=onnx_ir.Shape([4]),
        name="w",
        base_dir=tmp_path,
    )
    copy = in_memory(tensor)
    assert not isinstance(copy, onnx_ir.ExternalTensor)
    assert copy.numpy().tolist() == [0, 1, 2, 3]
    assert in_memory(copy) is copy
