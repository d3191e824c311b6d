"""Remove the channels that carry least energy into what reads them.

Source: the output energy |W_c|^2 E[x_c^2] of a channel, the first-order term of its contribution
(as ThiNet's channel selection, Luo, Wu and Lin, 2017, arXiv:1707.06342, section 3.2, without its
interactions).
Differs: with repair the variance stands for the mean square, since the bias takes what is constant;
relative to the variance of the reader's outputs; summed over readers.
Needs: samples without labels.
Cost: O(parameters + samples).
Choose it when: matrices are too large for `prune.obs`.
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

__all__ = ["Energy"]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Energy:
    """Channel pruning by output energy; see the module."""

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
        return prune("prune.energy", amount, model, context, self._rank, sees="energy")

    def _rank(self, view: View) -> Ranking:
        scores = np.zeros(view.group.units)
        for reading, weight, columns in view.readers():
            seen = view.seen[reading.node]
            constant = seen.mean**2 if self.repair else 0.0
            carried = (weight**2).sum(axis=0) * np.maximum(seen.second - constant, 0.0)
            scores += np.asarray([carried[own].sum() for own in columns]) / (seen.variance or 1.0)
        return Ranking.of_scores(scores)
