"""How likely a change of scores changes the answer, learned from what it does to similar samples.

Counting the few samples whose answer flips says little of a small loss: of 150 samples perhaps four
flip. But every sample shows how far the scores moved, and the margin by which its answer leads says
what it would have taken. So each sample is tried with the changes that samples of about the same
margin suffered, rank by rank (the change of the leader's score, of the runner-up's, ...).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["expected_losses"]

Floats = NDArray[np.float64]
_NEIGHBOURS = (40, 400)  # how many changes each sample is tried with: a quarter of all, in between
_BLOCK = 2_000_000  # elements tried at once: 16 MB


def expected_losses(
    scores: NDArray[Any], changed: NDArray[Any], belief: NDArray[Any], other: Floats
) -> tuple[Floats, Floats]:
    """Expected loss of belief of each sample, and what each sample's change costs the others.

    Args:
        scores: of each sample's likeliest classes, likeliest first, [n, k].
        changed: the candidate's scores of the same classes, [n, k].
        belief: probability of the same classes, [n, k].
        other: what is believed of the candidate's answer where it is none of these classes, [n];
            NaN where it is one of them.

    Returns:
        The loss of each sample [n], averaged over the changes that it is tried with; and for each
        change its share of all losses [n]. Both have the same mean, the expected drop.
    """
    count, width = scores.shape
    window = min(count, max(_NEIGHBOURS[0], min(_NEIGHBOURS[1], count // 4)))
    margin = scores[:, 0] - scores[:, 1] if width > 1 else np.zeros(count)
    order = np.argsort(margin, kind="stable")
    kept, change = scores[order], (changed - scores)[order]
    believed, outside = belief[order].astype(np.float64), other[order]
    start = np.clip(np.arange(count) - window // 2, 0, count - window)
    losses, costs = np.zeros(count), np.zeros(count)
    step = max(1, _BLOCK // (window * width))
    for first in range(0, count, step):
        rows = np.arange(first, min(first + step, count))
        tried = start[rows][:, None] + np.arange(window)
        answer = (kept[rows][:, None, :] + change[tried]).argmax(axis=2)
        left = np.take_along_axis(believed[rows], answer, axis=1)
        left = np.where(np.isnan(outside[tried]), left, outside[tried])
        # What is believed of an unlisted answer is never more than of the listed leader.
        loss = np.maximum(0.0, believed[rows, :1] - left)
        losses[rows] = loss.mean(axis=1)
        np.add.at(costs, tried.ravel(), loss.ravel() / window)
    unsorted = np.empty((2, count))
    unsorted[:, order] = losses, costs
    return unsorted[0], unsorted[1]
