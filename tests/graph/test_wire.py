import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lissom.errors import ModelError
from lissom.graph import window, wire
from lissom.graph.wire import Caps, read_layout
from tests import tiny
from tests.graph.graphs import constant, node

CNN = tiny.cnn().SerializeToString()


def _read(folder, data, caps=None):
    path = folder / "model.onnx"
    path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    return read_layout(path, caps or Caps())


def test_what_a_file_says_of_itself(tmp_path):
    proto = tiny.branchy()
    proto.producer_version = "1.2"
    layout = _read(tmp_path, proto)
    assert layout.producer == "tiny 1.2"
    assert (layout.opset, layout.ir_version) == (17, 8)
    assert layout.nodes == 3 + 3
    assert not layout.quantized
    assert layout.external == []


def test_quantized_operators_are_seen_in_bodies(tmp_path):
    proto = tiny.branchy()
    proto.graph.node[1].attribute[0].g.node[0].op_type = "QLinearAdd"
    assert _read(tmp_path, proto).quantized


def test_functions_are_counted(tmp_path):
    proto = tiny.mlp()
    nodes = [node("Relu", ["a"], ["b"])]
    proto.functions.append(
        helper.make_function("d", "F", ["a"], ["b"], nodes, [helper.make_opsetid("", 17)])
    )
    layout = _read(tmp_path, proto)
    assert (layout.functions, layout.nodes) == (1, 3 + 1)


