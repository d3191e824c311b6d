"""A recipe carried out: the file, what each step did, who is told."""

from pathlib import Path

import onnx
import pytest

import lissom
from lissom.errors import OutputError
from lissom.search.applied import check_absent
from lissom.search.progress import Event
from tests import tiny

RECIPE = lissom.Recipe(
    name="two",
    steps=(
        lissom.Step(method="quantize.weight_only", parameters={"bits": 8}),
        lissom.Step(method="quantize.gptq"),
    ),
)


def test_each_step_is_told_and_answered_for(tmp_path: Path) -> None:
    model = tmp_path / "mlp.onnx"
    onnx.save(tiny.mlp(), model)
    samples = [tiny.feeds(tiny.mlp()) for _ in range(20)]
    heard: list[Event] = []
    made = lissom.apply(
        RECIPE, model, samples, out=tmp_path / "o.onnx", store=tmp_path / "s", progress=heard.append
    )
    assert [(one.index, one.candidate) for one in heard if not one.detail] == [
        (1, "quantize.weight_only"),
        (2, "quantize.gptq"),
    ]
    first, second = made.steps
    assert sum(first.edits.values()) > 0 == sum(second.edits.values())
    assert "could be treated" in second.skips[0].reason
    assert made.size_bytes == made.path.stat().st_size
    assert made.original_bytes == model.stat().st_size
    assert 0 < made.samples <= len(samples)
    assert made.to_json()["steps"][0]["method"] == "quantize.weight_only"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    for name in ("there", "link", "no/file.onnx"):
        with pytest.raises(OutputError):
            check_absent(tmp_path / name)
    check_absent(tmp_path / "file.onnx")
