"""Remove the channels of small weights times large activations.

Source: Sun, Liu, Bair and Kolter, "A simple and effective pruning approach for large language
models" (Wanda), 2023, arXiv:2306.11695, equation 1: |W_ij| times the norm of x_j.
Differs: for whole channels the scores of a unit's columns are summed over outputs and readers, each
reader relative to its mean, as in its structured descendants.
Needs: samples without labels.
Cost: O(parameters + samples).
Choose it when: comparing with the literature; `prune.obs` knows more.
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

__all__ = ["Wanda"]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Wanda:
    """Channel pruning by weights times activations; see the module."""

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
        return prune("prune.wanda", amount, model, context, _rank, sees="energy")


def _rank(view: View) -> Ranking:
    scores = np.zeros(view.group.units)
    for reading, weight, columns in view.readers():
        each = np.abs(weight).sum(axis=0) * np.sqrt(view.seen[reading.node].second)
        own = np.asarray([each[unit].sum() for unit in columns])
        scores += own / (own.mean() or 1.0)
    return Ranking.of_scores(scores)
