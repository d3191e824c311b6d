"""Remove the channels that cost least once everything that reads them is fitted anew.

Source: Optimal Brain Surgeon (Hassibi and Stork, 1992), for blocks of columns, on the layer-wise
least squares problem (Dong, Chen and Pan, 2017, arXiv:1705.07565; Frantar and Alistarh, "Optimal
Brain Compression", 2022, arXiv:2208.11580, section 3).
Differs: a unit's cost is summed over all operators that read it, each relative to the variance of
its outputs; covariances instead of second moments, since the bias takes what is constant. How much
leaves where is decided by the error at the model's outputs, measured group by group.
Needs: samples without labels.
Cost: one inverse of each reader's input covariance, O(inputs^3).
Choose it when: there are samples. It is the best criterion here.
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

__all__ = ["Obs"]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Obs:
    """Channel pruning by the cost after refitting; see the module."""

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
        return prune("prune.obs", amount, model, context, _rank, sees="worth")


def _rank(view: View) -> Ranking:
    if view.worth is None:
        raise ValueError(f"nothing was seen of {view.group.name}")
    return Ranking(order=view.worth.order, costs=view.worth.costs)
