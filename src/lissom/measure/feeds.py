"""One feed on disk: named arrays that a child process reads back, of any type and any names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lissom.errors import SamplesError
from lissom.store.hashing import Json

__all__ = ["read_feed", "write_feed"]


def write_feed(feed: Mapping[str, np.ndarray], folder: Path) -> dict[str, Json]:
    """Write each array as a .npy file in an existing folder; answer name to path, as JSON.

    Files are numbered, since an input's name may hold any character.

    Raises:
        SamplesError: An array holds Python objects that are not text.
    """
    paths: dict[str, Json] = {}
    for number, (name, given) in enumerate(feed.items()):
        array = np.asarray(given)
        if array.dtype.hasobject:
            if not all(isinstance(value, str) for value in array.flat):
                raise SamplesError(
                    f"input {name!r} holds Python objects; give numbers, booleans or text"
                )
            array = array.astype(np.str_)
        path = folder.resolve() / f"feed-{number}.npy"
        np.save(path, array, allow_pickle=False)
        paths[name] = str(path)
    return paths


def read_feed(paths: Mapping[str, Json]) -> dict[str, np.ndarray]:
    """Read what `write_feed` wrote; text comes back as fixed-width strings."""
    return {name: np.load(path, allow_pickle=False) for name, path in paths.items()}
