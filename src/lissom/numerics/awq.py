"""Factors for the inputs of a matrix, so that those which matter most are rounded finest.

y = W x = (W diag(s)) (diag(1/s) x): a larger s_j spreads column j over more of the grid, at the
cost of the others in its block. With s_j = (size of x_j)^alpha one number is searched, by what
rounding to nearest then loses (Lin et al., "AWQ", 2023, arXiv:2306.00978, equations 4 and 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.numerics.gptq import loss
from lissom.numerics.grids import Shape, largest

__all__ = ["input_factors"]

Array: TypeAlias = npt.NDArray[Any]

_ALPHAS = np.linspace(0.0, 1.0, 11)
_LARGEST = 1e3  # of a factor: beyond, inputs are as good as dead


def input_factors(
    sizes: Array, layers: Sequence[tuple[Array, Array]], shapes: Sequence[Shape], *, repeat: int = 1
) -> Array:
    """The factor of each input channel, shared by all matrices that read it.

    Args:
        sizes: the root mean square of each input channel, [channels].
        layers: for each matrix W [outputs, channels x repeat] and H [inputs, inputs] of its loss.
        shapes: of the grid of each.
        repeat: columns of each channel: the places of a convolution's kernel.

    Returns:
        s [channels], positive; ones where nothing better is found.
    """
    best, least = np.ones(len(sizes)), np.inf
    alive = sizes > 0.0
    if not np.any(alive):
        return best
    usual = np.where(alive, sizes, np.median(sizes[alive]))
    for alpha in _ALPHAS:
        factors = usual**alpha
        factors = factors / np.sqrt(factors.max() * factors.min())
        factors = np.clip(factors, 1.0 / _LARGEST, _LARGEST)
        wide = np.repeat(factors, repeat)
        total = 0.0
        for (weight, hessian), shape in zip(layers, shapes, strict=True):
            scaled = weight * wide
            rounded = largest(scaled, shape).rounded(scaled) / wide
            total += float(loss(weight, rounded, hessian).sum())
        if total < least:
            best, least = factors, total
    return best
