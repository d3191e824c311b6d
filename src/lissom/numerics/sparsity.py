"""Zeros put into a matrix where they cost least, and the rest corrected as it goes.

Columns are visited from left to right; what a zero loses is made good by the columns to its right,
through the inverse of the inputs' covariance: Optimal Brain Surgeon in one sweep, as SparseGPT
(Frantar and Alistarh, 2023, arXiv:2301.00774, algorithm 1), for unstructured, N:M and block masks.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.numerics.moments import Statistics

__all__ = ["Criterion", "Pattern", "importance", "mask_of", "sparsify"]

Array: TypeAlias = npt.NDArray[Any]
Pattern: TypeAlias = Literal["unstructured", "2:4", "4:8", "block"]
Criterion: TypeAlias = Literal["obs", "wanda", "magnitude"]

BLOCK = 16
"""Neighbouring inputs of one output that become zero together, for the pattern `block`."""
_SWEEP = 128  # columns whose mask is chosen at once: earlier columns have corrected them by then


def importance(weight: Array, criterion: Criterion, second: Array, root: Array) -> Array:
    """What each weight [outputs, inputs] is worth; the least become zero.

    Args:
        weight: the matrix.
        criterion: `obs` w^2 / [C^-1]_jj of what is left, `wanda` |w| times the norm of its input
            (Sun et al. 2023, equation 1), `magnitude` |w|.
        second: the mean square of each input, [inputs].
        root: the diagonal of the factor of C^-1, [inputs].
    """
    if criterion == "obs":
        return np.asarray(weight**2 / root**2)
    scale = np.sqrt(second) if criterion == "wanda" else np.ones_like(second)
    return np.asarray(np.abs(weight) * scale)


def mask_of(
    worth: Array, pattern: Pattern, ratio: float, *, rows: bool, threshold: float | None = None
) -> Array:
    """Which weights become zero.

    Args:
        worth: of each weight, [outputs, inputs].
        pattern: N:M puts N zeros among every M neighbouring inputs of an output, whatever the
            ratio; `block` zeroes 16 neighbouring inputs together.
        ratio: the share of zeros, for the patterns that leave it open.
        rows: compare within each output (as Wanda does), else over the whole matrix.
        threshold: instead of the ratio: all of which a weight (of a block, the mean) is worth less.
    """
    outputs, inputs = worth.shape
    if ":" in pattern:
        zeros, among = (int(number) for number in pattern.split(":"))
        whole = inputs // among * among
        groups = worth[:, :whole].reshape(outputs, -1, among)
        order = groups.argsort(axis=2, kind="stable").argsort(axis=2, kind="stable")
        found = np.zeros(worth.shape, bool)
        found[:, :whole] = (order < zeros).reshape(outputs, whole)
        return found
    if pattern == "block":
        whole = inputs // BLOCK * BLOCK
        means = worth[:, :whole].reshape(outputs, -1, BLOCK).mean(axis=2)
        found = np.zeros(worth.shape, bool)
        if means.size:
            least = _least(means, ratio, rows=rows, threshold=threshold)
            found[:, :whole] = least.repeat(BLOCK, axis=1)
        return found
    return _least(worth, ratio, rows=rows, threshold=threshold)


def _least(worth: Array, ratio: float, *, rows: bool, threshold: float | None) -> Array:
    if threshold is not None:
        return np.asarray(worth < threshold)
    flat = worth if rows else worth.reshape(1, -1)
    count = int(flat.shape[1] * ratio)
    found = np.zeros(flat.shape, bool)
    np.put_along_axis(found, flat.argsort(axis=1, kind="stable")[:, :count], values=True, axis=1)
    return found.reshape(worth.shape)


def sparsify(
    weight: Array,
    statistics: Statistics,
    *,
    ratio: float,
    pattern: Pattern = "unstructured",
    criterion: Criterion = "obs",
    threshold: float | None = None,
    damping: float = 1e-2,
) -> Array:
    """Zeros where they cost least, the rest corrected.

    Args:
        weight: [outputs, inputs].
        statistics: of the inputs.
        ratio: the share of zeros.
        pattern: where they may stand.
        criterion: which ones.
        threshold: instead of the ratio, in the units of `importance`; not for N:M patterns.
        damping: of the covariance, as a share of its mean variance.

    Returns:
        The matrix, float64.
    """
    left = weight.astype(np.float64)
    second, rows = statistics.second, criterion == "wanda"
    if criterion != "obs":  # these do not look at what is corrected
        plain = importance(left, criterion, second, np.ones_like(second))
        whole = mask_of(plain, pattern, ratio, rows=rows, threshold=threshold)
    start = 0
    for factor in statistics.inverse(damping).sweeps(_SWEEP):
        count, end = len(factor), start + len(factor)
        block, root = left[:, start:end], factor.diagonal()
        if criterion == "obs":
            worth = importance(block, criterion, second[start:end], root)
            zero = mask_of(worth, pattern, ratio, rows=rows, threshold=threshold)
        else:
            zero = whole[:, start:end]
        lost = np.zeros((len(left), count))
        for column in range(count):
            lost[:, column] = np.where(zero[:, column], block[:, column], 0.0) / root[column]
            block[:, column:] -= np.outer(lost[:, column], factor[column, column:count])
            block[zero[:, column], column] = 0.0
        left[:, end:] -= lost @ factor[:, count:]
        start = end
    return left
