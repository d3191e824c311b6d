"""How the indices of an axis lie when some are there several times, or not at all.

Neighbours of one class are one run: the places of a channel that was flattened, the channels of a
head. A run is repeated as a whole, behind itself, so that a reshape still finds it whole.
"""

import numpy as np

from lissom.graph.channels.arithmetic import Array

__all__ = ["laid", "runs"]


def runs(roots: Array) -> tuple[Array, Array]:
    """Where runs of one class start, and where they end.

    Args:
        roots: the class of each index.
    """
    starts = np.flatnonzero(np.concatenate([[True], roots[1:] != roots[:-1]])[: roots.size])
    return starts, np.append(starts[1:], roots.size)[: starts.size]


def laid(roots: Array, times: Array) -> tuple[Array, Array]:
    """The indices of an axis in their new order, and which copy each one is.

    Args:
        roots: the class of each index.
        times: how often each index is there, the same in a class.
    """
    starts, ends = runs(roots)
    parts = [
        np.stack([np.tile(np.arange(start, end), count), np.arange(count).repeat(end - start)])
        for start, end, count in zip(starts, ends, times[starts], strict=True)
    ]
    found = np.concatenate([np.empty((2, 0), np.int64), *parts], axis=1)
    return found[0], found[1]
