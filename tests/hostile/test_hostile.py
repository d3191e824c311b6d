"""Every hostile case ends in one plain error or in a clean answer, in time, and touches nothing."""

import os
import tempfile
from pathlib import Path

import pytest

from lissom.errors import ChildFailed, InputError, LissomError, StoreError
from tests.hostile import (
    bomb_cases,
    external_cases,
    graph_cases,
    image_cases,
    link_cases,
    origin_cases,
    recipe_cases,
    result_cases,
    sample_cases,
    store_cases,
    wire_cases,
)
from tests.hostile.case import Case
from tests.hostile.guard import plain, snapshot, watched

ROOMS = (
    wire_cases,
    graph_cases,
    bomb_cases,
    external_cases,
    sample_cases,
    image_cases,
    recipe_cases,
    result_cases,
    store_cases,
    link_cases,
    origin_cases,
)
CASES = [case for room in ROOMS for case in room.cases()] + bomb_cases.run_cases()
MOST_SECONDS = 10.0
MOST_BYTES = 1 << 30
SECRET = b"nobody's business\n" * 1000


def marked(case: Case) -> object:
    return pytest.param(case, id=str(case), marks=() if case.fast else pytest.mark.slow)


def prepared(case: Case, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a case beside a folder that nobody may touch; temporary files have their own."""
    for name in ("given", "outside", "aside", "temporary", "here"):
        (root / name).mkdir()
    (root / "outside" / "secret.bin").write_bytes(SECRET)
    path = case.write(root / "given")
    monkeypatch.setattr(tempfile, "tempdir", str(root / "temporary"))
    monkeypatch.setenv("TMPDIR", str(root / "temporary"))
    monkeypatch.chdir(root / "here")
    return path


def untouched(case: Case, root: Path) -> dict[str, tuple[int, ...]]:
    """What must be the same afterwards; a store and results are there to be written."""
    store = str(root / "given" / "hostile") + os.sep
    inside = case.kind in {"stores", "results"}
    return {
        path: look
        for folder in ("given", "outside", "temporary", "here")
        for path, look in snapshot(root / folder).items()
        if not (inside and path.startswith(store))
    }


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_hostile(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = prepared(case, tmp_path, monkeypatch)
    before = untouched(case, tmp_path)
    error: LissomError | None = None
    with watched() as seen:
        try:
            case.read(path, tmp_path / "aside")
        except LissomError as raised:
            error = raised
    if error is None:
        assert not case.refused, "it was accepted"
    else:
        told = str(error)
        assert isinstance(error, InputError | StoreError | ChildFailed), type(error)
        assert told
        assert plain(told), repr(told[:500])
        assert len(told) < 5000
        assert not case.named or path.name in told, told
        assert b"nobody's" not in told.encode()
    assert untouched(case, tmp_path) == before
    assert seen.memory_bytes < MOST_BYTES
    assert seen.seconds < MOST_SECONDS


def test_there_are_cases_of_many_kinds() -> None:
    assert len(CASES) >= 200
    assert len({case.kind for case in CASES}) >= 20
    assert len({str(case) for case in CASES}) == len(CASES)
