"""Remove the channels with the smallest weights, scaled so that all layers can be compared.

Source: Lee, Park, Mo, Ahn and Shin, "Layer-adaptive sparsity for the magnitude-based pruning"
(LAMP), 2021, arXiv:2010.07611, equation 5: the square of a weight over the sum of the squares that
are not smaller.
Differs: for whole channels, of the squared norms of units.
Needs: samples without labels for the repair; nothing without it.
Cost: O(parameters).
Choose it when: there are no samples and layers differ much in width.
"""

from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass

from lissom.graph.model import Model
from lissom.methods.protocol import SETTINGS, Context, Need, Plan
from lissom.methods.pruning import (
    Aim,
    Allocation,
    Amount,
    Grid,
    Ranking,
    Ratio,
    Repaired,
    View,
    prune,
)

__all__ = ["Lamp"]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Lamp:
    """Channel pruning by layer-adaptive magnitude; see the module."""

    ratio: Ratio = 0.5
    allocation: Allocation = "global"
    repair: Repaired = True
    goal: Aim = "macs"
    grid: Grid = None

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Remove units, and repair."""
        amount = Amount(
            ratio=self.ratio,
            allocation=self.allocation,
            goal=self.goal,
            grid=self.grid,
            repair=self.repair,
        )
        return prune("prune.lamp", amount, model, context, _rank)


def _rank(view: View) -> Ranking:
    squares = np.zeros(view.group.units)
    for rows in view.slices():
        own = np.asarray([(each**2).sum() for each in rows])
        squares += own / (own.sum() or 1.0)
    order = np.argsort(squares, kind="stable")
    rising = squares[order]
    scaled = rising / np.maximum(np.cumsum(rising[::-1])[::-1], 1e-300)
    return Ranking(order=order, costs=np.cumsum(scaled)[:-1])
