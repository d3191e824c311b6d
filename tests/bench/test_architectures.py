"""The law of removal on larger hand-written networks, and what is published of it."""

import importlib.util
import json
from importlib import resources
from pathlib import Path

import numpy as np
import onnx
import pytest

from bench import architectures, coverage
from bench.light import with_weights
from bench.stacks import STACKS, feed_for
from lissom.graph.load import load
from lissom.store.store import Store
from tests.graph.edited import model_of

LIGHT = {"light_squeezenet": 0.99, "light_shufflenet": 0.5}
FEW = ("bert", "llama", "t5", "swin", "mobilenet_v2", "wav2vec2")


def check_law(found: dict, least: float) -> None:
    assert found["wrong"] == []
    assert found["largest_error"] <= architectures.TOLERANCE
    assert found["coverage"] >= least


@pytest.mark.parametrize("name", STACKS)
def test_larger_networks_by_hand(name: str, tmp_path: Path) -> None:
    proto = STACKS[name]()
    found = architectures.examined(model_of(proto), [feed_for(proto)], Store(tmp_path))
    check_law(found, 0.98)
    assert found["least_change"] > 0.001


@pytest.mark.parametrize("name", LIGHT)
def test_light_models_with_random_weights(name: str, tmp_path: Path) -> None:
    data = Path(str(resources.files("onnx"))) / "backend" / "test" / "data" / "light"
    path = tmp_path / f"{name}.onnx"
    onnx.save(with_weights(onnx.load(data / path.name)), path)
    model = load(path, store := Store(tmp_path / "store"), canonical="full")
    port = model.inputs[0]
    feed = {port.name: np.random.default_rng(0).random(port.shape, np.float32)}
    check_law(architectures.examined(model, [feed], store), LIGHT[name])


def test_a_number_beside_none_is_far_away() -> None:
    numbers, holes = np.asarray([1.0, 2.0]), np.asarray([1.0, np.nan])
    assert architectures.distance(numbers, np.asarray([1.0, 4.0])) == 0.5
    assert architectures.distance(holes, numbers) == float("inf")
    assert architectures.distance(holes, holes) == 0.0


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="has shape"):
        architectures.check_shapes({"y": np.zeros(3)}, {"y": np.zeros(2)})


def test_what_is_no_number_is_refused() -> None:
    hole = {"y": np.asarray([1.0, np.nan])}
    architectures.check_numbers(hole, hole)
    with pytest.raises(ValueError, match="no number"):
        architectures.check_numbers(hole, {"y": np.ones(2)})


def test_a_process_that_dies_is_a_result(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    found = architectures.isolated(path, 60)
    assert found["size_bytes"] == 8
    assert "exit code 1" in found["failed"]


def test_the_published_section(tmp_path: Path) -> None:
    one = {
        "family": "vision", "coverage": 0.95, "groups": 3, "inexact_groups": 1, "units": 1234,
        "wrong": [], "largest_error": 1e-7, "feeds": 2,
        "kept": [{"reason": "a | reason", "parameters": 5, "share": 1.0}],
    }  # fmt: skip
    bad = {**one, "coverage": 0.4, "wrong": ["all exact groups: 0.5"], "feeds": 1}
    found = {
        "date": "2000-01-01",
        "environment": {"cpu": "a processor", "cores": 2, "runtimes": {"onnxruntime": "1.0"}},
        "tolerance": 1e-4,
        "seeds": [0, 1],
        "not_exported": {"net": "why"},
        "models": {"a": one, "b": bad, "c": {"family": "speech", "failed": "exit | code"}},
    }
    assert coverage.sections(tmp_path) == []
    (tmp_path / "architectures.json").write_text(json.dumps(found))
    (page,) = coverage.sections(tmp_path)
    assert "range: 1 of the 2 models" in page
    assert "at least 90%: 1 of 3 models" in page
    assert "| vision | 2 | 1 of 2 | 1 | 67.5% (40.0%) |" in page
    assert "| a | vision | 95.0% | 3 (1) | 1,234 | held | a / reason |" in page
    assert "| c | speech | | | | | failed: exit / code |" in page
    assert "could not export: net." in page


@pytest.mark.slow
@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("torch", "transformers", "onnxscript")),
    reason="bench/requirements-exported.txt is not installed",
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("variant", ["", "dynamic", "torchscript"])
def test_transformers_as_pytorch_exports_them(name: str, variant: str, tmp_path: Path) -> None:
    from bench.exported import export
    from bench.transformers_small import CATALOGUE

    path = tmp_path / "model.onnx"
    export(CATALOGUE[name], variant, path)
    model = load(path, store := Store(tmp_path / "store"), canonical="full")
    found = architectures.examined(model, architectures.feeds_of(path), store)
    assert found["wrong"] == []
    assert found["groups"]
