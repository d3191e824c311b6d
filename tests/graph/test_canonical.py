import numpy as np
import onnx
import onnx_ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from lissom.errors import ModelError
from lissom.graph import canonical, simplify
from lissom.graph.canonical import canonicalize, convert_file
from lissom.graph.fingerprint import fingerprint
from lissom.graph.load import open_trusted
from tests import tiny
from tests.graph.graphs import constant, ir_of, node, ops, same_answers

MAKERS = [tiny.cnn, tiny.mlp, tiny.transformer, tiny.recurrent, tiny.branchy]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("level", ["full", "keep-opset", "none"])
def test_answers_ports_and_names_stay_and_twice_is_once(make, level):
    proto = make()
    ir, _, notes = canonicalize(ir_of(proto), level=level)
    assert notes == ()
    assert [v.name for v in ir.graph.inputs] == [v.name for v in proto.graph.input]
    assert [v.name for v in ir.graph.outputs] == [v.name for v in proto.graph.output]
    names = [n.name for n in ir.graph]
    assert set(names) <= {n.name for n in proto.graph.node}
    assert len(set(names)) == len(names)
    assert same_answers(proto, ir, tiny.feeds(proto))
    once = fingerprint(ir)
    again, _, _ = canonicalize(ir, level=level)
    assert fingerprint(again) == once


def test_a_cnn_of_an_old_opset():
    proto = tiny.cnn(opset=9)
    ir, history, notes = canonicalize(ir_of(proto), level="full")
    assert ir.opset_imports[""] == 17
    assert "BatchNormalization" not in ops(ir)
    assert any("scales and shifts" in step for step in history)
    assert notes == ()
    kept, _, _ = canonicalize(ir_of(proto), level="keep-opset")
    assert kept.opset_imports[""] == 9
    assert ops(kept) == ops(ir)
    bare, _, _ = canonicalize(ir_of(proto), level="none")
    assert ops(bare) == [n.op_type for n in proto.graph.node]


@pytest.mark.parametrize(
    ("level", "left"), [("full", []), ("keep-opset", []), ("none", ["alpha", "beta"])]
)
def test_a_gemm_has_no_factors(level, left):
    weights = {"w": np.eye(2, 3, dtype=np.float32), "b": np.ones(3, np.float32)}
    gemm = node("Gemm", ["x", "w", "b"], ["y"], "fc", alpha=0.5, beta=2.0)
    ports = {"x": ("float32", ["n", 2])}, {"y": ("float32", ["n", 3])}
    proto = tiny.model([gemm], *ports, weights)
    ir, _, notes = canonicalize(ir_of(proto), level=level)
    assert notes == ()
    assert sorted(next(iter(ir.graph)).attributes) == left
    assert same_answers(proto, ir, tiny.feeds(proto))


