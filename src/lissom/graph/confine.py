"""External data kept inside the model's folder: no links, no way out, nothing past the file's end.

The paths come from a stranger's file, so each is judged by its text first and by what lies on the
disk second; see also the checks of `onnx` itself, which several times were not enough.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from lissom.errors import ModelError
from lissom.graph.wire import ExternalPiece

__all__ = ["confined_files", "confined_path"]

_SHARED = 4
_FREE_BYTES = 64 << 20


def confined_path(folder: Path, location: str) -> Path:
    """The file that a location names, inside the folder.

    Raises:
        ModelError: It is absolute, climbs out, goes through a link, is no regular file, or has
            several names (a hard link may lead to any file of the disk).
    """
    parts = PurePosixPath(location).parts
    if not location or "\0" in location or "\\" in location:
        raise _refused(location, "is no plain relative path")
    if PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive:
        raise _refused(location, "is an absolute path")
    if ".." in parts or not parts:
        raise _refused(location, "leads out of the model's folder")
    path = folder
    for index, part in enumerate(parts):
        path = path / part
        try:
            found = os.lstat(path)
        except (OSError, ValueError):
            raise ModelError(
                f"external data {location!r} is missing: put it beside the model, in {folder}"
            ) from None
        if stat.S_ISLNK(found.st_mode):
            raise _refused(location, "is a link, or goes through one")
        last = index == len(parts) - 1
        if not (stat.S_ISREG(found.st_mode) if last else stat.S_ISDIR(found.st_mode)):
            raise _refused(location, "is not a regular file")
        if last and found.st_nlink != 1:
            raise _refused(location, "is a hard link: the file has more than one name; copy it")
    return path


def confined_files(
    folder: Path, pieces: Sequence[ExternalPiece], *, room_bytes: int
) -> dict[str, Path]:
    """The files that hold a model's external data, by location, sorted.

    Args:
        folder: The model's folder; a link on the way to it is the user's own and is followed.
        pieces: What the model file says lies outside it.
        room_bytes: What the files may have together.

    Raises:
        ModelError: A location is refused, a piece reaches past its file's end, or the files are too
            large.
    """
    paths = {
        location: confined_path(folder, location)
        for location in sorted({piece.location for piece in pieces})
    }
    sizes = {location: path.stat().st_size for location, path in paths.items()}
    for piece in pieces:
        if piece.end > sizes[piece.location]:
            raise ModelError(
                f"tensor {piece.tensor!r} needs bytes {piece.offset} to {piece.end} of "
                f"{piece.location!r}, which has {sizes[piece.location]}: the file is cut off"
            )
    total = sum(sizes.values())
    if total > room_bytes:
        raise ModelError(f"the model's external data has {total} bytes, at most {room_bytes} fit")
    # Some tensors may share their bytes; thousands that do make a small file grow to a huge one.
    told = sum(piece.size_bytes if piece.length is None else piece.length for piece in pieces)
    if told > _SHARED * total + _FREE_BYTES:
        raise ModelError(
            f"the model's tensors take {told} bytes from external data of {total}: "
            "too many of them share their bytes"
        )
    return paths


def _refused(location: str, why: str) -> ModelError:
    return ModelError(
        f"external data {location!r} {why}; weights must be regular files in the model's folder"
    )
