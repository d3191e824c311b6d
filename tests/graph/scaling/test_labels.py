"""Labels: united where factors must be equal, frozen where they must be one."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from lissom.graph.channels.walk import CannotFollow
from lissom.graph.scaling.labels import Scaling
from lissom.graph.scaling.rules import RULES
from tests import tiny
from tests.graph.channels.nets import Net
from tests.graph.edited import model_of
from tests.graph.scaling.scaled import check_law, found_in


def walk(proto):
    model = model_of(proto)
    return Scaling(model, {})


def same(found, labels):
    return np.unique(found.ids.roots(labels.ravel())).size


def test_what_meets_is_united():
    found = walk(tiny.mlp())
    columns, rows = found.new(3)[None, :], found.new(2)[:, None]
    made = found.unite([columns, columns + 0])
    assert made.shape == (1, 3)
    assert same(found, made) == 3
    assert found.unite([rows, columns]).shape == (2, 3)
    assert same(found, np.concatenate([columns.ravel(), rows.ravel()])) == 1


def test_along_an_axis_they_become_the_same():
    found = walk(tiny.mlp())
    labels = found.new(6).reshape(2, 3)
    assert found.along(labels, [0]).shape == (1, 3)
    assert same(found, labels) == 3
    assert found.along(labels[:1], [0]) is not None


def test_too_many_are_refused():
    found = walk(tiny.mlp())
    with pytest.raises(CannotFollow, match="too many"):
        found.unite([found.new(4096)[None, :], found.new(4096)[:, None]])


def test_an_unknown_shape_stops_only_its_node():
    found = walk(tiny.mlp())
    with pytest.raises(CannotFollow, match="shape"):
        found.shape("no such value")
    found.lead(RULES)
    assert found.labels == {}
    # What the rule had noted before it gave up is frozen.
    assert found.uses == []


def test_a_weight_that_several_read_stays(tmp_path):
    net = Net()
    shared = net.weight(6, 6)
    x = net.op("Gemm", net.input(["n", 6]), shared, net.weight(6), transB=1)
    x = net.op("Gemm", net.op("Relu", x), shared, net.weight(6), transB=1)
    x = net.op("Gemm", net.op("Relu", x), net.weight(4, 6), net.weight(4), transB=1)
    found = check_law(net.done(x, 2), tmp_path)
    assert found.groups == ()
    assert "share" in found.frozen["gemm0"]


def test_a_weight_of_another_type_stays():
    net = Net()
    x = net.op("Cast", net.input(["n", 4]), to=TensorProto.FLOAT16)
    weights = [net.constant(np.ones((4, 4), np.float16)) for _ in range(2)]
    x = net.op("MatMul", net.op("Relu", net.op("MatMul", x, weights[0])), weights[1])
    found = found_in(net.done(net.op("Cast", x, to=TensorProto.FLOAT), 2), runs=False)
    assert found.groups == ()
    assert found.uses == ()


def test_what_a_body_reads_stays():
    proto = tiny.branchy()
    found = found_in(proto, runs=False)
    assert found.groups == ()
    assert "If" in found.frozen["proj"]


def test_an_unknown_operator_stops_and_is_named():
    net = Net()
    x = net.op("Gemm", net.input(["n", 4]), net.weight(4, 4), net.weight(4), transB=1)
    x = net.op("Gemm", net.op("Tanh", x), net.weight(3, 4), net.weight(3), transB=1)
    found = found_in(net.done(x, 2))
    assert found.groups == ()
    assert found.frozen["gemm0"] == "Tanh does not commute with factors"


def test_an_input_that_carries_a_weight_stays():
    net = Net()
    x = net.op("MatMul", net.input(["n", 4]), net.constant_t(4, 4))
    proto = net.done(net.op("MatMul", net.op("Relu", x), net.constant_t(4, 3)), 2)
    info = helper.make_tensor_value_info("w0", TensorProto.FLOAT, [4, 4])
    proto.graph.input.append(info)
    assert found_in(proto).groups == ()
