"""A lock between processes that a dead process cannot keep.

The operating system drops the lock with the process that holds it (`flock`, or `msvcrt.locking` on
Windows), so there is nothing to time out and no process id to trust.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["held", "try_hold"]


def _lock(stream: IO[bytes], *, wait: bool) -> bool:
    if sys.platform == "win32":
        import msvcrt
        import time

        while True:
            try:
                msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
                time.sleep(0.05)
            else:
                return True
    else:
        import fcntl

        try:
            fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _opened(path: Path, *, make: bool) -> IO[bytes]:
    """Open a lock file, never through a link, and never waiting for the other end of a pipe."""
    special = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags = os.O_RDWR | special | (os.O_CREAT if make else 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)


def _still_there(stream: IO[bytes], path: Path) -> bool:
    # The holder before us removed the file while we waited: what we hold is nobody's lock any more.
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _release(stream: IO[bytes], path: Path) -> None:
    # Removed while held, so that no other process can be between opening and locking it unseen.
    with contextlib.suppress(OSError):
        path.unlink()
    stream.close()
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file `path` inside the block, waiting for whoever has it now.

    Raises:
        OSError: The folder cannot be written, or its file system has no locks.
    """
    while True:
        stream = _opened(path, make=True)
        try:
            ours = _lock(stream, wait=True) and _still_there(stream, path)
        except BaseException:
            stream.close()
            raise
        if ours:
            break
        stream.close()
    try:
        yield
    finally:
        _release(stream, path)


@contextlib.contextmanager
def try_hold(path: Path, *, make: bool = False) -> Iterator[bool]:
    """Hold the lock file `path` inside the block if nobody has it; the value says whether we do.

    Args:
        path: The lock file.
        make: Make it where it does not exist. Otherwise nobody has it, and the value is True.

    Raises:
        OSError: The lock cannot be opened.
    """
    try:
        stream = _opened(path, make=make)
    except FileNotFoundError:
        yield True
        return
    if not _lock(stream, wait=False) or not _still_there(stream, path):
        stream.close()
        yield False
        return
    try:
        yield True
    finally:
        _release(stream, path)
