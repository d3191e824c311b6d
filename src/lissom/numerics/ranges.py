"""From what was seen of a value to the range of reals that its integers will cover.

Ways to choose a range from a histogram: everything that was seen (`minmax`), all but the rarest
values (`percentile`), the range with the smallest expected squared error, rounding and clipping
together (`mse`), or the one that keeps most of the distribution (`entropy`). `least_output_error`
looks at rows instead, and at what the layer behind makes of the error. Every range contains zero,
so that zero itself (padding, ReLU) has an exact integer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lissom.numerics.histogram import Histogram

__all__ = [
    "Range",
    "divergence",
    "entropy",
    "expected_error",
    "least_output_error",
    "minmax",
    "mse",
    "output_error",
    "percentile",
]


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


def divergence(histogram: Histogram, covered: Range, levels: int) -> float:
    """What quantization to a range loses of a distribution: KL(seen || quantized), in nats.

    What lies outside the range is counted at its last bins, where it is clipped to; the quantized
    distribution spreads what an integer stands for evenly over its bins, and knows nothing of what
    was clipped. The bin at zero is left out of both, since zero is exact whatever the range.
    Source: Migacz, "8-bit Inference with TensorRT", GTC 2017.

    Args:
        histogram: what was seen.
        covered: the range.
        levels: how many integers cover it.
    """
    near = np.arange(len(histogram.counts)) + histogram.first
    used = (histogram.counts > 0) & (near != 0)
    centers = np.clip(histogram.centers[used], histogram.low, histogram.high)
    counts = histogram.counts[used].astype(np.float64)
    inside = (centers >= covered.low) & (centers <= covered.high)
    if not inside.any():
        return float(np.inf) if len(counts) else 0.0
    kept = counts[inside]
    seen = kept.copy()
    seen[0] += counts[centers < covered.low].sum()
    seen[-1] += counts[centers > covered.high].sum()
    step = (covered.high - covered.low) / (levels - 1)
    integer = np.rint((centers[inside] - covered.low) / step).astype(np.int64)
    spread = np.bincount(integer, kept)[integer] / np.bincount(integer)[integer]
    seen, spread = seen / seen.sum(), spread / spread.sum()
    return float(max(0.0, (seen * np.log(seen / spread)).sum()))


def entropy(histogram: Histogram, *, bits: int) -> Range:
    """The range with the smallest `divergence`; of equal ones the widest.

    Both ends shrink together first, then each on its own, since tails differ.

    Raises:
        ValueError: nothing finite was seen.
    """
    whole = minmax(histogram)
    if whole.empty:
        return whole
    shares = np.geomspace(1.0, 0.02, 80).tolist()
    lows, highs = [whole.low * f for f in shares], [whole.high * f for f in shares]

    def best(ranges: Iterable[Range]) -> Range:
        return min(ranges, key=lambda one: divergence(histogram, one, 2**bits))

    found = best(map(Range, lows, highs))
    for end in ("high", "low", "high"):
        moved = highs if end == "high" else lows
        found = best(replace(found, **{end: value}) for value in dict.fromkeys(moved))
    return found


Reader = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Rows that a layer reads, [rows, inputs], and what it makes of them: its weight, [outputs, inputs]
or any matrix with the same product weight.T @ weight."""


def output_error(readers: Sequence[Reader], covered: Range, levels: int) -> float:
    """The squared error at the outputs of layers whose input is quantized to a range, summed.

    Source: the error of a layer's output as in Nagel et al., "Up or Down?", ICML 2020,
    arXiv:2004.10568, eq. 6, for the error of its input instead of its weights.
    """
    step = np.float32((covered.high - covered.low) / (levels - 1))
    zero = np.rint(np.float32(-covered.low) / step)
    total = 0.0
    for rows, weight in readers:
        integers = np.clip(np.rint(rows / step) + zero, 0, levels - 1)
        error = ((integers - zero) * step - rows) @ weight.T
        total += float(np.square(error).sum(dtype=np.float64))
    return total


def least_output_error(readers: Sequence[Reader], starts: Sequence[Range], *, bits: int) -> Range:
    """The range with the smallest `output_error`, among some and what lies inside the widest.

    Both ends of the widest shrink together, then each end moves on its own around the best. Each
    layer counts as a share of its own outputs' energy, so that none drowns the others.

    Args:
        readers: rows and weights of what reads the value.
        starts: ranges to be no worse than, the widest first; none is empty.
        bits: of the integers.
    """
    whole = starts[0]
    alike = [_alike(rows, weight) for rows, weight in readers]

    def best(ranges: Iterable[Range]) -> Range:
        return min(ranges, key=lambda one: output_error(alike, one, 2**bits))

    together = np.geomspace(1.0, 0.05, 16).tolist()
    found = best([*starts, *(Range(whole.low * f, whole.high * f) for f in together)])
    moved = np.linspace(0.8, 1.2, 9).tolist()
    if found.low < 0.0:
        found = best([found, *(Range(max(whole.low, found.low * f), found.high) for f in moved)])
    if found.high > 0.0:
        found = best([found, *(Range(found.low, min(whole.high, found.high * f)) for f in moved)])
    return found


def _alike(rows: NDArray[np.float32], weight: NDArray[np.float32]) -> Reader:
    """A reader with the same errors as shares of its outputs' energy, and few outputs."""
    matrix = weight.astype(np.float64)
    if matrix.shape[0] > matrix.shape[1]:
        matrix = np.asarray(np.linalg.qr(matrix, mode="r"))
    energy = float(np.square(rows @ matrix.T).sum())
    return rows, np.asarray(matrix / np.sqrt(energy or 1.0), np.float32)
