"""What must hold while something hostile is read: time, memory, and nothing written elsewhere."""

import contextlib
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Seen", "plain", "snapshot", "watched"]

_LOOK_SECONDS = 0.02
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(slots=True)
class Seen:
    """What was measured.

    Attributes:
        seconds: that it took.
        memory_bytes: the most that this process and its children had over what it had before.
    """

    seconds: float = 0.0
    memory_bytes: int = 0


def plain(text: str) -> bool:
    """Whether a message can be shown on a terminal as it is."""
    return not _ACTS.search(text)


def snapshot(folder: Path) -> dict[str, tuple[int, ...]]:
    """What lies in a folder, at any depth, and how it looks; links are not followed."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root, name)
            status = path.lstat()
            kind, size = stat.S_IFMT(status.st_mode), status.st_size
            changed = 0 if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
            found[str(path)] = (kind, 0 if stat.S_ISDIR(status.st_mode) else size, changed)
    return found


def _used(process: psutil.Process) -> int:
    used = int(process.memory_info().rss)
    with contextlib.suppress(psutil.Error):
        for child in process.children(recursive=True):
            used += child.memory_info().rss
    return used


@contextlib.contextmanager
def watched() -> Iterator[Seen]:
    """Measure the block: wall-clock time, and memory of this process with all its children."""
    process = psutil.Process()
    before = int(process.memory_info().rss)
    seen, done = Seen(), threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_SECONDS):
            seen.memory_bytes = max(seen.memory_bytes, _used(process) - before)

    watcher = threading.Thread(target=look, daemon=True)
    started = time.monotonic()
    watcher.start()
    try:
        yield seen
    finally:
        seen.seconds = time.monotonic() - started
        done.set()
        watcher.join()
