"""References: JSON and back."""

import json

from lissom.store.refs import ArrayRef, FileRef


def test_round_trip_through_text() -> None:
    array = ArrayRef(sha256="a" * 64, shape=(2, 3), dtype="int8")
    file = FileRef(sha256="b" * 64, suffix=".onnx", size_bytes=12)
    assert ArrayRef.from_json(json.loads(json.dumps(array.to_json()))) == array
    assert FileRef.from_json(json.loads(json.dumps(file.to_json()))) == file
    assert array.to_json()["object"] == "a" * 64
