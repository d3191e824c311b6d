"""Open a file that may be anything: an endless pipe, a device, a disk full of it."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

__all__ = ["open_regular", "read_small"]


def open_regular(path: Path, *, follow: bool = True) -> BufferedReader:
    """Open a regular file for reading; for nothing else is waited.

    Args:
        path: The file.
        follow: Whether it may be a link.

    Raises:
        OSError: It is not there, no regular file, or cannot be read.
    """
    special = getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
    flags = os.O_RDONLY | special | getattr(os, "O_BINARY", 0)
    stream = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return stream


def read_small(path: Path, *, most_bytes: int = 1 << 20, follow: bool = True) -> bytes:
    """Read a regular file of at most so many bytes; nothing else is waited for or read.

    Args:
        path: The file.
        most_bytes: What an honest one has at most.
        follow: Whether it may be a link.

    Raises:
        OSError: It is not there, no regular file, too large, or cannot be read.
    """
    with open_regular(path, follow=follow) as stream:
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EINVAL, f"it has more than {most_bytes} bytes", str(path))
    return content
