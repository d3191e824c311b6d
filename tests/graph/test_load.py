import hashlib
import json
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from lissom.errors import ChildFailed, ModelError, StoreError
from lissom.graph import load as load_module
from lissom.graph.load import Caps, file_facts, load
from lissom.store.hashing import sha256_json
from lissom.store.store import Store
from tests import tiny
from tests.graph.graphs import same_answers


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def _write(proto, path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(proto.SerializeToString())
    return path


def _external(folder, location="w.bin"):
    """A model in a folder whose weights lie in another file, and the model as it was."""
    plain = tiny.cnn(channels=16)
    folder.mkdir(exist_ok=True)
    outside = onnx.ModelProto()
    outside.CopyFrom(plain)
    onnx.save_model(
        outside, str(folder / "m.onnx"), save_as_external_data=True, location="w.bin",
        size_threshold=100,
    )  # fmt: skip
    if location != "w.bin":
        proto = onnx.load(folder / "m.onnx", load_external_data=False)
        for tensor in proto.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = location
        (folder / "m.onnx").write_bytes(proto.SerializeToString())
    return folder / "m.onnx", plain


def test_a_model_is_read_checked_made_canonical_and_kept(tmp_path, store, monkeypatch):
    proto = tiny.cnn(opset=9)
    path = _write(proto, tmp_path / "m.onnx")
    model = load(path, store)
    assert model.opset == 17
    assert "BatchNormalization" not in model.op_counts
    assert same_answers(proto, model, tiny.feeds(proto))

    def no_child(*_args, **_kwargs):
        raise AssertionError("the second reading needs no child process")

    monkeypatch.setattr(load_module, "call", no_child)
    again = load(path, store)
    assert again == model
    assert (again.history, again.notes) == (model.history, model.notes)
    assert again.weights == model.weights


def test_external_data_is_read_and_part_of_the_key(tmp_path, store):
    path, plain = _external(tmp_path / "model")
    facts = file_facts(path)
    assert [location for location, _ in facts.external] == ["w.bin"]
    assert facts.size_bytes == path.stat().st_size + (path.parent / "w.bin").stat().st_size
    model = load(path, store)
    assert same_answers(plain, model, tiny.feeds(plain))
    data = bytearray((path.parent / "w.bin").read_bytes())
    data[:4] = np.float32(5).tobytes()
    (path.parent / "w.bin").write_bytes(data)
    assert load(path, store) != model


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "link.bin", "hard.bin"])
def test_hostile_external_data_is_refused_before_any_child(tmp_path, store, location, monkeypatch):
    path, _ = _external(tmp_path / "model", location)
    weights = (path.parent / "w.bin").read_bytes()
    (tmp_path / "secret.bin").write_bytes(weights)
    (path.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
    os.link(tmp_path / "secret.bin", path.parent / "hard.bin")
    monkeypatch.setattr(load_module, "call", None)
    with pytest.raises(ModelError, match="external data"):
        load(path, store)


def test_external_data_that_is_cut_off_or_missing_is_refused(tmp_path, store):
    path, _ = _external(tmp_path / "model")
    weights = path.parent / "w.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match="cut off"):
        load(path, store)
    weights.unlink()
    with pytest.raises(ModelError, match="missing"):
        load(path, store)


def test_caps_hold_for_the_model_and_its_data_together(tmp_path, store):
    path, _ = _external(tmp_path / "model")
    with pytest.raises(ModelError, match="at most"):
        load(path, store, caps=Caps(total_bytes=path.stat().st_size + 10))


def test_damaged_files_are_refused_in_plain_words(tmp_path, store):
    data = tiny.cnn().SerializeToString()
    for bad in (data[: len(data) // 2], b"", b"#!/bin/sh\necho hello\n" * 20):
        path = tmp_path / "m.onnx"
        path.write_bytes(bad)
        with pytest.raises(ModelError, match="ONNX model"):
            load(path, store)
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path / "absent.onnx", store)
    with pytest.raises(ModelError, match="not a file"):
        load(tmp_path, store)


def test_an_invalid_graph_is_refused_by_the_checker(tmp_path, store):
    proto = tiny.mlp()
    proto.graph.node[0].input[0] = "nowhere"
    with pytest.raises(ModelError, match="not a valid ONNX model"):
        load(_write(proto, tmp_path / "m.onnx"), store)


def test_a_step_that_kills_the_child_costs_a_level_not_the_model(tmp_path, store, monkeypatch):
    real, levels = load_module.call, []

    def dies_at_full(entry, arguments, **more):
        levels.append(arguments["level"])
        if arguments["level"] == "full":
            raise ChildFailed("the child crashed", kind="crashed")
        return real(entry, arguments, **more)

    monkeypatch.setattr(load_module, "call", dies_at_full)
    path = _write(tiny.cnn(opset=9), tmp_path / "m.onnx")
    model = load(path, store)
    assert levels == ["full", "keep-opset"]
    assert model.opset == 9
    assert "ended early (crashed)" in model.notes[0]
    monkeypatch.setattr(load_module, "call", real)
    assert load(path, store).opset == 17  # what went wrong once is not kept


def test_a_child_that_dies_at_every_level_is_an_error(tmp_path, store, monkeypatch):
    def dies(*_args, **_kwargs):
        raise ChildFailed("out of memory", kind="memory")

    monkeypatch.setattr(load_module, "call", dies)
    with pytest.raises(ModelError, match="cannot be read safely: out of memory"):
        load(_write(tiny.mlp(), tmp_path / "m.onnx"), store)


def test_facts(tmp_path):
    proto = tiny.mlp()
    proto.producer_version = "3"
    path = _write(proto, tmp_path / "m.onnx")
    facts = file_facts(path)
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.size_bytes == path.stat().st_size
    assert (facts.producer, facts.opset, facts.nodes) == ("tiny 3", 17, 3)
    assert not facts.already_quantized
    proto.graph.node[0].op_type = "QGemm"
    assert file_facts(_write(proto, path)).already_quantized


def test_a_tensor_of_a_lying_size_is_refused(tmp_path, store):
    proto = tiny.mlp()
    bomb = proto.graph.initializer.add(name="bomb", data_type=TensorProto.FLOAT)
    bomb.dims.extend([1 << 30, 1 << 10])
    bomb.raw_data = b"\0" * 4
    with pytest.raises(ModelError, match="bomb"):
        load(_write(proto, tmp_path / "m.onnx"), store)


@pytest.mark.parametrize("back", [False, True])
def test_external_data_exchanged_while_it_is_read_is_refused(tmp_path, store, monkeypatch, back):
    path, _ = _external(tmp_path / "model")
    weights, secret = path.parent / "w.bin", tmp_path / "secret.bin"
    secret.write_bytes(weights.read_bytes())
    real = load_module.call

    def exchanges(entry, arguments, **more):
        weights.rename(tmp_path / "kept.bin")
        os.link(secret, weights)
        answer = real(entry, arguments, **more)
        weights.unlink()
        (tmp_path / "kept.bin").rename(weights) if back else weights.symlink_to(secret)
        return answer

    monkeypatch.setattr(load_module, "call", exchanges)
    with pytest.raises(ModelError):
        load(path, store)


def test_a_model_that_takes_too_much_is_kept_as_it_is(tmp_path, store, monkeypatch):
    real, asked = load_module.call, []

    def tires(entry, arguments, **more):
        asked.append((arguments["level"], arguments["effort"]))
        if arguments["level"] == "full":
            raise ChildFailed("it used up its time", kind="timeout")
        return real(entry, arguments, **more)

    monkeypatch.setattr(load_module, "call", tires)
    model = load(_write(tiny.cnn(opset=9), tmp_path / "m.onnx"), store)
    (first, effort), (second, less) = asked
    assert (first, second) == ("full", "none")
    assert less < effort
    assert model.opset == 9


def test_a_record_that_we_did_not_write_is_refused(tmp_path, store):
    path = _write(tiny.mlp(), tmp_path / "m.onnx")
    load(path, store)
    (record,) = (store.root / "steps").rglob("*.json")
    found = json.loads(record.read_text())
    found["value"]["history"] = [1]
    found["sha256"] = sha256_json([found["inputs"], found["value"]])
    record.write_text(json.dumps(found))
    with pytest.raises(StoreError, match="did not write"):
        load(path, store)


@pytest.mark.skipif(os.name != "posix", reason="names of files that are any bytes")
def test_a_name_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / os.fsdecode(b"net\xff.onnx")
    path.write_bytes(tiny.mlp().SerializeToString())
    with pytest.raises(ModelError, match=r"net\\udcff\.onnx, or of a folder.*is not UTF-8"):
        file_facts(path)
