"""How commands end: one line for an error, its exit code, nothing that drives a terminal."""

import pytest

from lissom import api
from lissom.errors import ChildFailed, ModelError
from tests.cli.command import invoked


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (ModelError("net.onnx is\n\tnot a \x1b[31mmodel"), 2, "not a \\x1b[31mmodel"),
        (ChildFailed("it crashed", "crashed"), 2, "it crashed"),
        (KeyboardInterrupt(), 130, "goes on from here"),
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
