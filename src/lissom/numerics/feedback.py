"""Columns rounded one after another, each making good what the earlier ones lost.

GPTQ (Frantar et al., 2022, arXiv:2210.17323, algorithm 1) with any set of levels: what is nearest
to a number is a function that the caller gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

__all__ = ["Nearest", "feed_back"]

Array: TypeAlias = npt.NDArray[Any]
Nearest: TypeAlias = Callable[[Array, int], Array]
"""The nearest values that may stand in a column: from values [outputs] and the column's number."""

_COLUMN_BATCH = 128  # columns whose corrections of all later ones are done at once


def feed_back(weight: Array, hessian: Array, nearest: Nearest, *, damping: float) -> Array:
    """Round a matrix column by column, those with the largest inputs first.

    Args:
        weight: W [outputs, inputs].
        hessian: H [inputs, inputs], second moment or covariance of the inputs, positive or zero.
        nearest: rounds a column.
        damping: of H, as a share of its mean diagonal, above zero.

    Returns:
        The rounded matrix, float64 [outputs, inputs].
    """
    diagonal = np.diag(hessian)
    order = np.argsort(-diagonal, kind="stable")
    damped = hessian + damping * (float(diagonal.mean()) or 1.0) * np.eye(len(diagonal))
    # T upper triangular with T^T T = H^-1, from the factor of H turned around.
    turned = cholesky(damped[np.ix_(order, order)][::-1, ::-1], lower=True)
    upper = solve_triangular(turned, np.eye(len(order)), lower=True)[::-1, ::-1]
    left = weight[:, order].astype(np.float64)
    found = np.empty_like(left)
    for start in range(0, len(order), _COLUMN_BATCH):
        end = min(start + _COLUMN_BATCH, len(order))
        lost = np.empty((len(left), end - start))
        for at in range(start, end):
            value = nearest(left[:, at], int(order[at]))
            lost[:, at - start] = (left[:, at] - value) / upper[at, at]
            left[:, at:end] -= np.outer(lost[:, at - start], upper[at, at:end])
            found[:, at] = value
        left[:, end:] -= lost @ upper[start:end, end:]
    answer = np.empty_like(found)
    answer[:, order] = found
    return answer
