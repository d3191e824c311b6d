"""The result beside a model: found, believed only for its own bytes, and read with care."""

import json
from pathlib import Path
from typing import Any

import pytest

from lissom.errors import OutputError
from lissom.runtime.target import Target
from lissom.search.limits import Limits
from lissom.search.origin import origin_of

PLACE = {"runtime": "onnxruntime", "options": {}, "threads": 1, "batch": 1}
SHA = "ab" * 32


def result(**changes: Any) -> dict[str, Any]:
    entry = {
        "name": "fast", "sha256": SHA, "target": {**PLACE, "threads": 2, "version": "9"},
        "drop": 0.002, "speedup": 2.5,
    }  # fmt: skip
    return {
        "schema": 1, "original": {"sha256": "cd" * 32}, "target": PLACE, "goal": "speed",
        "limits": {"max_drop": 0.01, "max_latency_ms": None, "max_size_bytes": None,
                   "max_memory_bytes": None, "certified": True},
        "data": {"fingerprint": "f"}, "chosen": "fast", "front": [entry], "others": [], **changes,
    }  # fmt: skip


def written(folder: Path, content: Any, run: Any = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "result.json").write_text(text)
    if run is not None:
        (folder / "run.json").write_text(json.dumps(run))
    return folder


def test_everything_that_a_run_said(tmp_path: Path) -> None:
    run = {"identity": {"metric": "top1", "original quality": 0.93, "model": ["x"]}}
    folder = written(tmp_path / "out", result(), run)
    found = origin_of(folder / "model.onnx", SHA)
    assert found is not None
    assert (found.folder, found.name, found.fingerprint) == (folder, "fast", "f")
    assert found.target == Target(threads=2)
    assert found.reference == Target()
    assert found.limits == Limits(max_drop=0.01, certified=True)
    assert (found.drop, found.speedup, found.goal) == (0.002, 2.5, "speed")
    assert (found.metric, found.original_quality) == ("top1", 0.93)


def test_it_is_found_from_every_place_where_a_run_puts_models(tmp_path: Path) -> None:
    folder = written(tmp_path / "out", result())
    assert origin_of(folder / "front" / "fast" / "model.onnx", SHA) is not None
    written(tmp_path / "small.lissom", result())
    assert origin_of(tmp_path / "small.onnx", SHA) is not None
    assert origin_of(tmp_path / "elsewhere.onnx", SHA) is None


def test_a_result_that_does_not_name_the_file_says_nothing_of_it(tmp_path: Path) -> None:
    folder = written(tmp_path / "out", result())
    assert origin_of(folder / "model.onnx", "ef" * 32) is None


@pytest.mark.parametrize("metric", ["os:system", 3, ["top1"], None])
def test_a_function_is_never_taken_from_a_file(tmp_path: Path, metric: Any) -> None:
    run = {"identity": {"metric": metric, "original quality": 7}}
    found = origin_of(written(tmp_path / "out", result(), run) / "model.onnx", SHA)
    assert found is not None
    assert (found.metric, found.original_quality) == (None, None)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "nothing", "[" * 200_000, result(schema=2), result(front=3), result(goal="fame"),
     result(target={**PLACE, "threads": 10**9}), result(limits={"max_drop": "1"})],
)  # fmt: skip
def test_what_is_no_result_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(OutputError, match=r"result\.json cannot be read"):
        origin_of(written(tmp_path / "out", content) / "model.onnx", SHA)


def test_a_link_or_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    real = written(tmp_path / "real", result())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result.json").symlink_to(real / "result.json")
    with pytest.raises(OutputError, match="cannot be read"):
        origin_of(tmp_path / "out" / "model.onnx", SHA)
    (tmp_path / "other" / "result.json").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot be read"):
        origin_of(tmp_path / "other" / "model.onnx", SHA)


def test_one_file_may_be_several_candidates(tmp_path: Path) -> None:
    (fast,) = result()["front"]
    elsewhere = {"name": "fast@there", "target": {**PLACE, "runtime": "openvino"}}
    both = [fast, {**fast, **elsewhere}]
    folder = written(tmp_path / "out", result(front=both, chosen="fast@there"))
    for model, name in (
        (folder / "model.onnx", "fast@there"),
        (folder / "front" / "fast" / "model.onnx", "fast"),
        (folder / "front" / "fast@there" / "model.onnx", "fast@there"),
    ):
        found = origin_of(model, SHA)
        assert found is not None
        assert found.name == name
        assert found.target.runtime == ("openvino" if "@" in name else "onnxruntime")


def test_another_programs_result_says_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path / "out", {"accuracy": 0.9})
    assert origin_of(folder / "model.onnx", SHA) is None
