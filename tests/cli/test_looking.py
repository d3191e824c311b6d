"""The commands that look: plain lines, or the same as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lissom
from lissom import api
from tests.cli.command import invoked
from tests.report.test_verbs import COMPARED, INSPECTED, MEASURED
from tests.search.trial import write_cnn


@pytest.mark.parametrize(
    ("verb", "arguments", "answer", "shown"),
    [
        ("inspect", ("net.onnx",), INSPECTED, "operators of the canonical graph"),
        ("measure", ("net.onnx",), MEASURED, "samples/s"),
        ("compare", ("a.onnx", "b.onnx"), COMPARED, "speed of B"),
    ],
)
def test_the_other_verbs(
    monkeypatch: pytest.MonkeyPatch, verb: str, arguments: tuple[str, ...], answer: Any, shown: str
) -> None:
    answers: Callable[..., Any] = lambda *_, **__: answer  # noqa: E731 - a stand-in
    monkeypatch.setattr(api, verb, answers)
    plain = invoked(verb, *arguments)
    assert plain.exit_code == 0, plain.output
    assert shown in plain.stdout
    assert json.loads(invoked(verb, *arguments, "--json").stdout) == json.loads(
        json.dumps(answer.to_json())
    )


def test_sensitivity_without_samples_is_refused_before_anything_is_read() -> None:
    done = invoked("inspect", "absent.onnx", "--sensitivity")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "--sensitivity needs --data" in done.stderr
    assert "absent" not in done.stderr


def test_versions() -> None:
    done = invoked("version")
    assert done.stdout.startswith(f"lissom {lissom.__version__}, Python ")
    assert "onnxruntime " in done.stdout


def test_channel_groups_of_a_file(tmp_path: Path) -> None:
    model, _ = write_cnn(tmp_path)
    arguments = (str(model), "--groups", "--store", str(tmp_path / "store"))
    plain = invoked("inspect", *arguments)
    assert plain.exit_code == 0, plain.output
    assert "2 channel groups, " in plain.stdout
    assert "conv1: 8 units, exact" in plain.stdout
    assert "it is an output of the model" in plain.stdout
    found = json.loads(invoked("inspect", *arguments, "--json").stdout)["groups"]
    assert [group["units"] for group in found["groups"]] == [8, 16]
    assert found["groups"][0]["places"][0]["shape"] == [8, 3, 3, 3]
    assert 0.5 < found["coverage"] < 1
