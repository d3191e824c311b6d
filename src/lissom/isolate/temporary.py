"""Private folders for what a child process writes aside; they go with it, even if it is killed.

Where this process is killed as well, the next one of ours removes what it left: a folder that lives
is locked by its owner, and the system drops the lock of the dead.
"""

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["clear_dead", "private_folder"]

_PREFIX = "lissom-child-"
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)

_cleared: set[str] = set()


@contextlib.contextmanager
def private_folder() -> Iterator[Path | None]:
    """An empty folder of our own, removed with all in it at the end.

    The value is None where the system has no place for temporary files: a child that needs none
    does without.
    """
    try:
        parent = tempfile.gettempdir()
    except FileNotFoundError:
        yield None
        return
    if parent not in _cleared:
        _cleared.add(parent)
        clear_dead(Path(parent))
    with contextlib.ExitStack() as stack:
        folder: Path | None = None
        # A full disk: what a child then cannot write, it says itself.
        with contextlib.suppress(OSError):
            folder = stack.enter_context(_locked(parent))
        yield folder


@contextlib.contextmanager
def _locked(parent: str) -> Iterator[Path]:
    while True:
        folder = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        with _held(folder) as ours:
            # Another process may have taken it for a dead one's before it was locked.
            if not ours or not os.path.isdir(folder):
                continue
            try:
                yield Path(folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


@contextlib.contextmanager
def _held(folder: str) -> Iterator[bool]:
    """Lock a folder without waiting; the value says whether it is ours now."""
    if sys.platform == "win32":
        yield True
        return
    import fcntl

    descriptor = os.open(folder, _FOLDER)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = True
        except BlockingIOError:
            ours = False
        yield ours
    finally:
        os.close(descriptor)


def clear_dead(parent: Path) -> None:
    """Remove the private folders of our own processes that are no more; not on Windows."""
    if sys.platform == "win32":
        return
    for folder in parent.glob(f"{_PREFIX}*"):
        # Gone meanwhile, or of another user: not ours to clear.
        with contextlib.suppress(OSError):
            look = folder.lstat()
            if not stat.S_ISDIR(look.st_mode) or look.st_uid != os.getuid():
                continue
            with _held(str(folder)) as ours:
                if ours:
                    shutil.rmtree(folder, ignore_errors=True)
