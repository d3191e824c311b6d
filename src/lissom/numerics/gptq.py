"""Columns rounded one after another, each making good what the earlier ones lost (GPTQ).

For a layer y = W x the loss of other weights is tr((W' - W) H (W' - W)^T), H the second moment (or
the covariance) of x. With the order of columns fixed, what rounding column j loses is best made
good by the columns that are still free: w_F -= (w_j - q_j) [H_F^-1]_jF / [H_F^-1]_jj. All these
rows of inverses are rows of one factor: H^-1 = T^T T with T upper triangular (Frantar et al., 2022,
arXiv:2210.17323, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Factored", "Nearest", "Order", "gptq", "loss"]

Array: TypeAlias = npt.NDArray[Any]
Nearest: TypeAlias = Callable[[Array, int], Array]
"""The nearest values that may stand in a column: from values [outputs] and the column's number."""
Order: TypeAlias = Literal["activation", "natural"]

_COLUMN_BATCH = 128  # columns whose corrections of all later ones are done at once


@dataclass(frozen=True, slots=True)
class Factored:
    """What of a Hessian decides who makes good what, whatever the values that may stand there.

    Attributes:
        columns: in the order in which they are rounded, [inputs].
        factor: T of the Hessian with its rows and columns in that order, [inputs, inputs].
    """

    columns: Array
    factor: Array

    @classmethod
    def of(cls, hessian: Array, *, order: Order = "activation", damping: float = 1e-2) -> Factored:
        """Factor a Hessian.

        Args:
            hessian: H [inputs, inputs], the second moment or covariance of the inputs.
            order: `activation` takes the columns with the largest [H]_jj first, while there are
                many others to make good what they lose; `natural` from left to right.
            damping: of H, as a share of its mean diagonal; more where H cannot be factored.
        """
        diagonal = np.diag(hessian)
        columns = np.arange(len(diagonal))
        if order == "activation":
            columns = np.argsort(-diagonal, kind="stable")
        return cls(columns, inverse_factor(hessian, damping, columns))


def gptq(weight: Array, hessian: Factored, nearest: Nearest) -> Array:
    """Round a matrix column by column.

    Args:
        weight: W [outputs, inputs].
        hessian: of the inputs.
        nearest: rounds a column: to integers times a scale, or to the entries of a codebook.

    Returns:
        The rounded matrix, float64 [outputs, inputs].
    """
    columns, factor = hessian.columns, hessian.factor
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


def inverse_factor(hessian: Array, damping: float, columns: Array | None = None) -> Array:
    """T, upper triangular, with T^T T = (H + damping x mean diagonal)^-1.

    H = L L^T with rows and columns turned around gives T without an inverse: the inverse of a lower
    triangular factor of the turned matrix is, turned back, upper triangular. Beside H there is one
    more matrix of its size at any time, which becomes T.

    Args:
        hessian: H [inputs, inputs].
        damping: as a share of the mean diagonal.
        columns: the order of rows and columns, [inputs]; None: as they stand.
    """
    from scipy.linalg import cholesky
    from scipy.linalg.lapack import dtrtri

    count = len(hessian)
    if not count:
        return np.zeros((0, 0))
    turned = np.arange(count)[::-1] if columns is None else columns[::-1]
    mean = float(np.trace(hessian)) / count or 1.0
    share = max(damping, 1e-9)
    while True:
        # It is symmetric: transposed it lies as LAPACK takes it, who then needs no room of its own.
        damped = np.array(hessian[np.ix_(turned, turned)].T, np.float64, order="F", copy=None)
        damped[np.diag_indices(count)] += share * mean
        try:
            lower = cholesky(damped, lower=True, overwrite_a=True, check_finite=False)
            break
        except np.linalg.LinAlgError:
            share *= 10.0
    inverse, singular = dtrtri(lower, lower=1, overwrite_c=1)
    if singular:
        raise np.linalg.LinAlgError("a factor has a zero on its diagonal")
    return np.asarray(inverse[::-1, ::-1])


def loss(weight: Array, rounded: Array, hessian: Array) -> Array:
    """The mean squared error of each output, [outputs]: (W' - W) H (W' - W)^T, its diagonal."""
    difference = rounded - weight
    return np.asarray(np.maximum(((difference @ hessian) * difference).sum(axis=1), 0.0))
