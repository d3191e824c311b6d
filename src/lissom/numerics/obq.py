"""Weights of a matrix rounded one by one, always the one that costs least next (OBQ).

Of what is not rounded yet in a row, the number with the smallest (q(w) - w)^2 / [H_F^-1]_jj is
rounded, the others make good what that loses, and row and column j leave H_F^-1 (Frantar and
Alistarh, "Optimal Brain Compression", 2022, arXiv:2208.11580, equation 7 and algorithm 3). Each row
has an order of its own, so it takes O(inputs^3) for each, where `gptq` takes that once for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["InRow", "obq"]

Array: TypeAlias = npt.NDArray[Any]
InRow: TypeAlias = Callable[[Array, int], Array]
"""The nearest values that may stand in a row: from values [inputs] and the row's number."""


def obq(weight: Array, hessian: Array, nearest: InRow, *, damping: float = 1e-2) -> Array:
    """Round a matrix.

    Args:
        weight: W [outputs, inputs].
        hessian: H [inputs, inputs], the second moment or covariance of the inputs.
        nearest: rounds the values of a row.
        damping: of H, as a share of its mean diagonal.

    Returns:
        The rounded matrix, float64 [outputs, inputs].
    """
    found = weight.astype(np.float64)
    mean = float(np.trace(hessian)) / max(len(hessian), 1) or 1.0
    inverse = np.linalg.inv(hessian + damping * mean * np.eye(len(hessian)))
    for number, row in enumerate(found):
        _round(row, inverse, nearest, number)
    return found


def _round(row: Array, inverse: Array, nearest: InRow, number: int) -> None:
    """Round one row where it stands."""
    from scipy.linalg.blas import dger

    left, columns = inverse.copy(), np.arange(len(row))  # of the columns that were free lately
    free = np.ones(len(row), bool)
    for count in range(len(row), 0, -1):
        if 2 * count <= len(columns):
            left, columns, free = left[np.ix_(free, free)], columns[free], free[free]
        rounded = nearest(row, number)[columns]
        spread = np.diag(left)
        losses = np.full(len(columns), np.inf)
        losses[free] = (rounded[free] - row[columns[free]]) ** 2 / spread[free]
        place = int(np.argmin(losses))
        own = left[place].copy()
        lost = (row[columns[place]] - rounded[place]) / own[place]
        row[columns[free]] -= lost * own[free]
        row[columns[place]] = rounded[place]
        left = dger(-1.0 / own[place], own, own, a=left.T, overwrite_a=1).T  # left is symmetric
        free[place] = False
