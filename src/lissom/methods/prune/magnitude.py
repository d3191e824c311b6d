"""Remove the channels with the smallest weights.

Source: Li, Kadav, Durdanovic, Samet and Graf, "Pruning filters for efficient ConvNets", 2017,
arXiv:1608.08710, section 3 (L1); by a threshold as Han, Pool, Tran and Dally, 2015,
arXiv:1506.02626.
Differs: a unit's norm is taken over the weights of all operators that make it, each relative to
their mean.
Needs: samples without labels for the repair; nothing without it.
Cost: O(parameters).
Choose it when: there are no samples. It knows nothing of biases and means: a channel of small
weights that carries a large constant is removed first.
"""

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field
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

__all__ = ["Magnitude"]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Magnitude:
    """Channel pruning by the size of weights; see the module."""

    norm: Annotated[
        Literal["l1", "l2"],
        Field(
            description="Sum of absolute weights, or root of the sum of squares.",
            json_schema_extra={"search": ["l1"]},
        ),
    ] = "l1"
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
        return prune("prune.magnitude", amount, model, context, self._rank)

    def _rank(self, view: View) -> Ranking:
        order = 1 if self.norm == "l1" else 2
        scores = np.zeros(view.group.units)
        for rows in view.slices():
            own = np.asarray([np.linalg.norm(each.ravel(), order) for each in rows])
            scores += own / (own.mean() or 1.0)
        return Ranking.of_scores(scores)
