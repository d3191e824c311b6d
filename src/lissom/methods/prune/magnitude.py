"""Remove the channels with the smallest weights.

Source: Li, Kadav, Durdanovic, Samet and Graf, "Pruning filters for efficient ConvNets", 2017,
arXiv:1608.08710, section 3 (L1); by a threshold as Han, Pool, Tran and Dally, 2015,
arXiv:1506.02626.
Differs: a unit's norm is taken over the weights of all operators that make it. For a ratio each
operator's is relative to its mean over units. Against a threshold stands the norm per weight: mean
absolute value (L1) or root mean square (L2), over all of them together, since plain norms grow with
the number of weights and one threshold would mean something else in every layer.
Needs: samples without labels for the repair; nothing without it.
Cost: O(parameters).
Choose it when: there are no samples. It knows nothing of biases and means: a channel of small
weights that carries a large constant is removed first.
"""

from typing import Annotated, ClassVar, Literal, Self, final

import numpy as np
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from lissom.graph.model import Model
from lissom.methods.protocol import SETTINGS, Context, Need, Plan
from lissom.methods.pruning import (
    Aim,
    Allocation,
    Amount,
    EitherRatio,
    Grid,
    Ranking,
    Repaired,
    View,
    prune,
    prune_under,
)
from lissom.methods.reading import Array

__all__ = ["Magnitude"]

_ID = "prune.magnitude"


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
    ratio: EitherRatio = None
    threshold: Annotated[
        Annotated[float, Field(ge=0.0, lt=float("inf"))] | None,
        Field(
            description="Instead of a ratio: all units of a smaller norm per weight leave, however "
            "many; allocation, goal and grid have no say then.",
            json_schema_extra={"search": [0.01]},
        ),
    ] = None
    allocation: Allocation = "uniform"
    repair: Repaired = True
    goal: Aim = "macs"
    grid: Grid = None

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.ratio is not None and self.threshold is not None:
            raise ValueError("give a ratio or a threshold, not both")
        return self

    def plan(self, model: Model, context: Context) -> Plan:
        """Remove units, and repair."""
        if self.threshold is not None:
            return prune_under(
                _ID, self.threshold, model, context, self._per_weight, repaired=self.repair
            )
        amount = Amount(
            ratio=self.ratio or 0.5,
            allocation=self.allocation,
            goal=self.goal,
            grid=self.grid,
            repair=self.repair,
        )
        return prune(_ID, amount, model, context, self._rank)

    def _rank(self, view: View) -> Ranking:
        order = 1 if self.norm == "l1" else 2
        scores = np.zeros(view.group.units)
        for rows in view.slices():
            own = np.asarray([np.linalg.norm(each.ravel(), order) for each in rows])
            scores += own / (own.mean() or 1.0)
        return Ranking.of_scores(scores)

    def _per_weight(self, view: View) -> Array:
        power = 1 if self.norm == "l1" else 2
        sums, count = np.zeros(view.group.units), 0
        for rows in view.slices():
            sums += np.asarray([(np.abs(each) ** power).sum() for each in rows])
            count += rows[0].size
        return np.asarray((sums / max(count, 1)) ** (1 / power))
