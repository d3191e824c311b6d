"""The axes of a picture: where round numbers lie, and which part of the whole shows at first.

Every place is a share of the whole axis, 0..1, so that a page can draw it at any width without
knowing one. What shows at first is a window on the whole; zooming moves the window and draws
nothing anew.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["Axis", "step", "ticks"]

_ROUND: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis in the numbers of its data.

    Attributes:
        whole: first and last number of the whole; the first lies left, or at the top.
        window: first and last number of what shows at first, inside `whole`.
    """

    whole: tuple[float, float]
    window: tuple[float, float]

    def place(self, value: float) -> float:
        """Where a number lies on the whole axis: 0 at its first end, 1 at its last."""
        first, last = self.whole
        return (value - first) / (last - first)

    def shown(self, value: float) -> float:
        """Where a number lies in the window: 0..1 inside it."""
        first, last = self.window
        return (value - first) / (last - first)

    def inside(self, value: float) -> bool:
        """Whether a number shows at first."""
        return 0.0 <= self.shown(value) <= 1.0

    @property
    def stretch(self) -> float:
        """How many windows long the whole axis is."""
        return abs((self.whole[1] - self.whole[0]) / (self.window[1] - self.window[0]))

    @property
    def shift(self) -> float:
        """Where the whole axis begins, in windows from the window's own beginning; 0 or less."""
        return self.shown(self.whole[0])


def step(span: float, most: int) -> float:
    """Answer the smallest round step of which at most `most` fit into a span."""
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * one for one in _ROUND if power * one >= raw * (1 - 1e-9))


def ticks(ends: Iterable[float], most: int) -> list[float]:
    """Answer the multiples of a round step between two ends, in rising order."""
    low, high = sorted(ends)
    if not high > low:
        return [low]
    size = step(high - low, most)
    first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
    # rounding takes off what the product adds in the last digits; a minus zero reads as an error
    digits = max(0, 2 - math.floor(math.log10(size)))
    return [round(index * size, digits) + 0.0 for index in range(first, last + 1)]
