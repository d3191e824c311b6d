"""Files of samples, and the files in a folder of them: regular ones, inside that folder.

The folder may come from a stranger, who cannot make a file of the user's a sample by a link.
"""

from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path

from lissom.errors import SamplesError
from lissom.store.small import open_regular

__all__ = ["confined", "opened"]


def opened(path: Path, *, follow: bool = True) -> BufferedReader:
    """Open a file of samples; pipes and devices, which may never end or never begin, are refused.

    Args:
        path: the file.
        follow: whether it may be a link.

    Raises:
        SamplesError: it is no regular file, or cannot be read.
    """
    try:
        return open_regular(path, follow=follow)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SamplesError(f"{path} cannot be read: {reason}; samples are regular files") from error


def confined(folder: Path, files: Iterable[Path]) -> list[Path]:
    """Where the files of a folder really lie, in the order of their names.

    Links inside the folder are followed; the folder itself may be one, of the user's own.

    Raises:
        SamplesError: a link leads out of the folder, or nowhere.
    """
    inside = folder.resolve()
    found = []
    for path in sorted(files):
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise SamplesError(f"{path} is a link that leads nowhere; remove it") from error
        if not real.is_relative_to(inside):
            raise SamplesError(
                f"{path} is a link that leads out of the folder of samples; put the file itself "
                "there, or give the folder in which it lies"
            )
        found.append(real)
    return found