@settings(max_examples=40, deadline=None)
@given(
    kinds=st.lists(
        st.sampled_from(["Identity", "Dropout", "Relu", "Add", "fold", "branch", "dead"]),
        min_size=1, max_size=8,
    ),
    opset=st.sampled_from([11, 13, 17, 18]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_any_chain_keeps_its_answer_and_canonical_is_a_fixed_point(kinds, opset, seed):
    rng = np.random.default_rng(seed)
    nodes, value = [], "x"
    for index, kind in enumerate(kinds):
        out = f"v{index}"
        if kind == "Add":
            nodes.append(constant(f"c{index}", rng.standard_normal(3).astype(np.float32)))
            nodes.append(node("Add", [value, f"c{index}"], [out]))
        elif kind == "fold":
            nodes.append(constant(f"c{index}", np.float32([1, 2, 3])))
            nodes.append(node("Mul", [f"c{index}", f"c{index}"], [f"s{index}"]))
            nodes.append(node("Mul", [value, f"s{index}"], [out]))
        elif kind == "branch":
            nodes.append(node("Add", [value, "x"], [out]))
        elif kind == "dead":
            nodes.append(node("Neg", [value], [f"d{index}"]))
            nodes.append(node("Identity", [value], [out]))
        else:
            nodes.append(node(kind, [value], [out]))
        value = out
    nodes.append(node("Identity", [value], ["y"]))
    ports = {"x": ("float32", ["n", 3])}, {"y": ("float32", ["n", 3])}
    proto = tiny.model(nodes, *ports, {"unused": np.ones(3, np.float32)}, opset=opset)
    ir, _, notes = canonicalize(ir_of(proto), level="full")
    assert notes == ()
    assert ir.opset_imports[""] == max(opset, 17)
    assert not {"Dropout", "Constant", "Neg"} & set(ops(ir))
    assert same_answers(proto, ir, tiny.feeds(proto))
    again, _, _ = canonicalize(ir, level="full")
    assert fingerprint(again) == fingerprint(ir)


def _fails(_ir):
    raise ValueError("no luck\nand a long story")


def _breaks(ir):
    ir.graph.node("relu1").op_type = "NoSuchOperator"


@pytest.mark.parametrize("step", [_fails, _breaks])
def test_a_step_that_fails_or_breaks_the_graph_is_undone_and_noted(step, monkeypatch):
    monkeypatch.setattr(simplify, "drop_identities", step)
    proto = tiny.cnn()
    ir, _, notes = canonicalize(ir_of(proto), level="full")
    assert len(notes) == 1
    assert notes[0].startswith("identities removed was not done: ")
    assert "BatchNormalization" not in ops(ir)
    assert same_answers(proto, ir, tiny.feeds(proto))


def _convert(proto, tmp_path, level="full"):
    source, out = tmp_path / "m.onnx", tmp_path / "out"
    out.mkdir()
    source.write_bytes(proto.SerializeToString())
    record = convert_file(str(source), str(out), level)
    return open_trusted(out / "model.onnx"), record


def test_a_file_becomes_a_graph_and_weights_beside_it(tmp_path):
    proto = tiny.cnn(channels=16)
    model, record = _convert(proto, tmp_path)
    assert record["weights"]
    assert record["fingerprint"] == model.fingerprint
    assert isinstance(
        model.ir.graph.initializers["conv2.weight"].const_value, onnx_ir.ExternalTensor
    )
    assert same_answers(proto, model, tiny.feeds(proto))


def test_shapes_that_were_stated_wrongly_are_not_believed(tmp_path):
    proto = tiny.transformer()
    wrong = onnx.helper.make_tensor_value_info("q.flat", 1, [7, 7, 7])
    proto.graph.value_info.append(wrong)
    model, _ = _convert(proto, tmp_path)
    assert model.value_shape("q.flat") != (7, 7, 7)


@pytest.mark.parametrize("level", ["full", "keep-opset", "none"])
def test_initializers_that_are_inputs_become_weights(tmp_path, level):
    proto = tiny.mlp(opset=8)
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        proto.graph.input.append(
            onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )
    model, record = _convert(proto, tmp_path, level)
    assert record["notes"] == []
    assert [port.name for port in model.inputs] == ["x"]
    assert model.parameters == 16 * 32 + 32 + 32 * 4 + 4
    assert same_answers(proto, model, tiny.feeds(proto))


def test_a_quantized_model_is_kept_as_it_is(tmp_path):
    weights = {"s": np.float32(0.1).reshape(()), "z": np.uint8(3).reshape(())}
    nodes = [node("Identity", ["x"], ["h"]), node("QuantizeLinear", ["h", "s", "z"], ["q"]),
             node("DequantizeLinear", ["q", "s", "z"], ["y"])]  # fmt: skip
    ports = {"x": ("float32", [2])}, {"y": ("float32", [2])}
    model, _ = _convert(tiny.model(nodes, *ports, weights, opset=13), tmp_path)
    assert [n.op_type for n in model.nodes] == [n.op_type for n in nodes]
    assert model.opset == 13


def test_the_reason_for_keeping_a_quantized_model_is_noted(tmp_path):
    weights = {"s": np.float32(0.1).reshape(())}
    nodes = [node("QuantizeLinear", ["x", "s"], ["q"]), node("DequantizeLinear", ["q", "s"], ["y"])]
    ports = {"x": ("float32", [2])}, {"y": ("float32", [2])}
    _, record = _convert(tiny.model(nodes, *ports, weights), tmp_path)
    assert "quantized already" in record["notes"][0]


@pytest.mark.parametrize("what", ["operator", "edge", "sparse"])
def test_what_is_not_valid_is_refused(tmp_path, what):
    proto = tiny.mlp()
    if what == "operator":
        proto.graph.node[0].op_type = "NoSuchOperator"
    elif what == "edge":
        proto.graph.node[0].input[0] = "nowhere"
    else:
        sparse = proto.graph.sparse_initializer.add(dims=[4])
        sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "sparse"))
        sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64)))
    with pytest.raises(ModelError, match=r"not a valid ONNX model|sparse"):
        _convert(proto, tmp_path)


def test_build_metadata_is_stripped(tmp_path):
    proto = tiny.branchy()
    proto.graph.node[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value="secret")
    proto.graph.node[1].attribute[0].g.node[0].doc_string = "secret"
    _convert(proto, tmp_path)
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert b"secret" not in written
    assert canonical.VERSION >= 1
