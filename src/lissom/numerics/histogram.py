"""A streaming histogram: bounded memory, however many the values and however wide their spread.

Bins have a width that is a power of two and edges that are multiples of it. When a value falls
outside what the bins can hold, neighbouring bins are merged (the width doubles). The final bins
depend only on the smallest and the largest value ever seen, so neither the order of the values nor
the way in which they were split over several histograms matters: merging gives exactly the
histogram of all values together.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "Histogram"]

BINS = 2048
"""The most bins that a histogram holds; the observed range fills at least about half of them."""

_FINEST = -149  # the exponent of the smallest float32: no finer bin is ever useful
_INDEX_BITS = 50  # bin indices stay exact integers in float64
_CHUNK = 1 << 18  # values looked at together: their temporaries stay in the cache


def _exponent(low: float, high: float) -> int:
    """The smallest k for which bins of width 2**k hold [low, high] in at most `BINS` bins."""
    largest = max(abs(low), abs(high))
    k = max(_FINEST, math.frexp(largest)[1] - _INDEX_BITS) if largest else _FINEST
    span = high / 2 - low / 2  # halves: the difference of two finite floats may overflow
    if span:
        k = max(k, math.frexp(span)[1] + 1 - BINS.bit_length() - 1)
    while math.floor(math.ldexp(high, -k)) - math.floor(math.ldexp(low, -k)) >= BINS:
        k += 1
    return k


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram:
    """Counts of values in bins `[i * width, (i + 1) * width)` for i = first, first + 1, ...

    Attributes:
        exponent: the bin width is `2 ** exponent`.
        first: index of the first bin.
        counts: int64 [bins], bins <= `BINS`; empty when nothing finite was seen.
        low: the smallest finite value seen, exact (infinity when none was).
        high: the largest finite value seen, exact (minus infinity when none was).
        non_finite: how many values were NaN or infinite; they are in no bin.
    """

    exponent: int = _FINEST
    first: int = 0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    low: float = math.inf
    high: float = -math.inf
    non_finite: int = 0

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Histogram":
        """The histogram of one array of any shape and real type."""
        return cls().added(values)

    @property
    def count(self) -> int:
        """How many finite values were seen."""
        return int(self.counts.sum())

    @property
    def width(self) -> float:
        """The width of every bin."""
        return math.ldexp(1.0, self.exponent)

    @property
    def centers(self) -> NDArray[np.float64]:
        """The middle of every bin, float64 [bins]."""
        middles = self.first + np.arange(len(self.counts)) + 0.5
        return np.asarray(np.ldexp(middles, self.exponent), np.float64)

    def added(self, values: NDArray[Any]) -> "Histogram":
        """This histogram with the values of an array (any shape, any real type) added."""
        flat = np.asarray(values).reshape(-1)
        result: Histogram = self
        for start in range(0, flat.size, _CHUNK):
            result = _added(result, flat[start : start + _CHUNK])
        return result

    def merged(self, other: "Histogram") -> "Histogram":
        """The histogram of everything that either has seen."""
        if not len(other.counts):
            return _rebinned(self, self.low, self.high, other.non_finite)
        low, high = min(self.low, other.low), max(self.high, other.high)
        mine = _rebinned(self, low, high, other.non_finite)
        return replace(mine, counts=mine.counts + _rebinned(other, low, high, 0).counts)

    def quantile(self, fraction: float) -> float:
        """The value below which `fraction` (0 to 1) of the values lie, within one bin width.

        Raises:
            ValueError: nothing finite was seen, or the fraction is outside 0 to 1.
        """
        if not len(self.counts):
            raise ValueError("a histogram of nothing has no quantiles")
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"fraction is {fraction}, it must be in 0 to 1")
        cumulative = np.cumsum(self.counts)
        wanted = fraction * float(cumulative[-1])
        index = int(np.searchsorted(cumulative, wanted, side="left"))
        if wanted <= 0.0:
            return self.low
        below = float(cumulative[index] - self.counts[index])
        inside = (wanted - below) / float(self.counts[index])
        value = math.ldexp(self.first + index + inside, self.exponent)
        return min(max(value, self.low), self.high)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state as three arrays; `from_arrays` is the inverse."""
        return {
            "counts": self.counts,
            "bins": np.array([self.exponent, self.first, self.non_finite], np.int64),
            "limits": np.array([self.low, self.high], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The histogram that `to_arrays` wrote."""
        exponent, first, non_finite = (int(v) for v in arrays["bins"])
        low, high = (float(v) for v in arrays["limits"])
        return cls(
            exponent=exponent,
            first=first,
            counts=np.asarray(arrays["counts"], np.int64),
            low=low,
            high=high,
            non_finite=non_finite,
        )


def _added(histogram: Histogram, values: NDArray[Any]) -> Histogram:
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    lost = 0
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = values[np.isfinite(values)]
        lost = values.size - finite.size
        values = finite
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not values.size:
        return _rebinned(histogram, histogram.low, histogram.high, lost)
    result = _rebinned(histogram, min(low, histogram.low), max(high, histogram.high), lost)
    index = _floors(values, result.exponent) - result.first
    more = np.bincount(index, minlength=len(result.counts))
    return replace(result, counts=result.counts + more)


def _floors(values: NDArray[Any], exponent: int) -> NDArray[np.int64]:
    """The exact floor(values / 2**exponent)."""
    if values.dtype == np.float32 and -126 <= exponent <= 0:
        # Scaling up by a power of two is exact in float32 too, and twice as fast.
        scaled = values * np.float32(2.0**-exponent)
    else:
        scaled = np.ldexp(values.astype(np.float64), -exponent)
    return np.asarray(np.floor(scaled, out=scaled).astype(np.int64))


def _rebinned(histogram: Histogram, low: float, high: float, lost: int) -> Histogram:
    """The same counts in the bins that [low, high] asks for."""
    non_finite = histogram.non_finite + lost
    if low > high:
        return Histogram(non_finite=non_finite)
    exponent = _exponent(low, high)
    first = math.floor(math.ldexp(low, -exponent))
    last = math.floor(math.ldexp(high, -exponent))
    counts = np.zeros(last - first + 1, np.int64)
    if len(histogram.counts):
        # An arithmetic shift is floor division by a power of two, so edges stay nested.
        shift = min(exponent - histogram.exponent, 62)
        old = (histogram.first + np.arange(len(histogram.counts), dtype=np.int64)) >> shift
        np.add.at(counts, old - first, histogram.counts)
    return Histogram(
        exponent=exponent, first=first, counts=counts, low=low, high=high, non_finite=non_finite
    )
