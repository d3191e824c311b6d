"""Stores that somebody else made, or that were changed behind our back."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lissom.graph.load import load
from lissom.store.hashing import sha256_json
from lissom.store.refs import FileRef
from lissom.store.store import Store
from tests import tiny
from tests.hostile.case import Case

__all__ = ["cases"]

Change = Callable[[Path], object]


def prepared(folder: Path) -> Path:
    """A sound store that has read a model once."""
    (folder / "model.onnx").write_bytes(tiny.mlp().SerializeToString())
    load(folder / "model.onnx", Store(folder / "hostile"), canonical="none")
    return folder / "hostile"


def read_store(path: Path, aside: Path) -> object:
    """Read the model again, through the store."""
    model = load(path.parent / "model.onnx", Store(path), canonical="none")
    return model.nodes, [model.weight(name).sum() for name in model.weights]


def record_of(store: Path) -> Path:
    return next((store / "steps").rglob("*.json"))


def object_of(store: Path) -> Path:
    return next((store / "objects").rglob("*.onnx"))


def replace(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.unlink()
    path.write_bytes(content)


def rewritten(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change what a record says, and seal it again as its author would."""

    def write(store: Path) -> None:
        path = record_of(store)
        record = json.loads(path.read_text())
        record["value"] = change(record["value"])
        record["sha256"] = sha256_json([record["inputs"], record["value"]])
        replace(path, json.dumps(record).encode())

    return write


def swapped(store: Path, content: bytes, **more: Any) -> None:
    """Put another model into the store, under its true hash, and name it in the record."""
    made = store.parent / "other.onnx"
    made.write_bytes(content)
    ref = Store(store).put_file(made, ".onnx")
    made.unlink()
    rewritten(lambda value: {**value, "model": ref.to_json(), **more})(store)


def outside_model() -> bytes:
    proto = tiny.mlp()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="../../../../outside/secret.bin")
    return proto.SerializeToString()


def linked(name: str) -> Change:
    """A folder of the store is a link to somebody's files."""

    def write(store: Path) -> None:
        place = store / name
        if place.is_dir():
            place.rename(store.parent / "moved")
        place.symlink_to(store.parent.parent / "outside", target_is_directory=True)

    return write


def elsewhere(find: Callable[[Path], Path]) -> Change:
    """A file of the store is a link to an equal file elsewhere."""

    def write(store: Path) -> None:
        path = find(store)
        moved = store.parent / "moved"
        path.rename(moved)
        path.symlink_to(moved)

    return write


def piped(find: Callable[[Path], Path]) -> Change:
    def write(store: Path) -> None:
        path = find(store)
        path.unlink()
        os.mkfifo(path)

    return write


def locked(make: Change) -> Change:
    """Something is in the place of the lock that is needed when the record is gone."""

    def write(store: Path) -> None:
        record = record_of(store)
        make(store / "locks" / f"{record.stem}.lock")
        record.unlink()

    return write


def beyond(store: Path) -> None:
    """A reference that climbs out of the store by its suffix."""
    bad = FileRef(sha256="0" * 64, suffix="/../../../../outside/secret.bin", size_bytes=1)
    rewritten(lambda value: {**value, "model": bad.to_json()})(store)


CHANGES: dict[str, tuple[Change, bool]] = {
    # name: (what is done, whether it must be refused)
    "format of garbage": (lambda s: (s / "store.json").write_bytes(b"\xff\xfe{"), True),
    "format of a deep list": (lambda s: (s / "store.json").write_text("[" * 100_000), True),
    "format 99": (lambda s: (s / "store.json").write_text('{"format": 99}'), True),
    "format as a pipe": (piped(lambda s: s / "store.json"), True),
    "scratch is a link": (linked("scratch"), True),
    "objects is a link": (linked("objects"), True),
    "steps is a link": (linked("steps"), True),
    "locks is a link": (linked("locks"), True),
    "scratch holds links": (
        lambda s: (s / "scratch" / "dead").symlink_to(s.parent.parent / "outside"),
        False,
    ),
    "an object of garbage": (lambda s: replace(object_of(s), b"garbage"), False),
    "an object elsewhere": (elsewhere(object_of), False),
    "an object as a pipe": (piped(object_of), False),
    "no object": (lambda s: object_of(s).unlink(), False),
    "a record of garbage": (lambda s: replace(record_of(s), b"\xff\xfe{"), False),
    "a record of a deep list": (lambda s: replace(record_of(s), b"[" * 100_000), False),
    "a record of a number": (lambda s: replace(record_of(s), b"17"), False),
    "a record cut off": (lambda s: replace(record_of(s), record_of(s).read_bytes()[:99]), False),
    "a record elsewhere": (elsewhere(record_of), False),
    "a record as a pipe": (piped(record_of), False),
    "an answer of a list": (rewritten(lambda value: [1]), True),
    "an answer without a model": (rewritten(lambda value: {"weights": None}), True),
    "an answer of numbers": (rewritten(lambda value: dict.fromkeys(value, 7)), True),
    "an answer of lists": (rewritten(lambda value: {key: [[7]] for key in value}), True),
    "a reference that climbs": (beyond, False),
    "another model of garbage": (lambda s: swapped(s, b"garbage"), True),
    "another model, cut off": (
        lambda s: swapped(s, tiny.mlp().SerializeToString()[:-20]),
        True,
    ),
    "another model with weights outside": (
        lambda s: swapped(s, outside_model(), weights=None),
        True,
    ),
    "another model with weights elsewhere": (lambda s: swapped(s, outside_model()), False),
    "a lock that is a link": (
        locked(lambda path: path.symlink_to(path.parents[3] / "outside" / "owned")),
        False,
    ),
    "a lock that is a pipe": (locked(os.mkfifo), False),
    "a lock that is a folder": (locked(lambda path: path.mkdir()), False),
}


def cases() -> list[Case]:
    def case(name: str, change: Change, refused: bool) -> Case:
        def write(folder: Path) -> Path:
            store = prepared(folder)
            change(store)
            return store

        return Case(
            kind="stores", name=name, write=write, read=read_store, refused=refused, named=False
        )

    return [case(name, *what) for name, what in CHANGES.items()]
