"""The command that looks at the machine: plain lines, or the same as JSON; always exit code 0."""

import json

import pytest

from lissom import api
from tests.cli.command import invoked
from tests.report.test_doctor import FOUND


def test_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "diagnose", lambda place: FOUND)
    plain = invoked("doctor", "--store", "somewhere")
    assert plain.exit_code == 0
    assert "onnxruntime 1.32.0: runs" in plain.stdout
    assert "up to a minute" in plain.stderr
    written = invoked("doctor", "--json")
    assert written.exit_code == 0
    assert json.loads(written.stdout) == json.loads(json.dumps(FOUND.to_json()))
