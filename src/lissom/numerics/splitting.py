"""Which channels to split, and how far apart their copies are set before they are rounded.

counts   the channel whose share is largest gets one more copy, again and again
offsets  copies w / k + o_j, in steps of the integers, of which the rounded ones add up to
         the rounded w (Zhao et al., arXiv:1901.09504, section 3, for k = 2, where they are
         (w - 1/2) / 2 and (w + 1/2) / 2; for any k by Hermite's identity)
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["counts", "offsets"]

Array: TypeAlias = npt.NDArray[Any]


def counts(peaks: Array, budget: int) -> npt.NDArray[np.int64]:
    """How often each channel is to be there.

    Args:
        peaks: the largest absolute weight of each channel, of each weight that reads them,
            [weights, channels], in units in which the weights compare.
        budget: copies that are added.

    Returns:
        [channels], 1 for a channel that is not split.
    """
    largest = np.max(peaks, axis=0)
    found = np.ones(largest.size, np.int64)
    for _ in range(budget):
        found[np.argmax(largest / found)] += 1
    return found


def offsets(copies: int) -> npt.NDArray[np.float64]:
    """What each of so many equal shares is moved by, in steps of the integers; they sum to 0.

    >>> offsets(2).tolist()
    [-0.25, 0.25]
    """
    return (2 * np.arange(copies) + 1 - copies) / (2 * copies)
