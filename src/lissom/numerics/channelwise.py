"""Each channel scaled and shifted so that its mean and variance are those that it should have.

From sums over rows of what channels give now (x) and what they should (y), channel by channel:
a = sd(y) / sd(x), b = E y - a E x. The shift alone is the bias correction of Nagel, van Baalen,
Blankevoort and Welling, "Data-free quantization through weight equalization and bias correction",
2019, arXiv:1906.04721, section 4.2, from data; with the scale it is that of Jordan et al.,
"REPAIR: renormalizing permuted activations", 2022, arXiv:2211.08403, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Channels", "matched"]

Array: TypeAlias = npt.NDArray[Any]
_LEAST_SHARE = 1e-6  # of the channels' mean variance: below it a channel is constant
_LESS = 0.999  # of the error: what falls less does not count


@dataclass(slots=True, kw_only=True, eq=False)
class Channels:
    """Sums over rows, each [channels].

    Attributes:
        rows: how many.
        x: of what channels give.
        y: of what they should give.
        xx: of squares.
        yy: of squares.
        xy: of products.
    """

    rows: int
    x: Array
    y: Array
    xx: Array
    yy: Array
    xy: Array

    @classmethod
    def empty(cls, channels: int) -> Channels:
        """Of no rows."""
        sums = (np.zeros(channels) for _ in range(5))
        return cls(rows=0, x=next(sums), y=next(sums), xx=next(sums), yy=next(sums), xy=next(sums))

    def add(self, x: Array, y: Array) -> None:
        """Add rows [rows, channels] of what is given and of what should be."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        self.rows += len(x)
        self.x += x.sum(axis=0)
        self.y += y.sum(axis=0)
        self.xx += (x * x).sum(axis=0)
        self.yy += (y * y).sum(axis=0)
        self.xy += (x * y).sum(axis=0)

    def spreads(self) -> tuple[Array, Array]:
        """The variances of what is given and of what should be."""
        count = max(self.rows, 1)
        return (
            np.maximum(self.xx / count - (self.x / count) ** 2, 0.0),
            np.maximum(self.yy / count - (self.y / count) ** 2, 0.0),
        )

    def error(self, scale: Array, shift: Array) -> float:
        """The mean squared error of scale x + shift, over all channels together."""
        squares = scale * scale * self.xx + self.yy + self.rows * shift * shift
        products = scale * shift * self.x - scale * self.xy - shift * self.y
        return float(max(0.0, (squares + 2 * products).sum()) / max(self.rows, 1))


def matched(seen: Channels, held_out: Channels, *, scales: bool) -> tuple[Array, Array] | None:
    """The scale and shift of each channel after which mean and variance agree.

    Args:
        seen: rows to match.
        held_out: other rows, which decide: only what lowers their error is taken, the shift alone
            where scaling raises it.
        scales: whether channels can be scaled, or only shifted.

    Returns:
        [channels] each; None if nothing lowers the error, or there are no other rows.
    """
    count = max(seen.rows, 1)
    given, wanted = seen.spreads()
    ones = np.ones(len(given))
    moves = given > _LEAST_SHARE * max(float(given.mean()), 1e-300)
    ratio = np.where(moves, np.sqrt(wanted / np.where(moves, given, 1.0)), 1.0)
    tried = [ratio, ones] if scales else [ones]
    pairs = [(scale, seen.y / count - scale * seen.x / count) for scale in tried]
    scale, shift = min(pairs, key=lambda pair: held_out.error(*pair))
    before = held_out.error(ones, np.zeros(len(ones)))
    if not held_out.rows or held_out.error(scale, shift) >= _LESS * before:
        return None
    return scale, shift
