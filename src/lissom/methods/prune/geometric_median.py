"""Remove the channels that the others can stand in for: those nearest to the geometric median.

Source: He, Liu, Wang, Hu and Yang, "Filter pruning via geometric median" (FPGM), 2019,
arXiv:1811.00250, equation 7: the sum of a filter's distances to all others.
Differs: distances are taken over the weights of all operators that make a unit.
Needs: samples without labels for the repair; nothing without it.
Cost: O(units^2 x weights of a unit).
Choose it when: filters are alike and none is small, which magnitude cannot see.
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

__all__ = ["GeometricMedian"]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class GeometricMedian:
    """Channel pruning by distance to the others; see the module."""

    ratio: Ratio = 0.5
    allocation: Allocation = "uniform"
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
        return prune("prune.geometric_median", amount, model, context, _rank)


def _rank(view: View) -> Ranking:
    scores = np.zeros(view.group.units)
    for rows in view.slices():
        flat = np.stack([each.ravel() for each in rows])
        squares = (flat**2).sum(axis=1)
        between = squares[:, None] + squares[None] - 2 * flat @ flat.T
        own = np.sqrt(np.maximum(between, 0.0)).sum(axis=1)
        scores += own / (own.mean() or 1.0)
    return Ranking.of_scores(scores)
