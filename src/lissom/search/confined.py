"""Files inside one folder and nowhere else, whatever is exchanged while a run goes on.

A folder is held open while something in it is written, its subfolders are reached from there one
by one, and a link on the way is refused. So a link that somebody puts in the place of a folder, at
whatever moment, leads nowhere. Every file is written aside, flushed, then renamed: whole or not at
all. (Windows has no such handles: there the links are only looked for.)
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from lissom.errors import OutputError
from lissom.store.disk import write_refusal

__all__ = ["ASIDE", "Spot", "as_output_error", "opened"]

ASIDE: Final = re.compile(r"\.aside-[0-9a-f]{16}")
"""Names of files that are being written; what bears one and nobody writes is of a dead run."""

_HELD: Final = os.open in os.supports_dir_fd
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Spot:
    """A folder that is held open.

    Attributes:
        path: where it was when it was opened.
        descriptor: by which it is held; None where the system has no such thing.
    """

    path: Path
    descriptor: int | None

    def name(self, name: str) -> str:
        """How the system is told of a file in this folder, beside `dir_fd=self.descriptor`."""
        return str(self.path / name) if self.descriptor is None else name

    def status(self, name: str) -> os.stat_result | None:
        """What lies under a name, a link itself; None where nothing does.

        Raises:
            OSError: the folder cannot be read.
        """
        try:
            return os.stat(self.name(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def entered(self, name: str) -> Iterator["Spot"]:
        """Hold a folder in this one, made where there is none.

        Raises:
            OutputError: a link is in its place.
            OSError: a file is, or it cannot be made.
        """
        path = self.path / name
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.name(name), dir_fd=self.descriptor)
        found = self.status(name)
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise OutputError(f"{path} is a link; results are not written through links")
        if not _HELD:
            yield Spot(path, None)
            return
        descriptor = os.open(name, _FOLDER | _NO_LINK, dir_fd=self.descriptor)
        try:
            yield Spot(path, descriptor)
        finally:
            os.close(descriptor)

    def sha256(self, name: str) -> str | None:
        """The hash of a regular file; None where there is none, or something else.

        Raises:
            OSError: it cannot be read.
        """
        flags = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self.name(name), flags, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
                return None  # a link, a folder, a socket
            raise
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def write(self, name: str, source: IO[bytes], *, through: "Spot | None" = None) -> None:
        """Write a file whole or not at all, over what was there.

        Args:
            name: of the file in this folder; a link of this name is replaced, not followed.
            source: what to write, to its end.
            through: the folder in which it is written first, on the same disk; None for this one.

        Raises:
            OSError: the disk refuses.
        """
        first = through or self
        aside = f".aside-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(first.name(aside), flags, 0o644, dir_fd=first.descriptor)
            with os.fdopen(descriptor, "wb") as stream:
                shutil.copyfileobj(source, stream, _CHUNK_BYTES)
                stream.flush()
                os.fsync(descriptor)
            os.replace(
                first.name(aside),
                self.name(name),
                src_dir_fd=first.descriptor,
                dst_dir_fd=self.descriptor,
            )
        finally:
            first.remove(aside)

    def remove(self, name: str) -> None:
        """Remove a file or a link, where there is one.

        Raises:
            OSError: it cannot be removed.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name(name), dir_fd=self.descriptor)

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all in it; links in it are removed, not followed.

        Raises:
            OSError: it cannot be removed.
        """
        shutil.rmtree(self.name(name), dir_fd=self.descriptor)

    def folders(self) -> list[str]:
        """The names of the folders in this one; links to folders are none.

        Raises:
            OSError: it cannot be read.
        """
        names = os.listdir(self.path if self.descriptor is None else self.descriptor)
        looks = ((name, self.status(name)) for name in names)
        return sorted(name for name, look in looks if look and stat.S_ISDIR(look.st_mode))


@contextlib.contextmanager
def opened(path: Path, identity: tuple[int, int] | None = None) -> Iterator[Spot]:
    """Hold a folder open; links on the way to it are the user's own and are followed.

    Args:
        path: the folder.
        identity: its device and number, when it must be the very one that it was before.

    Raises:
        OutputError: it is another folder now.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, _FOLDER) if _HELD else None
    try:
        if identity is not None:
            found = path.stat() if descriptor is None else os.fstat(descriptor)
            if (found.st_dev, found.st_ino) != identity:
                raise OutputError(f"{path} was exchanged for another folder while the run went on")
        yield Spot(path, descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def as_output_error(where: Path) -> Iterator[None]:
    """Turn the system's refusals into one that says which place cannot be written, and what to do.

    Raises:
        OutputError: the system refused something inside the block.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{where} cannot be written to: {write_refusal(error)}") from error
