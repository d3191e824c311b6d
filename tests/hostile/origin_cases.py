"""Results beside a model that a stranger prepared: what `measure`, `compare` and `verify` read."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from lissom.store.hashing import sha256_file
from tests import tiny
from tests.hostile.case import Case

__all__ = ["cases"]

PLACE: dict[str, Any] = {"runtime": "onnxruntime", "options": {}, "threads": 1, "batch": 1}
STATISTICS = "session.collect_node_memory_stats_to_file"  # the runtime would write a file
ELSEWHERE = "session.model_external_initializers_file_folder_path"


def result(sha256: str, **changes: Any) -> dict[str, Any]:
    entry = {"name": "fast", "sha256": sha256, "target": PLACE, "drop": 0.0, "speedup": 1.0}
    entry |= {key[1:]: value for key, value in changes.items() if key.startswith("_")}
    whole = {key: value for key, value in changes.items() if not key.startswith("_")}
    limits = dict.fromkeys(("max_drop", "max_latency_ms", "max_size_bytes", "max_memory_bytes"))
    return {
        "schema": 1, "original": {"sha256": "cd" * 32}, "target": PLACE, "goal": "speed",
        "limits": limits, "data": {"fingerprint": "f"}, "chosen": "fast",
        "front": [entry], "others": [], **whole,
    }  # fmt: skip


def options(**chosen: str) -> dict[str, Any]:
    return {**PLACE, "options": {name.replace("__", "."): value for name, value in chosen.items()}}


def read_origin(path: Path, aside: Path) -> object:
    """Look for the run that a model is of, and on what it had been told to run."""
    from lissom.runtime import registry
    from lissom.search.origin import origin_of
    from lissom.search.used import FILE, read_used

    found = origin_of(path, sha256_file(path))
    if found is None:
        return None
    with registry.load(found.target.runtime).open(path, found.target) as session:
        return session.inputs, read_used(found.folder / FILE)


def text(make: Callable[[str], Any]) -> Callable[[Path, str], object]:
    """A result of this content."""

    def write(folder: Path, sha256: str) -> None:
        content = make(sha256)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / "result.json").write_bytes(data)

    return write


def with_run(identity: Any) -> Callable[[Path, str], object]:
    def write(folder: Path, sha256: str) -> None:
        (folder / "result.json").write_text(json.dumps(result(sha256)))
        (folder / "run.json").write_text(json.dumps({"identity": identity}))

    return write


def with_samples(content: bytes) -> Callable[[Path, str], object]:
    def write(folder: Path, sha256: str) -> None:
        (folder / "result.json").write_text(json.dumps(result(sha256)))
        (folder / "samples.json").write_bytes(content)

    return write


def secret(folder: Path) -> Path:
    return folder.parent.parent / "outside" / "secret.bin"


CASES: dict[str, tuple[Callable[[Path, str], object], bool]] = {
    # name: (what is written beside the model, whether it must be refused)
    "garbage": (text(lambda sha: b"\xff\xfe{"), True),
    "a deep list": (text(lambda sha: b"[" * 200_000), True),
    "a number": (text(lambda sha: 17), True),
    "no candidates": (text(lambda sha: {**result(sha), "front": 7}), True),
    "a drop of text": (text(lambda sha: result(sha, _drop="\x1b[2J")), True),
    "a drop that is no number": (text(lambda sha: result(sha, _drop=float("nan"))), True),
    "a name that clears the screen": (text(lambda sha: result(sha, _name="\x1b[2J" * 99)), False),
    "a million threads": (text(lambda sha: result(sha, _target={**PLACE, "threads": 10**6})), True),
    "a batch of 2^62": (text(lambda sha: result(sha, _target={**PLACE, "batch": 1 << 62})), False),
    "a runtime elsewhere": (
        text(lambda sha: result(sha, _target={**PLACE, "runtime": "../../outside/owned"})),
        True,
    ),
    "a runtime of code": (text(lambda sha: result(sha, _target={**PLACE, "runtime": "os"})), True),
    "an option that writes a file": (
        text(lambda sha: result(sha, _target=options(**{STATISTICS: "owned.csv"}))),
        True,
    ),
    "an option that reads elsewhere": (
        text(lambda sha: result(sha, _target=options(**{ELSEWHERE: "../outside"}))),
        True,
    ),
    "a candidate of other bytes": (text(lambda sha: result("0" * 64)), False),
    "a metric of code": (with_run({"metric": "os:system", "original quality": 0.5}), False),
    "a metric of a list": (with_run({"metric": [["top1"]], "original quality": "0.5"}), False),
    "a quality of truth": (with_run({"metric": None, "original quality": True}), False),
    "a run of a list": (with_run([1]), True),
    "samples of garbage": (with_samples(b"\xff{"), True),
    "samples of a deep list": (with_samples(b"[" * 200_000), True),
    "samples of numbers": (
        with_samples(b'{"format": 1, "bytes": 6, "parts": {"calibration": 7}}'),
        True,
    ),
    "a result elsewhere": (
        lambda folder, sha: (folder / "result.json").symlink_to(secret(folder)),
        True,
    ),
    "a result as a pipe": (lambda folder, sha: os.mkfifo(folder / "result.json"), True),
    "a result as a folder": (lambda folder, sha: (folder / "result.json").mkdir(), True),
    "an endless result": (lambda folder, sha: endless(folder / "result.json"), True),
}


def endless(path: Path) -> None:
    """A file of a terabyte that takes no room."""
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


def cases() -> list[Case]:
    def case(name: str, make: Callable[[Path, str], object], refused: bool) -> Case:
        def write(folder: Path) -> Path:
            place = folder / "hostile"
            place.mkdir()
            onnx.save(tiny.mlp(), place / "model.onnx")
            make(place, sha256_file(place / "model.onnx"))
            return place / "model.onnx"

        return Case(
            kind="results beside a model", name=name, write=write, read=read_origin,
            refused=refused, named=False,
        )  # fmt: skip

    return [case(name, *what) for name, what in CASES.items()]
