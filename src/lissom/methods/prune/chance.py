"""Remove channels at random: the baseline that every criterion must beat.

Source: none; the control of Mittal, Bhardwaj, Khapra and Ravindran, "Recovering from random
pruning", 2018, arXiv:1801.10447.
Differs: whole units of channel groups; the repair is the same as for all criteria.
Needs: samples without labels for the repair; nothing without it.
Cost: none.
Choose it when: measuring what a criterion is worth.
"""

from typing import ClassVar, final

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

__all__ = ["Chance"]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Chance:
    """Channel pruning at random; see the module."""

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
        return prune("prune.chance", amount, model, context, _rank)


def _rank(view: View) -> Ranking:
    return Ranking.of_scores(view.rng.random(view.group.units))
