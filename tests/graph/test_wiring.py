"""The nodes of a file, by name, without its weights."""

from pathlib import Path

import onnx
import pytest

from lissom.errors import ModelError
from lissom.graph.wiring import read_wiring
from tests import tiny


def test_names_and_values_are_those_of_the_file(tmp_path: Path) -> None:
    made = tiny.cnn()
    made.graph.node[2].name = ""
    path = tmp_path / "model.onnx"
    onnx.save(made, path)
    found = read_wiring(path)
    assert [one.op_type for one in found] == [node.op_type for node in made.graph.node]
    assert found[0].name == "conv1"
    assert found[0].inputs == ("image", "conv1.weight", "conv1.bias")
    assert found[2].name == "Relu_r1"  # as reading the model calls it


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match=r"model\.onnx cannot be read"):
        read_wiring(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_wiring(tmp_path / "nothing.onnx")
