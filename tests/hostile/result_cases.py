"""Folders of results that a stranger prepared: records of garbage, links, pipes."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lissom.search.folder import Folder
from lissom.store.hashing import sha256_json
from tests.hostile.case import Case

__all__ = ["cases", "read_results", "record"]

IDENTITY = {"model": "a"}


def read_results(path: Path, aside: Path) -> object:
    """Go on in the folder as a run does, and write what a run writes."""
    with Folder.opened(path, IDENTITY) as folder:
        state = folder.state() or {}
        folder.note(seconds=state["seconds"] + 1, finished=True, delivered=state["delivered"])
        folder.write("result.json", content=b"{}")
        folder.keep_only(frozenset())
        folder.write("front", "a", "model.onnx", content=b"")
        return folder.root


def record(**more: Any) -> bytes:
    sound = {"format": 1, "sha256": sha256_json(IDENTITY), "identity": IDENTITY}
    return json.dumps(
        {**sound, "seconds": 0.0, "finished": False, "delivered": [], **more}
    ).encode()


def outside(path: Path) -> Path:
    return path.parent.parent / "outside"


def with_record(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        (path / "run.json").write_bytes(record())
        make(path)

    return write


def of(content: bytes) -> Callable[[Path], object]:
    return lambda path: (path / "run.json").write_bytes(content)


def changed_model(path: Path) -> None:
    (path / "run.json").write_bytes(record(delivered=7))
    (path / "model.onnx").write_bytes(b"x")


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "a record of garbage": (of(b"\xff\xfe{"), True),
    "a record of a deep list": (of(b"[" * 100_000), True),
    "a record of a number": (of(b"17"), True),
    "a record of another format": (of(record(format=99)), True),
    "a record of another run": (of(record(sha256="0", identity={"\x1b[2J": 1})), True),
    "an identity of a list": (of(record(sha256="0", identity=[1])), True),
    "seconds of text": (of(record(seconds="\x1b[2J")), True),
    "delivered of a number": (changed_model, True),
    "a record as a pipe": (lambda path: os.mkfifo(path / "run.json"), True),
    "a record as a folder": (lambda path: (path / "run.json").mkdir(), True),
    "a record elsewhere": (
        lambda path: (path / "run.json").symlink_to(outside(path) / "secret.bin"),
        True,
    ),
    "no record": (lambda path: (path / "model.onnx").write_bytes(b"x"), True),
    "a lock elsewhere": (
        with_record(lambda path: (path / ".lock").symlink_to(outside(path) / "owned")),
        True,
    ),
    "a lock as a pipe": (with_record(lambda path: os.mkfifo(path / ".lock")), False),
    "a model as a pipe": (with_record(lambda path: os.mkfifo(path / "model.onnx")), True),
    "a model elsewhere": (
        with_record(lambda path: (path / "model.onnx").symlink_to(outside(path) / "secret.bin")),
        True,
    ),
    "a front elsewhere": (
        with_record(lambda path: (path / "front").symlink_to(outside(path))),
        True,
    ),
    "a result elsewhere": (
        with_record(lambda path: (path / "result.json").symlink_to(outside(path) / "secret.bin")),
        False,
    ),
}


def cases() -> list[Case]:
    def case(name: str, change: Callable[[Path], object], refused: bool) -> Case:
        def write(folder: Path) -> Path:
            path = folder / "hostile"
            path.mkdir()
            change(path)
            return path

        return Case(
            kind="results", name=name, write=write, read=read_results, refused=refused, named=False
        )

    return [case(name, *what) for name, what in CHANGES.items()]
