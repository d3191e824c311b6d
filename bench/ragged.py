"""Arrays of different lengths in one plain `.npz`: end to end, with their lengths beside them."""

from collections.abc import Sequence

import numpy as np


def packed(name: str, rows: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Two arrays to be saved: `name.values`, joined on the first axis, and `name.lengths`."""
    return {
        f"{name}.values": np.concatenate(rows),
        f"{name}.lengths": np.array([len(row) for row in rows], np.int64),
    }


def unpacked(name: str, data: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The rows that `packed` was given."""
    ends = np.cumsum(data[f"{name}.lengths"])
    return np.split(data[f"{name}.values"], ends[:-1])
