"""Weights as 2- to 8-bit integers, those that meet large activations rounded finest (AWQ).

Source: Lin, Tang, Tang, Yang, Dang, Gan and Han, "AWQ", MLSys 2024, arXiv:2306.00978, section 3.2.
Differs: sizes of activations are root mean squares instead of mean magnitudes; the ranges of the
grids are searched afterwards for the layer's error; inputs are scaled only where what gives them
takes the factors for nothing (through ReLU and pooling, too), all others are rounded as they are.
Needs: samples without labels.
Cost: for each layer some times O(inputs^2 outputs).
Choose it when: samples are few, or not like what the model will see: it fits one number a layer.
With more samples quantize.gptq loses less.
"""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.edit import EncodeWeight, ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.methods.input_scaling import scaled
from lissom.methods.protocol import SETTINGS, Context, Need, Plan
from lissom.methods.reading import readings
from lissom.methods.rounding import Layer, plan_rounding
from lissom.methods.weights import AccuracyLevel, BlockSize, KernelName, Symmetric, refusal
from lissom.numerics.grids import Shape, searched
from lissom.numerics.quantized import QuantizedTensor

__all__ = ["Awq"]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Awq:
    """Activation-aware weight-only quantization; see the module."""

    bits: Annotated[
        int,
        Field(ge=2, le=8, description="Bits per weight.", json_schema_extra={"search": [4, 3]}),
    ] = 4
    block_size: BlockSize = None
    symmetric: Symmetric = False
    kernel: KernelName = "auto"
    accuracy_level: AccuracyLevel = 0

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    @property
    def reconstruction(self) -> Literal["layer"]:
        """Layers are rounded alone."""
        return "layer"

    def plan(self, model: Model, context: Context) -> Plan:
        """Scale inputs where that is free, then round."""
        seen = context.calibration
        nodes = [
            node
            for node, (site, _) in readings(model, grouped=True).items()
            if refusal(model, site, context) is None
        ]
        if seen is None or context.original.already_quantized or not nodes:
            return plan_rounding(self, model, context)
        shape = Shape(bits=self.bits, block_size=self.block_size, symmetric=self.symmetric)
        edits = scaled(model, nodes, shape, context, seen)
        plan = plan_rounding(self, perform(model, edits, context.store), context)
        later = {e.weight for e in plan.edits if isinstance(e, EncodeWeight | ReplaceWeight)}
        first = [e for e in edits if isinstance(e, ReplaceWeight) and e.weight not in later]
        return replace(plan, edits=(*first, *plan.edits))

    def round(self, layer: Layer) -> QuantizedTensor:
        """The integers of one matrix."""
        shape = Shape(bits=self.bits, block_size=layer.block_size, symmetric=self.symmetric)
        grid = searched(layer.weight, shape, np.diag(layer.known()))
        return grid.tensor(grid.rounded(layer.weight))
