"""The demonstration's files are there, small, readable, and the network is as good as said."""

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from lissom.demo.files import paths

CAP_BYTES = 2_000_000
CAP_TOTAL_BYTES = 4_000_000


def files() -> tuple[Path, Path, Path]:
    found = paths()
    return found.model, found.samples, found.unlabelled


def test_files_are_small():
    sizes = [path.stat().st_size for path in files()]
    assert max(sizes) < CAP_BYTES
    assert sum(sizes) < CAP_TOTAL_BYTES


def test_samples_fit_the_model():
    found = paths()
    with np.load(found.samples) as data, np.load(found.unlabelled) as rest:
        assert set(data) == {"image", "label"}
        assert set(rest) == {"image"}
        assert data["image"].dtype == rest["image"].dtype == np.uint8
        assert data["image"].shape[1:] == rest["image"].shape[1:] == (1, 28, 28)
        assert len(data["image"]) == len(data["label"]) >= 2000
        assert set(np.unique(data["label"])) == set(range(10))


def test_labelled_and_unlabelled_samples_are_disjoint():
    found = paths()
    with np.load(found.samples) as data, np.load(found.unlabelled) as rest:
        seen = {image.tobytes() for image in data["image"]}
        assert not any(image.tobytes() in seen for image in rest["image"])


def test_network_answers_as_documented():
    found = paths()
    session = onnxruntime.InferenceSession(found.model, providers=["CPUExecutionProvider"])
    with np.load(found.samples) as data:
        (scores,) = session.run(["logits"], {"image": data["image"]})
        assert scores.shape == (len(data["label"]), 10)
        assert float((scores.argmax(1) == data["label"]).mean()) > 0.92


def test_model_carries_no_build_paths():
    model = onnx.load(paths().model)
    onnx.checker.check_model(model)
    assert not re.search(rb"\.py\b|pkg\.torch", model.SerializeToString())
