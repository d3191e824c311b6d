"""The folder of a run: whose it is, what lies in it, and how files get there.

    OUT/run.json                what this run is of; its hash decides whether OUT is continued
    OUT/result.json, report.html, recipe.yaml
    OUT/model.onnx              the chosen candidate
    OUT/front/<name>/{model.onnx,recipe.yaml}

With `-o small.onnx` the chosen model goes to that very file and the rest to `small.lissom/`.
A folder that another run made, or nobody of ours, is refused and not touched. Every file is
written aside and renamed; links are never followed, and nothing outside OUT is written.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lissom.errors import OutputError
from lissom.store import locks
from lissom.store.hashing import sha256_file, sha256_json
from lissom.store.small import read_small

__all__ = ["Folder", "write_bytes", "write_copy"]

FORMAT: Final = 1
RUN: Final = "run.json"
_RUN_BYTES: Final = 16 << 20
MODEL: Final = "model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A place for results that is ours.

    Attributes:
        root: where the run's files lie.
        model_path: where the chosen model goes.
        identity: what the run is of; JSON, and readable in `run.json`.
    """

    root: Path
    model_path: Path
    identity: Mapping[str, Any]

    @classmethod
    @contextlib.contextmanager
    def opened(cls, out: Path, identity: Mapping[str, Any]) -> Iterator["Folder"]:
        """Take OUT for a run: make it, or go on in it if it is of the same run.

        Args:
            out: a folder, or a path ending in `.onnx` for the chosen model.
            identity: JSON that is equal only for the same run.

        Raises:
            OutputError: OUT is not ours, is of another run, is in use, or cannot be written.
        """
        folder = cls.at(out, identity)
        with as_output_error(folder.root):
            folder.claim()
            lock = folder.root / ".lock"
            if lock.is_symlink():
                raise OutputError(f"{lock} is a link; results are not written through links")
            lock.touch()
            holding = locks.try_hold(lock)
            ours = holding.__enter__()
        try:
            if not ours:
                raise OutputError(f"{folder.root} is in use by another run just now")
            yield folder
        finally:
            holding.__exit__(None, None, None)

    @classmethod
    def at(cls, out: Path, identity: Mapping[str, Any]) -> "Folder":
        """Say where the files of a run with this `-o` lie; nothing is touched."""
        out = out.expanduser().absolute()
        if out.suffix.lower() == ".onnx":
            return cls(root=out.with_suffix(".lissom"), model_path=out, identity=identity)
        return cls(root=out, model_path=out / MODEL, identity=identity)

    def claim(self) -> None:
        """Make the folder ours, or see that it already is.

        Raises:
            OutputError: it is something else.
        """
        if self.root.exists() and not self.root.is_dir():
            raise OutputError(f"{self.root} exists and is not a folder; give another -o")
        state = self.state()
        if state is None:
            if self.root.is_dir() and any(self.root.iterdir()):
                raise OutputError(
                    f"{self.root} exists and holds something that is not a run of ours; "
                    "give another -o"
                )
            if os.path.lexists(self.model_path):
                raise OutputError(f"{self.model_path} exists; give another -o, or remove it")
            self.root.mkdir(parents=True, exist_ok=True)
            self.note(seconds=0.0, finished=False, delivered=())
            return
        if state.get("sha256") != sha256_json(self.identity):
            raise OutputError(
                f"{self.root} holds another run ({self.difference(state)}); give another -o, "
                "or remove it"
            )
        if os.path.lexists(self.model_path) and not self.delivered_by_us(state):
            raise OutputError(
                f"{self.model_path} was changed since this run wrote it; give another -o, "
                "or remove it"
            )

    def state(self) -> dict[str, Any] | None:
        """Read `run.json`; None where there is none.

        Raises:
            OutputError: it is there and is not ours.
        """
        path = self.root / RUN
        if not os.path.lexists(path):
            return None
        try:
            found = json.loads(read_small(path, most_bytes=_RUN_BYTES, follow=False))
        except (OSError, ValueError, RecursionError) as error:
            raise OutputError(f"{path} cannot be read; give another -o") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise OutputError(f"{path} was not written by this version; give another -o")
        seconds, delivered = found.get("seconds"), found.get("delivered")
        if not isinstance(seconds, int | float) or not isinstance(delivered, list):
            raise OutputError(f"{path} is damaged; give another -o, or remove it")
        return found

    def note(self, *, seconds: float, finished: bool, delivered: Iterable[str]) -> None:
        """Write `run.json`.

        Args:
            seconds: of work so far, over all sittings.
            finished: nothing is left to do.
            delivered: hashes of every file that was, or is about to be, written as the chosen
                model; noted first, so that a run killed in between still knows its own.
        """
        value = {
            "format": FORMAT,
            "sha256": sha256_json(self.identity),
            "identity": self.identity,
            "seconds": round(seconds, 3),
            "finished": finished,
            "delivered": sorted(set(delivered)),
        }
        write_bytes(self.root / RUN, (json.dumps(value, indent=1) + "\n").encode())

    def difference(self, state: Mapping[str, Any]) -> str:
        """Say in which words another run's identity differs from this one's."""
        theirs = state.get("identity")
        if not isinstance(theirs, dict):
            return "unreadable"
        keys = sorted({*theirs, *self.identity})
        names = [key for key in keys if theirs.get(key) != self.identity.get(key)]
        return f"other {', '.join(names)}" if names else "unreadable"

    def delivered_by_us(self, state: Mapping[str, Any]) -> bool:
        """Tell whether the model at `model_path` is the one that `run.json` says we wrote."""
        if self.model_path.is_symlink() or not self.model_path.is_file():
            return False
        return sha256_file(self.model_path) in state.get("delivered", ())

    def subfolder(self, *names: str) -> Path:
        """Make a folder inside the root and answer it.

        Raises:
            OutputError: a link or a file is in its place.
        """
        path = self.root
        with as_output_error(path):
            for name in names:
                path = path / name
                if path.is_symlink():
                    raise OutputError(f"{path} is a link; results are not written through links")
                path.mkdir(exist_ok=True)
        return path

    def keep_only(self, names: frozenset[str]) -> None:
        """Remove the folders below `front/` whose candidates are no longer on the front."""
        front = self.subfolder("front")
        with as_output_error(front):
            for entry in front.iterdir():
                if entry.name not in names and entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: aside, flushed, renamed over what was there.

    Raises:
        OutputError: the folder cannot be written.
    """
    with as_output_error(path), aside(path) as temporary:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)


def write_copy(source: Path, path: Path) -> None:
    """Copy a file whole or not at all; an equal file is left as it is.

    Raises:
        OutputError: the source cannot be read or the folder cannot be written.
    """
    with as_output_error(path):
        if path.is_file() and not path.is_symlink() and same(source, path):
            return
        with aside(path) as temporary:
            shutil.copyfile(source, temporary)
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)


def same(one: Path, other: Path) -> bool:
    """Tell whether two files have the same bytes."""
    return one.stat().st_size == other.stat().st_size and sha256_file(one) == sha256_file(other)


@contextlib.contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A name beside `path` for writing; whatever is left there is removed."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def as_output_error(where: Path) -> Iterator[None]:
    """Turn the system's refusals into one that says which place cannot be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {where}: {reason}") from error
