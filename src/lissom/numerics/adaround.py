"""Whether each weight goes up or down, learnt: AdaRound on the layer's quadratic error.

Each weight is scale x (its lower neighbour on the grid + h(V)), and over V is minimized

    tr((W' - W) H (W' - W)^T) + lambda sum(1 - |2 h(V) - 1|^beta)

with h(V) = clip(s(V) (z - g) + g, 0, 1), s the sigmoid, z = 1.1, g = -0.1 and beta annealed, so
that all h end at 0 or 1 (Nagel et al., 2020, arXiv:2004.10568, equations 21 to 24). The expectation
over inputs is taken beforehand, in H.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.numerics.grids import Grid

__all__ = ["adaround"]

Array: TypeAlias = npt.NDArray[Any]

_ZETA, _GAMMA = 1.1, -0.1
_BETAS = (20.0, 2.0)  # of the regularizer, at the end of the warm start and at the end
_WARM = 0.2  # share of the steps without the regularizer
_RATE = 0.1  # of Adam
_DECAY = (0.9, 0.99)  # of Adam's means


def adaround(
    weight: Array,
    hessian: Array,
    grid: Grid,
    *,
    around: Array | None = None,
    steps: int = 400,
    strength: float = 1.0,
) -> Array:
    """Round a matrix.

    Args:
        weight: W [outputs, inputs].
        hessian: H [inputs, inputs], the second moment or covariance of the inputs.
        grid: the values that the weights may take.
        around: the matrix between whose neighbours on the grid is chosen; W itself, or where
            another method would like them to go.
        steps: of Adam.
        strength: lambda, in units of a weight's own error: scale^2 [H]_jj on average.

    Returns:
        The rounded matrix, float64 [outputs, inputs].
    """
    wide = weight.shape[1]
    step = np.broadcast_to(grid.step(wide), weight.shape)
    low, high = (np.broadcast_to(one, weight.shape) for one in grid.bounds(wide))
    target = np.clip(weight if around is None else around, low, high)
    # One below the top at most, so that up and down both exist.
    floor = np.minimum(np.floor(target / step) * step, high - step)
    share = np.clip((target - floor) / step, 0.0, 1.0).astype(np.float32)
    # In units of each weight's own error, one rate suits all; and float32 holds those of any size.
    unit = np.sqrt(np.mean(step**2, axis=1, keepdims=True))
    second = np.empty(hessian.shape, np.float32)  # divided into it, since it may be large
    np.divide(hessian, float(np.mean(np.diag(hessian))) or 1.0, out=second, casting="same_kind")
    stride = (step / unit).astype(np.float32)
    base = ((floor - weight) / unit).astype(np.float32)
    inner = np.clip((share - _GAMMA) / (_ZETA - _GAMMA), 1e-3, 1 - 1e-3)
    v = np.log(inner / (1.0 - inner))
    first, square = np.zeros_like(v), np.zeros_like(v)
    for number in range(steps):
        sigmoid = 1.0 / (1.0 + np.exp(-v))
        stretched = sigmoid * (_ZETA - _GAMMA) + _GAMMA
        h = np.clip(stretched, 0.0, 1.0)
        slope = np.where((stretched > 0.0) & (stretched < 1.0), sigmoid * (1 - sigmoid), 0.0)
        slope *= _ZETA - _GAMMA
        gradient = 2.0 * ((base + stride * h) @ second) * stride
        progress = number / max(steps - 1, 1)
        if progress >= _WARM:
            gradient += strength * _regularizer_slope(h, (progress - _WARM) / (1 - _WARM))
        gradient *= slope
        first += (1 - _DECAY[0]) * (gradient - first)
        square += (1 - _DECAY[1]) * (gradient**2 - square)
        unbiased = first / (1 - _DECAY[0] ** (number + 1))
        spread = np.sqrt(square / (1 - _DECAY[1] ** (number + 1)))
        v -= _RATE * unbiased / (spread + 1e-8)
    up = 1.0 / (1.0 + np.exp(-v)) > 0.5
    return np.asarray(grid.rounded(floor + step * up))


def _regularizer_slope(h: Array, progress: float) -> Array:
    """The derivative of 1 - |2 h - 1|^beta, beta annealed as half a cosine."""
    beta = _BETAS[1] + (_BETAS[0] - _BETAS[1]) * 0.5 * (1.0 + np.cos(np.pi * progress))
    away = 2.0 * h - 1.0
    return np.asarray(-2.0 * beta * np.sign(away) * np.abs(away) ** (beta - 1.0))
