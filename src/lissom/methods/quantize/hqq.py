"""Weights as 2- to 8-bit integers on grids that outliers do not spoil, without samples (HQQ).

Source: Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models", Mobius
Labs, 2023, section "Half-Quadratic Solver"; no preprint, https://mobiusml.github.io/hqq_blog/.
Differs: zero points are whole numbers, as files store them, so scales are fitted together with
them; it begins with the scales of the least squared error instead of the full range.
Needs: nothing.
Cost: some tens of passes over the weights.
Choose it when: weights get 4 bits or fewer and there are no samples; with samples quantize.gptq
loses less.
"""

from typing import Annotated, ClassVar, Literal, final

from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.model import Model
from lissom.methods.protocol import SETTINGS, Context, Need, Plan
from lissom.methods.rounding import Layer, plan_rounding
from lissom.methods.weights import AccuracyLevel, BlockSize, KernelName, Symmetric
from lissom.numerics.grids import Shape, searched
from lissom.numerics.hqq import half_quadratic
from lissom.numerics.quantized import QuantizedTensor

__all__ = ["Hqq"]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Hqq:
    """Weight-only quantization by half-quadratic splitting; see the module."""

    bits: Annotated[
        int,
        Field(ge=2, le=8, description="Bits per weight.", json_schema_extra={"search": [4, 3]}),
    ] = 4
    block_size: BlockSize = None
    symmetric: Symmetric = False
    kernel: KernelName = "auto"
    accuracy_level: AccuracyLevel = 0
    norm: Annotated[
        float,
        Field(
            ge=0.1,
            le=1.0,
            description="The power by which errors are weighed; the smaller, the less outliers do.",
            json_schema_extra={"search": [0.7]},
        ),
    ] = 0.7
    steps: Annotated[
        int,
        Field(ge=0, le=1000, description="Of the solver.", json_schema_extra={"search": [20]}),
    ] = 20

    needs: ClassVar[frozenset[Need]] = frozenset()

    @property
    def reconstruction(self) -> Literal["layer"]:
        """Layers are rounded alone."""
        return "layer"

    def plan(self, model: Model, context: Context) -> Plan:
        """Round every operator that can be seen as a matrix."""
        return plan_rounding(self, model, context)

    def round(self, layer: Layer) -> QuantizedTensor:
        """The integers of one matrix."""
        shape = Shape(bits=self.bits, block_size=layer.block_size, symmetric=self.symmetric)
        start = searched(layer.weight, shape)
        grid = half_quadratic(layer.weight, start, norm=self.norm, steps=self.steps)
        return grid.tensor(grid.rounded(layer.weight))
