"""Columns rounded one after another, each making good what the earlier ones lost (GPTQ).

For a layer y = W x the loss of other weights is tr((W' - W) H (W' - W)^T), H the second moment (or
the covariance) of x. With the order of columns fixed, what rounding column j loses is best made
good by the columns that are still free: w_F -= (w_j - q_j) [H_F^-1]_jF / [H_F^-1]_jj. All these
rows of inverses are rows of one factor: H^-1 = T^T T with T upper triangular (Frantar et al., 2022,
arXiv:2210.17323, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Order", "Nearest", "gptq", "loss"]

Array: TypeAlias = npt.NDArray[Any]
Nearest: TypeAlias = Callable[[Array, int], Array]
"""The nearest values that may stand in a column: from values [outputs] and the column's number."""
Order: TypeAlias = Literal["activation", "natural"]

_COLUMN_BATCH = 128  # columns whose corrections of all later ones are done at once


def gptq(
    weight: Array,
    hessian: Array,
    nearest: Nearest,
    *,
    order: Order = "activation",
    damping: float = 1e-2,
) -> Array:
    """Round a matrix column by column.

    Args:
        weight: W [outputs, inputs].
        hessian: H [inputs, inputs], the second moment or covariance of the inputs.
        nearest: rounds a column: to integers times a scale, or to the entries of a codebook.
        order: `activation` takes the columns with the largest [H]_jj first, while there are many
            others to make good what they lose; `natural` from left to right.
        damping: of H, as a share of its mean diagonal; more where H cannot be factored.

    Returns:
        The rounded matrix, float64 [outputs, inputs].
    """
    diagonal = np.diag(hessian)
    columns = np.arange(len(diagonal))
    if order == "activation":
        columns = np.argsort(-diagonal, kind="stable")
    factor = inverse_factor(hessian[np.ix_(columns, columns)], damping)
    left = weight[:, columns].astype(np.float64)
    found = np.empty_like(left)
    count = len(columns)
    for start in range(0, count, _COLUMN_BATCH):
        end = min(start + _COLUMN_BATCH, count)
        batch, lost = left[:, start:end], np.empty((len(left), end - start))
        rows = factor[start:end, start:end]
        for place in range(end - start):
            value = nearest(batch[:, place], int(columns[start + place]))
            lost[:, place] = (batch[:, place] - value) / rows[place, place]
            batch[:, place + 1 :] -= np.outer(lost[:, place], rows[place, place + 1 :])
            found[:, start + place] = value
        left[:, end:] -= lost @ factor[start:end, end:]
    answer = np.empty_like(found)
    answer[:, columns] = found
    return answer


def inverse_factor(hessian: Array, damping: float) -> Array:
    """T, upper triangular, with T^T T = (H + damping x mean diagonal)^-1.

    H = L L^T with rows and columns turned around gives T without an inverse: the inverse of a lower
    triangular factor of the turned matrix is, turned back, upper triangular.
    """
    from scipy.linalg import cholesky, solve_triangular

    turned = np.asarray(hessian, np.float64)[::-1, ::-1]
    mean = float(np.trace(turned)) / max(len(turned), 1) or 1.0
    share = max(damping, 1e-9)
    while True:
        damped = turned + share * mean * np.eye(len(turned))
        try:
            lower = cholesky(damped, lower=True)
            break
        except np.linalg.LinAlgError:
            share *= 10.0
    inverse = solve_triangular(lower, np.eye(len(turned)), lower=True)
    return np.asarray(inverse[::-1, ::-1])


def loss(weight: Array, rounded: Array, hessian: Array) -> Array:
    """The mean squared error of each output, [outputs]: (W' - W) H (W' - W)^T, its diagonal."""
    difference = rounded - weight
    return np.asarray(np.maximum(((difference @ hessian) * difference).sum(axis=1), 0.0))
