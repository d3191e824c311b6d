"""Orthogonal matrices that spread what is large over all channels, and how spread weights are."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["incoherence", "orthogonal"]

Array: TypeAlias = npt.NDArray[Any]


def orthogonal(size: int, seed: int) -> Array:
    """A randomized Hadamard matrix if the size is a power of two, else a random orthogonal one.

    Args:
        size: of the matrix, at least 1.
        seed: of the signs, or of the matrix.

    Returns:
        [size, size] float64, whose inverse is its transpose.
    """
    rng = np.random.default_rng(seed)
    if size & (size - 1):
        found, upper = np.linalg.qr(rng.standard_normal((size, size)))
        return np.asarray(found * np.sign(np.diag(upper)))
    made = np.ones((1, 1))
    while len(made) < size:
        made = np.block([[made, made], [made, -made]])
    signs = np.where(rng.random(size) < 0.5, -1.0, 1.0)
    return np.asarray(made * signs / np.sqrt(size))


def incoherence(weight: Array) -> float:
    """The largest absolute element over the root mean square; 0 for zeros, 1 at the least else."""
    square = float(np.mean(np.square(weight, dtype=np.float64))) if weight.size else 0.0
    return float(np.abs(weight).max() / np.sqrt(square)) if square > 0 else 0.0
