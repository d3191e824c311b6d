"""The usual smallest and largest value of a run: moving averages that forget old runs slowly.

One enormous value in one run moves them by a hundredth of its size, where `minmax` would follow it
all the way. The average starts at nothing, so it is divided by the weight of what it has seen
(Kingma and Ba, "Adam", ICLR 2015, arXiv:1412.6980, sec. 3): a few runs give nearly their plain
mean. Source: Jacob et al., CVPR 2018, arXiv:1712.05877, sec. 3.1.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lissom.numerics.ranges import Range

__all__ = ["KEPT", "Smoothed"]

KEPT = 0.99
"""What is kept of the past at each run; a run fades to a third of its weight in a hundred runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothed:
    """Moving averages of the smallest and the largest value of each run.

    Attributes:
        low: of the smallest values, before it is divided by the weight of what was seen.
        high: of the largest values, likewise.
        runs: how many runs were seen.
    """

    low: float = 0.0
    high: float = 0.0
    runs: int = 0

    def added(self, values: NDArray[Any]) -> "Smoothed":
        """These averages after one more run; a run of nothing, NaN or infinity is left out."""
        if not values.size:
            return self
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            return self
        return Smoothed(
            low=KEPT * self.low + (1.0 - KEPT) * low,
            high=KEPT * self.high + (1.0 - KEPT) * high,
            runs=self.runs + 1,
        )

    @property
    def range(self) -> Range:
        """From the average smallest to the average largest value, and zero.

        Raises:
            ValueError: no run was seen.
        """
        if not self.runs:
            raise ValueError("an average over no runs has no range")
        weight = 1.0 - KEPT**self.runs
        return Range(min(0.0, self.low / weight), max(0.0, self.high / weight))

    def to_array(self) -> NDArray[np.float64]:
        """The whole state, float64 [3]; `from_array` is the inverse."""
        return np.array([self.low, self.high, self.runs], np.float64)

    @classmethod
    def from_array(cls, array: NDArray[np.float64]) -> "Smoothed":
        """The averages that `to_array` wrote."""
        low, high, runs = array.tolist()
        return cls(low=low, high=high, runs=int(runs))