@pytest.mark.parametrize(
    "array",
    [
        np.ones((2, 3), np.float32),
        np.ones(5, np.float64),
        np.ones((), np.int64),
        np.zeros((0, 3), np.float32),
        np.ones(3, np.bool_),
        np.ones(3, np.float16),
        np.array(["a", "bc"], dtype=object),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_honest_tensors_of_every_kind_pass(tmp_path, array, raw):
    if raw:
        tensor = numpy_helper.from_array(array, "t")
    else:
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        values = [t.encode() if isinstance(t, str) else t for t in array.ravel().tolist()]
        tensor = helper.make_tensor("t", kind, array.shape, values)
    proto = tiny.mlp()
    proto.graph.initializer.append(tensor)
    assert _read(tmp_path, proto).nodes == 3


def test_packed_four_bit_tensors_pass(tmp_path):
    proto = tiny.mlp()
    tensor = proto.graph.initializer.add(name="q", data_type=TensorProto.INT4, dims=[3])
    tensor.raw_data = b"\x12\x03"
    assert _read(tmp_path, proto).nodes == 3


@pytest.mark.parametrize("dims", [[1 << 40, 1 << 40], [3], [-1], [4, 2], [1] * 40])
@pytest.mark.parametrize("raw", [True, False])
def test_a_tensor_that_lies_about_its_size_is_refused(tmp_path, dims, raw):
    proto = tiny.mlp()
    tensor = proto.graph.initializer.add(name="bomb", data_type=1, dims=dims)
    if raw:
        tensor.raw_data = b"\0" * 4
    with pytest.raises(ModelError, match="'bomb'"):
        _read(tmp_path, proto)


def test_a_lie_inside_a_body_is_found_too(tmp_path):
    proto = tiny.branchy()
    no = next(a for a in proto.graph.node[1].attribute if a.name == "else_branch").g
    no.node[0].attribute[0].t.dims[:] = [1 << 30]
    with pytest.raises(ModelError, match="damaged"):
        _read(tmp_path, proto)


@pytest.mark.parametrize("kind", [0, 99])
def test_an_unknown_element_type_is_refused(tmp_path, kind):
    proto = tiny.mlp()
    proto.graph.initializer.add(name="odd", data_type=kind, dims=[1]).raw_data = b"\0\0\0\0"
    with pytest.raises(ModelError, match="element type"):
        _read(tmp_path, proto)


def test_caps(tmp_path):
    with pytest.raises(ModelError, match="more than 5 nodes"):
        _read(tmp_path, CNN, Caps(nodes=5))
    with pytest.raises(ModelError, match="external data"):
        _read(tmp_path, CNN, Caps(total_bytes=100))
    with pytest.raises(ModelError, match="deeper than 0"):
        _read(tmp_path, tiny.branchy(), Caps(depth=0))


def test_fields_are_counted(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.mlp().SerializeToString() + b"\xf8\x3f\x01" * 1000)
    assert read_layout(path, Caps()).nodes
    with pytest.raises(ModelError, match="more than 1000 fields"):
        read_layout(path, Caps(fields=1000))


def test_a_large_file_is_read_piece_by_piece_alike(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.transformer().SerializeToString())
    whole = read_layout(path, Caps())
    monkeypatch.setattr(wire, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(window, "_PIECE_BYTES", 100)
    assert read_layout(path, Caps()) == whole


def test_deep_nesting_is_refused(tmp_path):
    graph = helper.make_graph([constant("c", np.float32(1))], "deep", [], [])
    for level in range(20):
        made = node("If", ["flag"], [f"o{level}"], then_branch=graph, else_branch=graph)
        # only the first branch is kept, or the file would double at each level
        del made.attribute[1:]
        graph = helper.make_graph([made], "deep", [], [])
    proto = helper.make_model(graph)
    with pytest.raises(ModelError, match="nested deeper than 16"):
        _read(tmp_path, proto)


def test_external_data_is_listed(tmp_path):
    proto = tiny.mlp()
    tensor = proto.graph.initializer[0]
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("offset", "16"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    (piece,) = _read(tmp_path, proto).external
    assert (piece.location, piece.offset, piece.length, piece.size_bytes) == (
        "w.bin",
        16,
        size,
        size,
    )
    tensor.external_data[2].value = "8"
    with pytest.raises(ModelError, match="needs"):
        _read(tmp_path, proto)
    tensor.external_data[2].value = "many"
    with pytest.raises(ModelError, match="no number"):
        _read(tmp_path, proto)


@pytest.mark.parametrize("data", [b"", b"hello, world", b"\x08\x08", b"PK\x03\x04" * 50])
def test_what_is_no_model_is_refused(tmp_path, data):
    with pytest.raises(ModelError, match="ONNX model"):
        _read(tmp_path, data)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        read_layout(tmp_path / "absent.onnx", Caps())
    with pytest.raises(ModelError, match="not a file"):
        read_layout(tmp_path, Caps())


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, len(CNN) - 1))
def test_a_cut_file_is_refused_or_has_lost_whole_parts(tmp_path, cut):
    try:
        layout = _read(tmp_path, CNN[:cut])
    except ModelError:
        return
    # a protobuf may end after any of its top fields; the graph is one of them
    assert layout.nodes == 9


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.tuples(st.integers(0, len(CNN) - 1), st.integers(0, 255)).map(
            lambda change: CNN[: change[0]] + bytes([change[1]]) + CNN[change[0] + 1 :]
        ),
    )
)
def test_any_bytes_give_a_layout_or_a_plain_error(tmp_path, data):
    try:
        message = "" if _read(tmp_path, data).has_graph else "a layout without a graph"
    except ModelError as error:
        message = str(error)
    assert not message or str(tmp_path) in message


def test_the_walk_agrees_with_the_parser(tmp_path):
    for make in (tiny.cnn, tiny.mlp, tiny.transformer, tiny.recurrent, tiny.branchy):
        proto = make()
        layout = _read(tmp_path, proto)
        assert layout.nodes >= len(onnx.load(tmp_path / "model.onnx").graph.node)
        assert layout.opset == proto.opset_import[0].version


def test_functions_that_grow_without_end_are_refused(tmp_path):
    proto = tiny.mlp()
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
    for i in range(30):
        calls = (("a", "m"), ("m", "b"))
        inner = [node(f"F{i + 1}", [one], [two], domain="d") for one, two in calls]
        proto.functions.append(helper.make_function("d", f"F{i}", ["a"], ["b"], inner, opsets))
    assert _read(tmp_path, proto).functions == 30  # nobody calls them
    proto.graph.node.append(node("F0", ["x"], ["z"], domain="d"))
    with pytest.raises(ModelError, match="grows to 1073741827 nodes"):
        _read(tmp_path, proto)
    proto.functions[29].node[0].op_type = "F0"
    with pytest.raises(ModelError, match="call one another"):
        _read(tmp_path, proto)
