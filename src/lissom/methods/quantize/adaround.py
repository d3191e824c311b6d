"""Weights as 2- to 8-bit integers, whether each goes up or down learnt layer by layer (AdaRound).

Source: Nagel, Amjad, van Baalen, Louizos and Blankevoort, "Up or Down? Adaptive Rounding for
Post-Training Quantization", ICML 2020, arXiv:2004.10568, equations 21 to 25.
Differs: the error is the quadratic form of the inputs' covariance, not that of batches of samples;
what follows the layer (its activation function) is left out; what is not rounded yet is not known
unless asked for (`reconstruction: sequence`, the paper's asymmetric reconstruction).
Needs: samples without labels.
Cost: for each layer O(inputs^2 outputs) at every step: minutes for a million weights.
Choose it when: weights get 4 bits or fewer, there are samples and time; after GPTQ it may find a
little more.
"""

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.model import Model
from lissom.methods.protocol import SETTINGS, Context, Need, Plan
from lissom.methods.rounding import Layer, plan_rounding
from lissom.methods.weights import AccuracyLevel, BlockSize, KernelName, Reconstruction, Symmetric
from lissom.numerics.adaround import adaround
from lissom.numerics.gptq import Factored, gptq, loss
from lissom.numerics.grids import Best, Shape, searched
from lissom.numerics.quantized import QuantizedTensor

__all__ = ["Adaround"]

_DAMPING = 1e-2
_TINY = 1e-30


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Adaround:
    """Weight-only quantization by adaptive rounding; see the module."""

    bits: Annotated[
        int,
        Field(ge=2, le=8, description="Bits per weight.", json_schema_extra={"search": [4, 3]}),
    ] = 4
    block_size: BlockSize = None
    symmetric: Symmetric = True
    kernel: KernelName = "auto"
    accuracy_level: AccuracyLevel = 0
    start: Annotated[
        Literal["nearest", "gptq"],
        Field(
            description="Between which neighbours is chosen: the weight's own, or those of what "
            "GPTQ makes of it.",
            json_schema_extra={"search": ["nearest", "gptq"]},
        ),
    ] = "nearest"
    steps: Annotated[
        int,
        Field(ge=1, le=100_000, description="Of Adam.", json_schema_extra={"search": [400]}),
    ] = 400
    reconstruction: Reconstruction = "layer"

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Round every operator that can be seen as a matrix."""
        return plan_rounding(self, model, context)

    def round(self, layer: Layer) -> QuantizedTensor:
        """The integers of one matrix; a row for which nothing better was found stays as it was."""
        weight, hessian = layer.weight, layer.known()
        shape = Shape(bits=self.bits, block_size=layer.block_size, symmetric=self.symmetric)
        damped = hessian + _DAMPING * np.diag(hessian).mean() * np.eye(len(hessian))
        grid = searched(weight, shape)
        first, around = grid.rounded(weight), None
        if self.start == "gptq":
            first = gptq(weight, Factored.of(hessian, damping=_DAMPING), grid.nearest)
            # Where each number alone would go: what was found is one of the two beside it.
            around = first - (first - weight) @ damped / np.maximum(np.diag(damped), _TINY)
        best = Best(first, grid, loss(weight, first, damped))
        found = adaround(weight, damped, grid, around=around, steps=self.steps)
        best.offer(found, grid, loss(weight, found, damped))
        return grid.tensor(best.matrix)
