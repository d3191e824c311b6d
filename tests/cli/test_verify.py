"""The command that checks a delivered model: options, exit codes."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lissom import api
from lissom.runtime.target import Target
from tests.cli.command import invoked
from tests.report.test_verification import VERIFIED

COMMAND = ("verify", "out/model.onnx", "--against", "net.onnx", "--data", "new.npz")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `verify` was called with."""
    found: dict[str, Any] = {"answer": VERIFIED}

    def verify(model: Any, against: Any, samples: Any, **options: Any) -> Any:
        found.update(model=model, against=against, samples=samples, **options)
        return found["answer"]

    monkeypatch.setattr(api, "verify", verify)
    return found


def test_a_model_that_holds(seen: dict[str, Any]) -> None:
    done = invoked(*COMMAND)
    assert done.exit_code == 0, done.output
    assert "held: every limit is held" in done.stdout
    assert (str(seen["model"]), str(seen["against"])) == ("out/model.onnx", "net.onnx")
    assert (seen["target"], seen["limits"].unlimited) == (None, True)


@pytest.mark.parametrize("verdict", ["not held", "too few samples"])
def test_a_model_that_does_not(seen: dict[str, Any], verdict: Any) -> None:
    seen["answer"] = replace(VERIFIED, verdict=verdict)
    done = invoked(*COMMAND, "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["verdict"] == verdict


def test_every_option_arrives(seen: dict[str, Any]) -> None:
    done = invoked(
        *COMMAND, "--labels", "y.npy", "--max-drop", "2%", "--max-latency", "5ms", "--max-size",
        "2MB", "--max-memory", "9MB", "--certified", "--target", "onnxruntime", "--threads", "2",
        "--batch", "4", "--metric", "top5", "--original-quality", "0.9",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    limits = seen["limits"]
    assert (limits.max_drop, limits.max_latency_ms, limits.certified) == (0.02, 5.0, True)
    assert (limits.max_size_bytes, limits.max_memory_bytes) == (2_000_000, 9_000_000)
    assert seen["target"] == Target(threads=2, batch=4)
    assert (seen["judge"].metric, seen["judge"].original_quality) == ("top5", 0.9)


def test_threads_alone_are_refused(seen: dict[str, Any]) -> None:
    done = invoked(*COMMAND, "--threads", "2")
    assert done.exit_code == 2
    assert "need --target" in done.stderr
    assert "model" not in seen


def test_data_must_be_given() -> None:
    assert invoked("verify", "model.onnx", "--against", "net.onnx").exit_code == 2
