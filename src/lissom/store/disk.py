"""How a disk refuses, in words, and the few steps by which files get there whole.

A full disk is not the end of a run: nothing half-written stays, what was finished is kept, and the
message says what to do.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from lissom.errors import StoreError

__all__ = ["as_store_error", "flush", "is_full", "own_folder", "refusal", "write_refusal"]

# EFBIG: a limit on the size of files, of the process or of the file system.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


def is_full(error: OSError) -> bool:
    """Whether there is no room left for what was written."""
    return error.errno in _FULL


def refusal(error: OSError, other: str) -> str:
    """Say why the system refused and what to do about it.

    Args:
        error: what it raised.
        other: the option by which the user may name another place, as `-o`.
    """
    reason = error.strerror or str(error)
    if is_full(error):
        return f"{reason}; free some room there, and the same command goes on from here"
    if error.errno in _FORBIDDEN:
        return f"{reason}; make it writable, or give another {other}"
    return reason


def write_refusal(error: OSError) -> str:
    """Say why the system refused to write results, and what to do about it.

    Args:
        error: what it raised while something was made or written.
    """
    if error.errno == errno.ENOENT:
        # So /proc answers whatever is to be made in it; "no such file" would be no answer.
        return "nothing can be made there; give another -o"
    told = refusal(error, "-o")
    return told if ";" in told else f"{told}; give another -o"


@contextlib.contextmanager
def as_store_error(where: Path) -> Iterator[None]:
    """Turn the system's refusals into one that says which place of the store it was.

    Raises:
        StoreError: the system refused something inside the block.
    """
    try:
        yield
    except OSError as error:
        told = refusal(error, "--store")
        raise StoreError(f"the store cannot be used at {where}: {told}") from error


def own_folder(path: Path) -> None:
    """Make a folder of the store, or see that it is one: what lies behind a link is not ours.

    Raises:
        StoreError: a link is in its place. (Clearing dead scratch through one would remove a
            stranger's choice of files.)
    """
    if path.is_symlink():
        raise StoreError(f"{path} is a link; a store has none: give another folder")
    path.mkdir(parents=True, exist_ok=True)


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk.

    Raises:
        OSError: the disk refuses.
    """
    # A folder cannot be opened for flushing on Windows, and need not be.
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
