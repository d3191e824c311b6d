"""The machine: its own numbers hang together, and a container's files are read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lissom.measure import machine as module
from lissom.measure.machine import busiest, free_bytes, look


def test_this_machine() -> None:
    found = look()
    assert 1 <= found.physical <= found.logical
    assert 1 <= found.usable <= found.logical
    assert 0 < found.available_bytes <= found.memory_bytes
    assert json.loads(json.dumps(found.to_json()))["usable"] == found.usable


def test_who_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinning:
        try:
            found = busiest(most=1000)
        finally:
            spinning.kill()
    assert all(one.processors > 0 for one in found)
    assert any("python" in one.name for one in found)
    shares = [one.processors for one in found]
    assert shares == sorted(shares, reverse=True)
    assert json.dumps([one.to_json() for one in found])
    assert module.used("no process") == 0.0


def test_free_space_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") > 0


@pytest.mark.parametrize(
    ("text", "limit"), [("max", None), ("1048576", 1048576), ("", None), ("strange", None)]
)
def test_a_limit_on_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, limit: int | None
) -> None:
    (tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(module, "_MEMORY_LIMITS", (tmp_path / "absent", tmp_path / "memory.max"))
    assert module.memory_limit() == limit


@pytest.mark.parametrize(
    ("text", "answer"),
    [("flags : fpu hypervisor avx2", True), ("flags : fpu avx2", False), ("Features : fp", None)],
)
def test_a_virtual_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, answer: bool | None
) -> None:
    (tmp_path / "cpuinfo").write_text(text + os.linesep)
    monkeypatch.setattr(module, "_INFO", tmp_path / "cpuinfo")
    assert module.guest() is answer
