"""A place where a run goes wrong: its command, what lies there, and what must be the same after."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LEFT_BEHIND", "Scene", "check_like", "compared", "fixed", "records"]

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("driver.py")
LEFT_BEHIND = ("store/scratch", "store/locks", "temporary")
# What one file is, whoever measures it and when; all else is a time, a place, or follows from one.
FIXED = (
    "name", "title", "sha256", "size_bytes", "macs", "params", "steps", "lossless",
    "max_relative_error", "quality", "drop", "drop_interval", "drop_kind", "disagreement", "failed",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A folder with a model, samples, a store, results, and a place for temporary files.

    Attributes:
        folder: all of it.
        options: of `lissom compress`, beside the store and the place for results.
        name: of the place for results, of which there may be several beside one store.
        brief: time for a moment only.
        before: a command that starts the run, such as one that limits it.
    """

    folder: Path
    options: tuple[str, ...]
    name: str = "out"
    brief: bool = True
    before: tuple[str, ...] = ()

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def out(self) -> Path:
        return self.folder / self.name

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def started(self, *more: str, **plan: Any) -> subprocess.Popen[str]:
        """Start the run, with a plan for `driver`."""
        self.temporary.mkdir(exist_ok=True)
        watched = {"under": [str(self.store), str(self.out)], "log": str(self.log)}
        given = {"brief": self.brief, **watched, **plan}
        command = [*self.before, sys.executable, str(DRIVER), "compress", *self.options, *more]
        return subprocess.Popen(
            [*command, "--store", str(self.store), "-o", str(self.out)],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
                "LISSOM_SURVIVAL": json.dumps(given),
                "TMPDIR": str(self.temporary),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *more: str, **plan: Any) -> tuple[int, str]:
        """Run to the end: the exit code, and what was written to standard error."""
        process = self.started(*more, **plan)
        told = process.communicate(timeout=600)[1]
        return process.returncode, told

    def told(self, kind: str) -> list[str]:
        """The lines of one kind in the log."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{kind} ")]

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "result.json").read_text())
        return found

    def left_behind(self) -> list[str]:
        """Temporary files anywhere."""
        hidden = [path for path in self.out.rglob(".*") if path.name != ".lock"]
        places = [self.folder / name for name in LEFT_BEHIND]
        found = [path for place in places if place.is_dir() for path in place.iterdir()]
        return [str(path.relative_to(self.folder)) for path in (*hidden, *found)]


def records(store: Path) -> dict[str, tuple[str, str, int]]:
    """Every step in a store: its kind, the hash of its record, and which writing of it this is."""
    found = {}
    for path in sorted((store / "steps").rglob("*.json")):
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        found[path.stem] = (json.loads(content)["kind"], digest, path.stat().st_ino)
    return found


def fixed(document: dict[str, Any]) -> dict[str, Any]:
    """What a result must say however often the run was disturbed."""
    entries = sorted((*document["front"], *document["others"]), key=lambda one: str(one["name"]))
    return {
        "candidates": [{key: one[key] for key in FIXED if key in one} for one in entries],
        "failed": sorted(one["name"] for one in document["failed"]),
        "not tried": sorted(document["not_tried"], key=lambda one: str(one["name"])),
        "chosen": document["chosen"],
        "finished": document["finished"],
    }


def check_like(scene: Scene, undisturbed: Scene) -> None:
    """The result is the undisturbed one, of the same steps, and nothing is left behind."""
    ours, theirs = fixed(scene.document()), fixed(undisturbed.document())
    other = {key: (ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]}
    assert not other, json.dumps(other, indent=1)
    kinds = [
        Counter(kind for kind, *_ in records(one.store).values()) for one in (scene, undisturbed)
    ]
    assert kinds[0] == kinds[1]
    assert (scene.out / "model.onnx").read_bytes() == (undisturbed.out / "model.onnx").read_bytes()
    assert scene.left_behind() == []


def compared(before: dict[str, tuple[str, str, int]], after: dict[str, tuple[str, str, int]]):
    """How many records of each kind are gone, and how many were written again."""
    gone = Counter(before[key][0] for key in before if key not in after)
    again = Counter(before[key][0] for key in before if key in after and before[key] != after[key])
    return gone, again
