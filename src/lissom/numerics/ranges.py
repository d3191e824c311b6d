"""From what was seen of a value to the range of reals that its integers will cover.

Three ways to choose a range from a histogram: everything that was seen (`minmax`), all but the
rarest values (`percentile`), or the range with the smallest expected squared error, rounding and
clipping together (`mse`). Every range contains zero, so that zero itself (padding, ReLU) has an
exact integer.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lissom.numerics.histogram import Histogram

__all__ = ["Range", "expected_error", "minmax", "mse", "percentile"]


@dataclass(frozen=True, slots=True)
class Range:
    """The real interval [low, high] that the integers cover; low <= 0 <= high."""

    low: float
    high: float

    @property
    def empty(self) -> bool:
        """True when only zero lies in it: no scale can be made of it."""
        return not self.high > self.low

    def symmetric(self) -> "Range":
        """The smallest range around this one with zero in its middle."""
        most = max(-self.low, self.high)
        return Range(-most, most)


def minmax(histogram: Histogram) -> Range:
    """The range from the smallest to the largest value seen, and zero.

    Raises:
        ValueError: nothing finite was seen.
    """
    if not len(histogram.counts):
        raise ValueError("a histogram of nothing has no range")
    return Range(min(0.0, histogram.low), max(0.0, histogram.high))


def percentile(histogram: Histogram, percent: float) -> Range:
    """The range without the (100 - percent)% smallest and as many of the largest values, and zero.

    Args:
        histogram: what was seen.
        percent: 50 to 100; 100 is `minmax`.

    Raises:
        ValueError: nothing finite was seen, or `percent` is outside 50 to 100.
    """
    if not 50.0 <= percent <= 100.0:
        raise ValueError(f"percent is {percent}, it must be in 50 to 100")
    tail = (100.0 - percent) / 100.0
    return Range(
        min(0.0, histogram.quantile(tail)),
        max(0.0, histogram.quantile(1.0 - tail)),
    )


def expected_error(
    histogram: Histogram,
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
    levels: int,
) -> NDArray[np.float64]:
    """The mean squared error of quantizing what was seen, for many ranges at once.

    Args:
        histogram: what was seen; each bin counts as its centre, its own spread is common to all
            ranges.
        lows: [ranges], each <= 0.
        highs: [ranges], each >= 0 and above its low.
        levels: how many integers cover each range.

    Returns:
        [ranges], in squared units of the values.
    """
    centers = histogram.centers[None, :]
    step = ((highs - lows) / (levels - 1))[:, None]
    # The integer of zero is exact, so the real ends move by less than half a step.
    zero = np.rint(-lows[:, None] / step)
    integers = np.clip(np.rint(centers / step) + zero, 0, levels - 1)
    error = centers - (integers - zero) * step
    weight = histogram.counts / max(1, histogram.count)
    return np.asarray((error * error) @ weight, np.float64)


def mse(histogram: Histogram, *, bits: int, symmetric: bool) -> Range:
    """The range with the smallest expected squared error, found on a grid that is refined twice.

    The ends are shrunk together first, then each on its own around the best; the grid is geometric
    because the best range of a heavy tail may be a small part of what was seen.

    Raises:
        ValueError: nothing finite was seen.
    """
    whole = minmax(histogram)
    if whole.empty:
        return whole
    if symmetric:
        whole = whole.symmetric()
    levels = 2**bits - 1 if symmetric else 2**bits
    together = np.geomspace(1.0, 0.02, 80)
    low, high = _best(histogram, whole.low * together, whole.high * together, levels)
    for spread in (0.35, 0.08):
        factors = np.linspace(1.0 - spread, 1.0 + spread, 21)
        lows = np.maximum(low * factors, whole.low)
        highs = np.minimum(high * factors, whole.high)
        if not symmetric:
            mesh = np.meshgrid(lows, highs) if low < 0.0 < high else (lows, highs)
            lows, highs = mesh[0].reshape(-1), mesh[1].reshape(-1)
        low, high = _best(histogram, lows, highs, levels)
    return Range(low, high)


def _best(
    histogram: Histogram, lows: NDArray[np.float64], highs: NDArray[np.float64], levels: int
) -> tuple[float, float]:
    best = int(np.argmin(expected_error(histogram, lows, highs, levels)))
    return float(lows[best]), float(highs[best])
