"""Weights of a matrix rounded one by one, always the one that costs least next (OBQ).

Of what is not rounded yet in a row, the number with the smallest (q(w) - w)^2 / [H_F^-1]_jj is
rounded, the others make good what that loses, and row and column j leave H_F^-1 (Frantar and
Alistarh, "Optimal Brain Compression", 2022, arXiv:2208.11580, equation 7 and algorithm 3). It takes
O(inputs^3) for each row: what `gptq` is held against in tests, too slow for layers.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.numerics.gptq import Nearest

__all__ = ["obq"]

Array: TypeAlias = npt.NDArray[Any]


def obq(weight: Array, hessian: Array, nearest: Nearest, *, damping: float = 1e-2) -> Array:
    """Round a matrix.

    Args:
        weight: W [outputs, inputs].
        hessian: H [inputs, inputs], the second moment or covariance of the inputs.
        nearest: rounds values [outputs] of a column.
        damping: of H, as a share of its mean diagonal.

    Returns:
        The rounded matrix, float64 [outputs, inputs].
    """
    mean = float(np.trace(hessian)) / max(len(hessian), 1) or 1.0
    inverse = np.linalg.inv(hessian + damping * mean * np.eye(len(hessian)))
    return np.stack([_row(weight, inverse, nearest, number) for number in range(len(weight))])


def _row(weight: Array, inverse: Array, nearest: Nearest, number: int) -> Array:
    """One row; `nearest` is asked for all rows, and answers for this one."""
    row, left = weight[number].astype(np.float64), inverse.copy()
    whole = weight.astype(np.float64)
    free = np.arange(len(row))
    while len(free):
        rounded = np.empty(len(free))
        for place, column in enumerate(free.tolist()):
            values = whole[:, column].copy()
            values[number] = row[column]
            rounded[place] = nearest(values, column)[number]
        losses = (rounded - row[free]) ** 2 / np.diag(left)
        place = int(np.argmin(losses))
        column, scale = free[place], left[place, place]
        lost = (row[column] - rounded[place]) / scale
        row[free] -= lost * left[place]
        row[column] = rounded[place]
        left = left - np.outer(left[:, place], left[place]) / scale
        keep = np.arange(len(free)) != place
        left, free = left[np.ix_(keep, keep)], free[keep]
    return np.asarray(row)
