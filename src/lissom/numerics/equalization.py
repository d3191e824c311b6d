"""Factors for channels that make weights or activations easier to round.

A channel is multiplied by a factor f where it is made and divided by it where it is read. All
functions answer such factors, positive, one for each channel.

    balance   f = sqrt(read / made): both ranges become the same (Nagel et al., arXiv:1906.04721,
              equation 11, with geometric means where several weights make or read a channel)
    migrate   f = read^(1 - a) / seen^a: a share a of what is large in an activation goes into the
              weights that read it (Xiao et al., arXiv:2211.10438, equation 4, whose s is 1 / f)
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.numerics.quantized import dequantize, quantize, quantize_weight, scale_zero_point

__all__ = ["balance", "migrate", "output_error"]

Array: TypeAlias = npt.NDArray[Any]


def balance(made: Sequence[Array], read: Sequence[Array], limit: float = 1e4) -> Array:
    """Factors that make the range of what is made that of what is read.

    Args:
        made: the largest absolute weight of each channel, [channels], of each weight that makes it.
        read: likewise of each weight that reads it.
        limit: factors are at most this, and at least its inverse.

    Returns:
        [channels]; 1 where a channel is nowhere made or nowhere read.

    Raises:
        ValueError: there is nothing on one side.
    """
    out, into = _mean_log(made), _mean_log(read)
    factors = np.exp(np.clip((into - out) / 2, -np.log(limit), np.log(limit)))
    return np.where(np.isfinite(factors), factors, 1.0)


def _mean_log(ranges: Sequence[Array]) -> Array:
    """The mean logarithm; NaN where one of them is zero or not finite."""
    if not ranges:
        raise ValueError("a channel must be made and read somewhere")
    stacked = np.asarray(ranges, np.float64)
    fine = np.all((stacked > 0) & np.isfinite(stacked), axis=0)
    return np.where(fine, np.log(np.where(fine, stacked, 1.0)).mean(axis=0), np.nan)


def migrate(seen: Array, read: Array, alpha: float) -> Array:
    """Factors that move a share of what is large in an activation into the weights that read it.

    Args:
        seen: the largest absolute activation of each channel, [channels].
        read: the largest absolute weight that reads each channel, [channels].
        alpha: the share; at 0 only the weights are levelled, at 1 only the activations.

    Returns:
        [channels], with a geometric mean of 1; 1 where a channel is never seen or never read.
    """
    fine = (seen > 0) & (read > 0) & np.isfinite(seen) & np.isfinite(read)
    if not np.any(fine):
        return np.ones(len(seen))
    logs = (1 - alpha) * np.log(np.where(fine, read, 1)) - alpha * np.log(np.where(fine, seen, 1))
    logs -= logs[fine].mean()
    return np.where(fine, np.exp(logs), 1.0)


def output_error(x: Array, weight: Array, ends: tuple[float, float], *, bits: int = 8) -> float:
    """How much of a layer's output is lost if its input and its weight are rounded.

    Args:
        x: rows of its input, [rows, inputs].
        weight: [outputs, inputs], rounded per output channel, symmetrically.
        ends: the range of the input, rounded asymmetrically with one scale.
        bits: of both.

    Returns:
        The squared error over the squared output, both summed; 0 if there is no output.
    """
    low, high = min(ends[0], 0.0), max(ends[1], 0.0)
    scale, point = scale_zero_point(low, high, bits=bits, signed=False, symmetric=False)
    inputs = dequantize(quantize(x, scale, point, bits=bits, signed=False))
    rounded = dequantize(quantize_weight(weight.astype(np.float32), bits=bits, axis=0))
    wanted = x.astype(np.float32) @ weight.astype(np.float32).T
    lost = float(((inputs @ rounded.T - wanted).astype(np.float64) ** 2).sum())
    total = float((wanted.astype(np.float64) ** 2).sum())
    return lost / total if total > 0 else 0.0
