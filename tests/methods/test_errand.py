"""Work in a child: done once, told what it needs, under a key of all that it depends on."""

import pytest

from lissom.errors import ChildFailed
from lissom.methods.errand import Errand
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of

LOOK = Errand(entry="lissom.methods.channel_ranges:watch_all", kind="test", format=1)


@pytest.fixture
def calls(monkeypatch):
    """What children were asked, each answered by a number."""
    asked = []

    def answered(entry, arguments, *, limits, on_report):
        asked.append((entry, dict(arguments), limits.seconds))
        if on_report is not None:
            on_report("half")
        return {"number": len(asked)}

    monkeypatch.setattr("lissom.methods.errand.call", answered)
    return asked


def run(errand, store, *, model=None, **others):
    given = model_of(model or tiny.mlp())
    return errand.run({"path": given}, None, store, others.pop("settings", {"a": 1}), **others)


def test_the_child_is_told_all_and_asked_once(tmp_path, calls):
    store, told = Store(tmp_path), []
    first = run(LOOK, store, beside=lambda: {"shape": [2]}, told=told.append)
    assert run(LOOK, store, beside=lambda: pytest.fail("not needed")) == first == {"number": 1}
    ((entry, arguments, seconds),) = calls
    assert (entry, seconds, told) == (LOOK.entry, 3600.0, ["half"])
    assert arguments.pop("path").endswith("path.onnx")
    assert arguments == {"calibration": None, "a": 1, "shape": [2]}


@pytest.mark.parametrize(
    ("errand", "changed"),
    [
        (LOOK, {"settings": {"a": 2}}),
        (LOOK, {"model": tiny.mlp(seed=1)}),
        (Errand(entry=LOOK.entry, kind="test", format=2), {}),
        (Errand(entry=LOOK.entry, kind="other", format=1), {}),
    ],
    ids=["settings", "model", "format", "kind"],
)
def test_what_the_answer_depends_on_is_asked_again(errand, changed, tmp_path, calls):
    store = Store(tmp_path)
    assert run(LOOK, store) == {"number": 1}
    assert run(errand, store, **changed) == {"number": 2}
    assert len(calls) == 2


def test_what_failed_is_not_remembered(tmp_path, monkeypatch):
    def failed(*_, **__):
        raise ChildFailed("it crashed", "error")

    store = Store(tmp_path)
    monkeypatch.setattr("lissom.methods.errand.call", failed)
    for _ in range(2):
        with pytest.raises(ChildFailed, match="crashed"):
            run(LOOK, store)
