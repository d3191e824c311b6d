"""Weights as 2- to 8-bit integers, each column making good what the earlier ones lost (GPTQ).

Source: Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ", ICLR 2023, arXiv:2210.17323, algorithm 1.
Differs: covariances instead of second moments, since the bias takes the mean; scales are searched
for the error that remains; passes of coordinate descent follow (Behdin et al., "QuantEase", 2023,
arXiv:2309.01885); convolutions are treated as products over patches, group by group. The greedy
order is OBQ, by which GPTQ came about: Frantar and Alistarh, "Optimal Brain Compression", NeurIPS
2022, arXiv:2208.11580, algorithm 3.
Needs: samples without labels.
Cost: for each layer O(inputs^3) and some times O(inputs^2 outputs): seconds for a million weights.
In greedy order O(inputs^3 outputs): seconds for 64 outputs of 576 inputs, hours for thousands.
Choose it when: weights get 4 bits or fewer and there are samples. It loses less than
quantize.weight_only at the same size; speed is the same.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.model import Model
from lissom.methods.protocol import SETTINGS, Context, Need, Plan
from lissom.methods.reading import Array
from lissom.methods.rounding import Layer, plan_rounding
from lissom.methods.weights import AccuracyLevel, BlockSize, KernelName, Reconstruction, Symmetric
from lissom.numerics.descent import descend
from lissom.numerics.gptq import Factored, gptq, loss
from lissom.numerics.grids import Best, Grid, Shape, largest, searched
from lissom.numerics.obq import obq
from lissom.numerics.quantized import QuantizedTensor

__all__ = ["Gptq"]

_FACTORS = (0.85, 0.9, 0.95, 1.05)  # of the scales, beside 1
_PASSES = 4


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Gptq:
    """Weight-only quantization by GPTQ; see the module."""

    bits: Annotated[
        int,
        Field(ge=2, le=8, description="Bits per weight.", json_schema_extra={"search": [4, 3]}),
    ] = 4
    block_size: BlockSize = None
    symmetric: Symmetric = True
    kernel: KernelName = "auto"
    accuracy_level: AccuracyLevel = 0
    order: Annotated[
        Literal["activation", "natural", "greedy"],
        Field(
            description="Columns are rounded by the size of their inputs, or as they stand, or in "
            "each row always the weight that costs least next, which takes far longer.",
            json_schema_extra={"search": ["activation"]},
        ),
    ] = "activation"
    damping: Annotated[
        float,
        Field(
            ge=0.0,
            le=10.0,
            description="Added to the covariance of the inputs, as a share of their mean variance.",
            json_schema_extra={"search": [0.01]},
        ),
    ] = 0.01
    reconstruction: Reconstruction = "layer"

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Round every operator that can be seen as a matrix."""
        return plan_rounding(self, model, context)

    def round(self, layer: Layer) -> QuantizedTensor:
        """The integers of one matrix: for each row the best of some scales, then improved."""
        weight, hessian = layer.weight, layer.known()
        shape = Shape(bits=self.bits, block_size=layer.block_size, symmetric=self.symmetric)
        damped = np.array(hessian)
        damped[np.diag_indices(len(damped))] += self.damping * np.diag(hessian).mean()
        full = largest(weight, shape)
        plain = full.rounded(weight)
        best = Best(plain, full, loss(weight, plain, damped))
        for found, grid in self._columnwise(weight, hessian, searched(weight, shape)):
            best.offer(found, grid, loss(weight, found, damped))
        found = descend(weight, best.matrix, damped, best.grid.nearest, passes=_PASSES)
        return best.grid.tensor(found)

    def _columnwise(
        self, weight: Array, hessian: Array, start: Grid
    ) -> Iterator[tuple[Array, Grid]]:
        """Matrices whose weights make good what others lost, and their grids."""
        if self.order == "greedy":
            yield obq(weight, hessian, start.in_row, damping=self.damping), start
            return
        factored = Factored.of(hessian, order=self.order, damping=self.damping)
        for factor in (1.0, *_FACTORS):
            grid = start.scaled(np.full((1, 1), factor))
            yield gptq(weight, factored, grid.nearest), grid
