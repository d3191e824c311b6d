import numpy as np
import onnx
import onnx_ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissom.errors import OutputError
from lissom.graph import save as save_module
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.save import save, spill, to_bytes
from tests import tiny
from tests.graph.graphs import answers, ir_of, model_of

MAKERS = [tiny.cnn, tiny.mlp, tiny.transformer, tiny.recurrent, tiny.branchy]


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_read_again_is_the_same_model(make, tmp_path):
    model = model_of(make())
    save(model, tmp_path / "m.onnx", metadata={})
    assert open_trusted(tmp_path / "m.onnx") == model
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5), seed=st.integers(0, 9))
def test_bytes_are_the_same_however_the_model_was_built(sizes, seed):
    proto = tiny.mlp(sizes=sizes, seed=seed)
    model = model_of(proto)
    data = to_bytes(model)
    assert to_bytes(Model.build(model.copy_ir())) == data
    assert to_bytes(model_of(onnx.load_model_from_string(data))) == data


def test_the_answers_stay(tmp_path):
    proto = tiny.cnn()
    save(model_of(proto), tmp_path / "m.onnx", metadata={})
    feeds = tiny.feeds(proto)
    saved = onnx.load(tmp_path / "m.onnx")
    np.testing.assert_array_equal(answers(saved, feeds)[0], answers(proto, feeds)[0])


def test_how_it_was_made_is_written_and_the_authors_notes_stay(tmp_path):
    proto = tiny.mlp()
    proto.metadata_props.add(key="character", value="abc")
    proto.metadata_props.add(key="lissom.recipe", value="old")
    save(model_of(proto), tmp_path / "m.onnx", metadata={"recipe": "new", "lissom.version": "1"})
    found = {entry.key: entry.value for entry in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert found == {"character": "abc", "lissom.recipe": "new", "lissom.version": "1"}
    bare = onnx.load_model_from_string(to_bytes(model_of(proto))).metadata_props
    assert [entry.key for entry in bare] == ["character"]


def test_build_paths_are_left_out(tmp_path):
    proto = tiny.branchy()
    secret = "folder-of-the-author"
    proto.doc_string = secret
    proto.graph.doc_string = secret
    proto.graph.metadata_props.add(key="k", value=secret)
    for item in (proto.graph.node[0], proto.graph.input[0], proto.graph.initializer[0]):
        item.doc_string = secret
        item.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=secret)
    body_node = proto.graph.node[1].attribute[0].g.node[0]
    body_node.doc_string = secret
    body_node.metadata_props.add(key="k", value=secret)
    save(model_of(proto), tmp_path / "m.onnx", metadata={})
    assert secret.encode() not in (tmp_path / "m.onnx").read_bytes()


def test_large_models_keep_their_weights_beside_them(tmp_path, monkeypatch):
    monkeypatch.setattr(save_module, "_EXTERNAL_ABOVE_BYTES", 1000)
    proto = tiny.cnn(channels=16)
    model = model_of(proto)
    save(model, tmp_path / "m.onnx", metadata={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    onnx.checker.check_model(str(tmp_path / "m.onnx"))
    feeds = tiny.feeds(proto)
    np.testing.assert_array_equal(
        answers(onnx.load(tmp_path / "m.onnx"), feeds)[0], answers(proto, feeds)[0]
    )
    assert open_trusted(tmp_path / "m.onnx") == model
    with pytest.raises(OutputError, match="one ONNX file"):
        to_bytes(model)


def test_an_existing_file_is_replaced_and_a_failure_leaves_nothing(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_text("old")
    save(model_of(tiny.mlp()), path, metadata={})
    assert path.read_bytes() == to_bytes(model_of(tiny.mlp()))
    with pytest.raises(OutputError, match=r"cannot be written: nothing can be made there; give"):
        save(model_of(tiny.mlp()), tmp_path / "absent" / "m.onnx", metadata={})
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    "tensor",
    [
        onnx_ir.StringTensor([b"a", b"bc"], shape=onnx_ir.Shape([2])),
        onnx_ir.tensor(np.arange(4, dtype=np.int8), dtype=onnx_ir.DataType.INT8),
        onnx_ir.Tensor(np.array([1, 2, 3], np.uint8), dtype=onnx_ir.DataType.UINT4),
        onnx_ir.tensor([1.0, 2.0], dtype=onnx_ir.DataType.BFLOAT16),
    ],
)
def test_weights_of_every_type_survive(tensor, tmp_path):
    ir = ir_of(tiny.mlp())
    value = onnx_ir.Value(
        name="extra",
        const_value=tensor,
        shape=onnx_ir.Shape(tensor.shape),
        type=onnx_ir.TensorType(tensor.dtype),
    )
    ir.graph.register_initializer(value)
    model = Model.build(ir)
    save(model, tmp_path / "m.onnx", metadata={})
    again = open_trusted(tmp_path / "m.onnx")
    assert again == model
    assert again.weights["extra"] == model.weights["extra"]


def test_what_is_spilled_answers_as_the_model_and_weights_stay_where_they_lie(tmp_path):
    proto = tiny.mlp(sizes=(8, 60, 50, 3))
    model = model_of(proto)
    spill(model, tmp_path / "one.onnx")
    read = open_trusted(tmp_path / "one.onnx")
    assert read == model
    spill(read, tmp_path / "two.onnx")
    assert (tmp_path / "two.onnx.data").stat().st_size == 0
    assert (tmp_path / "one.onnx.data").stat().st_size >= 4 * 60 * 50
    feeds = tiny.feeds(proto)
    for name in ("one", "two"):
        for one, other in zip(
            answers(onnx.load(tmp_path / f"{name}.onnx"), feeds), answers(proto, feeds), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    (tmp_path / "elsewhere").mkdir()
    spill(read, tmp_path / "elsewhere" / "m.onnx")
    assert open_trusted(tmp_path / "elsewhere" / "m.onnx") == model
    assert (tmp_path / "elsewhere" / "m.onnx.data").stat().st_size >= 4 * 60 * 50
