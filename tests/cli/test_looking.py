"""The commands that look: plain lines, or the same as JSON."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import lissom
from lissom import api
from tests.cli.command import invoked
from tests.report.test_verbs import COMPARED, INSPECTED, MEASURED


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


def test_versions() -> None:
    done = invoked("version")
    assert done.stdout.startswith(f"lissom {lissom.__version__}, Python ")
    assert "onnxruntime " in done.stdout
