"""The folder of a run: whose it is, what lies in it, and how files get there.

    OUT/run.json                what this run is of; its hash decides whether OUT is continued
    OUT/result.json, report.html, recipe.yaml
    OUT/model.onnx              the chosen candidate
    OUT/front/<name>/{model.onnx,recipe.yaml}

With `-o small.onnx` the chosen model goes to that very file and the rest to `small.lissom/`.
A folder that another run made, or nobody of ours, is refused and not touched. Every file is
written aside and renamed; links are never followed, and nothing outside OUT is written. What a
killed run was writing is removed when the folder is opened again.
"""

import contextlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from lissom.errors import OutputError
from lissom.search import confined
from lissom.search.confined import ASIDE, Spot, as_output_error
from lissom.store import locks
from lissom.store.hashing import sha256_file, sha256_json
from lissom.store.small import read_small

__all__ = ["Folder"]

FORMAT: Final = 1
RUN: Final = "run.json"
_RUN_BYTES: Final = 16 << 20
MODEL: Final = "model.onnx"
LOCK: Final = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A place for results that is ours.

    Attributes:
        root: where the run's files lie.
        model_path: where the chosen model goes.
        identity: what the run is of; JSON, and readable in `run.json`.
        held: device and number of the folder that was opened; it may not be exchanged.
    """

    root: Path
    model_path: Path
    identity: Mapping[str, Any]
    held: tuple[int, int] | None = None

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
        with contextlib.ExitStack() as stack:
            with as_output_error(folder.root):
                folder.check()
                folder.root.mkdir(parents=True, exist_ok=True)
                lock = folder.root / LOCK
                if lock.is_symlink():
                    raise OutputError(f"{lock} is a link; results are not written through links")
                if not stack.enter_context(locks.try_hold(lock, make=True)):
                    raise OutputError(f"{folder.root} is in use by another run just now")
                look = folder.root.stat()
                folder = replace(folder, held=(look.st_dev, look.st_ino))
                folder.clear()
            folder.claim()
            yield folder

    @classmethod
    def at(cls, out: Path, identity: Mapping[str, Any]) -> "Folder":
        """Say where the files of a run with this `-o` lie; nothing is touched."""
        out = out.expanduser().absolute()
        if out.suffix.lower() == ".onnx":
            return cls(root=out.with_suffix(".lissom"), model_path=out, identity=identity)
        return cls(root=out, model_path=out / MODEL, identity=identity)

    def check(self) -> dict[str, Any] | None:
        """See that the folder may become ours, or is; nothing is touched.

        Returns:
            The state of the run that it is of; None where there is none yet.

        Raises:
            OutputError: it is something else.
        """
        if self.root.exists() and not self.root.is_dir():
            raise OutputError(f"{self.root} exists and is not a folder; give another -o")
        state = self.state()
        if state is None:
            if self.root.is_dir() and any(map(is_foreign, self.root.iterdir())):
                raise OutputError(
                    f"{self.root} exists and holds something that is not a run of ours; "
                    "give another -o"
                )
            if os.path.lexists(self.model_path):
                raise OutputError(f"{self.model_path} exists; give another -o, or remove it")
            return None
        if state.get("sha256") != sha256_json(self.identity):
            raise OutputError(
                f"{self.root} holds another run ({self.difference(state)}); give another -o, "
                "or remove it"
            )
        if os.path.lexists(self.model_path) and not self.delivered_by_us(state):
            raise self.changed(self.model_path)
        return state

    def claim(self) -> None:
        """Make the folder ours, or see that it already is.

        Raises:
            OutputError: it is something else, or cannot be written.
        """
        with as_output_error(self.root):
            state = self.check()
        if state is None:
            self.note(seconds=0.0, finished=False, delivered=())

    def clear(self) -> None:
        """Remove what a killed run was just writing.

        Raises:
            OSError: the folder cannot be read or written.
        """
        with confined.opened(self.root, self.held) as spot:
            for path in self.root.iterdir():
                if ASIDE.fullmatch(path.name):
                    spot.remove(path.name)

    @staticmethod
    def changed(path: Path) -> OutputError:
        """What to raise for a model in our place that is not the one that we wrote."""
        return OutputError(
            f"{path} exists and is not what this run wrote; give another -o, or remove it"
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
        self.write(RUN, content=(json.dumps(value, indent=1) + "\n").encode())

    def difference(self, state: Mapping[str, Any]) -> str:
        """Say in which words another run's identity differs from this one's."""
        theirs = state.get("identity")
        if not isinstance(theirs, dict):
            return "unreadable"
        ours: dict[str, Any] = json.loads(json.dumps(self.identity))
        keys = sorted({*theirs, *ours})
        names = [key for key in keys if theirs.get(key, ...) != ours.get(key, ...)]
        return f"other {', '.join(names)}" if names else "unreadable"

    def delivered_by_us(self, state: Mapping[str, Any]) -> bool:
        """Tell whether the model at `model_path` is the one that `run.json` says we wrote."""
        if self.model_path.is_symlink() or not self.model_path.is_file():
            return False
        return sha256_file(self.model_path) in state.get("delivered", ())

    @contextlib.contextmanager
    def spot(self, *names: str) -> Iterator[Spot]:
        """Hold the root, or the folder of these names below it, made where there is none.

        Raises:
            OutputError: a link is on the way, or the system refuses.
        """
        with as_output_error(self.root.joinpath(*names)), contextlib.ExitStack() as stack:
            spot = stack.enter_context(confined.opened(self.root, self.held))
            for name in names:
                spot = stack.enter_context(spot.entered(name))
            yield spot

    def write(self, *names: str, content: bytes) -> None:
        """Write a file below the root whole or not at all.

        Args:
            names: of the folders and the file, as `("front", "a", "recipe.yaml")`.
            content: what to write.

        Raises:
            OutputError: a link is on the way, or the system refuses.
        """
        with self.spot() as root, self.spot(*names[:-1]) as spot:
            spot.write(names[-1], io.BytesIO(content), through=root)

    def copy(self, source: Path, *names: str) -> None:
        """Copy a file to a place below the root, as `write`; an equal file is left as it is.

        Raises:
            OutputError: the source cannot be read, a link is on the way, or the system refuses.
        """
        with self.spot() as root, self.spot(*names[:-1]) as spot, readable(source) as stream:
            if spot.sha256(names[-1]) != sha256_file(source):
                spot.write(names[-1], stream, through=root)

    def deliver(self, source: Path, name: str, ours: Iterable[str]) -> None:
        """Copy a file to the folder of the chosen model; a stranger's file there is left alone.

        Args:
            source: the file.
            name: its name there.
            ours: hashes of what this run may have written there before.

        Raises:
            OutputError: something else is in its place, or the system refuses.
        """
        if self.model_path.parent == self.root:
            self.copy(source, name)
            return
        beside = self.model_path.parent
        wanted = sha256_file(source)
        with self.spot() as root, as_output_error(beside), confined.opened(beside) as spot:
            found = spot.sha256(name)
            if found == wanted:
                return
            if spot.status(name) is not None and found not in set(ours):
                raise self.changed(beside / name)
            with readable(source) as stream:
                spot.write(name, stream, through=root)

    def keep_only(self, names: frozenset[str]) -> None:
        """Remove the folders below `front/` whose candidates are no longer on the front.

        Raises:
            OutputError: a link is in the place of `front`, or the system refuses.
        """
        with self.spot("front") as front:
            for name in front.folders():
                if name not in names:
                    front.remove_folder(name)


def is_foreign(path: Path) -> bool:
    """Whether an entry of a folder tells that it is not ours to take."""
    return path.name != LOCK and not ASIDE.fullmatch(path.name)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to be copied.

    Raises:
        OutputError: it cannot be read.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror or error}") from error
    with stream:
        yield stream
