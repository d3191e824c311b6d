"""How commands end: one line for an error, its exit code, nothing that drives a terminal."""

import errno

import pytest

from lissom import api
from lissom.errors import ChildFailed, ModelError
from lissom.search.progress import Event, Progress
from tests.cli.command import invoked


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (ModelError("net.onnx is\n\tnot a \x1b[31mmodel"), 2, "not a \\x1b[31mmodel"),
        (ChildFailed("it crashed", "crashed"), 2, "it crashed"),
        (KeyboardInterrupt(), 130, "goes on from here"),
        (OSError(errno.ENOSPC, "No space left", "a\x1b[2J"), 2, "a\\x1b[2J: No space left; free"),
        (OSError("something else"), 2, "something else"),
        (MemoryError(), 2, "memory ran out"),
    ],
)
def test_errors_are_one_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, line: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(api, "compress", broken)
    done = invoked("compress", "net.onnx")
    assert done.exit_code == code
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert line in done.stderr


def test_waiting_is_told_where_no_line_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, progress: Progress, **__: object) -> None:
        for stage in ("build", "latency", "wait", "latency"):
            progress(Event(stage=stage, candidate="static", index=1, total=1))
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "compress", slow)
    lines = invoked("compress", "net.onnx").stderr.splitlines()
    assert len(lines) == 3
    assert "static: build" in lines[0]
    assert "waiting for other work" in lines[1]
