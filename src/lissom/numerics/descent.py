"""Rounded weights improved one column at a time: coordinate descent on the layer's error.

With all other columns of W' held, the loss tr((W' - W) H (W' - W)^T) is a parabola in each number
of column j, with its lowest point at w'_j - [(W' - W) H]_j / [H]_jj: the nearest value of the grid
to that is the best one (Behdin et al., "QuantEase", 2023, arXiv:2309.01885, lemma 1). So no step
makes the loss larger, whatever values the column may take.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.numerics.gptq import Nearest

__all__ = ["descend"]

Array: TypeAlias = npt.NDArray[Any]

_COLUMN_BATCH = 128


def descend(
    weight: Array, start: Array, hessian: Array, nearest: Nearest, *, passes: int = 10
) -> Array:
    """Improve a rounded matrix until no single number does better, or for so many passes.

    Args:
        weight: W [outputs, inputs].
        start: W' to begin with; what `nearest` leaves as it is.
        hessian: H [inputs, inputs], the second moment or covariance of the inputs.
        nearest: rounds values [outputs] of a column.
        passes: over all columns, at most.

    Returns:
        W', float64 [outputs, inputs], whose loss is no larger than that of `start` in any row.
    """
    found = start.astype(np.float64)
    diagonal = np.diag(hessian)
    pulls = (found - weight) @ hessian
    order = np.argsort(-diagonal, kind="stable")
    order = order[diagonal[order] > 0.0]  # nothing is lost in an input that is never there
    for _ in range(passes):
        changed = False
        for start_at in range(0, len(order), _COLUMN_BATCH):
            columns = order[start_at : start_at + _COLUMN_BATCH]
            own = hessian[np.ix_(columns, columns)]
            pull, steps = pulls[:, columns], np.zeros((len(found), len(columns)))
            for place, column in enumerate(columns.tolist()):
                before = found[:, column]
                after = nearest(before - pull[:, place] / diagonal[column], column)
                step = after - before
                moves = np.flatnonzero(step)
                if len(moves):
                    steps[:, place] = step
                    found[:, column] = after
                    pull[moves] += np.outer(step[moves], own[place])
                    changed = True
            pulls += steps @ hessian[columns]
        if not changed:
            break
    return found
