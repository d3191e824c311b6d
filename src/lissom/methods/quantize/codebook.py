"""Weights as indices into small tables: non-linear quantization, 2 to 8 bits each.

Source: k-means weight sharing of Han, Mao and Dally, "Deep Compression", 2015, arXiv:1510.00149,
section 3; weighted by importance as Kim et al., "SqueezeLLM", 2023, arXiv:2306.07629, section 4.1;
NF4 of Dettmers et al., "QLoRA", 2023, arXiv:2305.14314; float8 of Micikevicius et al., 2022,
arXiv:2209.05433; powers of two of Miyashita et al., 2016, arXiv:1603.01025. Rounding as Frantar et
al., "GPTQ", 2022, arXiv:2210.17323, algorithm 1.
Differs: GPTQ's feedback rounds to a table instead of a grid; tables and scales are then solved for
in closed form with the choices held (Deep Compression trains them); blocks have scales of their
own, and share one learned table; biases take the mean of the error.
Needs: samples without labels; nothing for rounding to nearest.
Cost: four inverses of the covariance of what each operator reads, O(inputs^3), and some passes.
Choose it when: the file is what is short, and 8 bits are too many. The runtime widens the weights
when it loads the model: the model is as fast and takes as much memory as the float one.
"""

from typing import Annotated, ClassVar, Literal, Self, final

import numpy as np
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from lissom.errors import MethodError
from lissom.graph.model import Model
from lissom.graph.opset import raise_opset
from lissom.graph.site import Site, sites
from lissom.methods.coding import coded
from lissom.methods.protocol import (
    ALREADY,
    NO_WEIGHTS,
    SETTINGS,
    Context,
    Need,
    Plan,
    Skip,
)
from lissom.methods.weights import Reconstruction
from lissom.numerics.coding import Scheme, Table
from lissom.numerics.levels import FIXED_BITS

__all__ = ["Codebook"]

_ID = "quantize.codebook"
_BITS = 4
_OPSET = 21  # the oldest with 4-bit integers; those that take words apart are of 18
_LEAST_WEIGHTS = 512  # below, nodes and tables take what is gained


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Codebook:
    """Weights as tables and indices; see the module."""

    bits: Annotated[
        Annotated[int, Field(ge=2, le=8)] | None,
        Field(
            description="Bits of an index; null: those of the table, and 4 for kmeans and log, "
            "which may have others; nf4 and fp4 have 4, float8 has 8, and no others.",
            json_schema_extra={"search": [4, 3, 6]},
        ),
    ] = None
    table: Annotated[
        Table,
        Field(
            description="Learned levels (kmeans), or those of a format.",
            json_schema_extra={"search": ["kmeans", "nf4"]},
        ),
    ] = "kmeans"
    granularity: Annotated[
        Literal["tensor", "channel", "block"],
        Field(
            description="What shares a table or a scale; channel gives long channels tables.",
            json_schema_extra={"search": ["block"]},
        ),
    ] = "block"
    block_size: Annotated[
        Literal[16, 32, 64, 128, 256],
        Field(
            description="Weights of an output channel that share a scale, for blocks.",
            json_schema_extra={"search": [32, 64]},
        ),
    ] = 32
    rounding: Annotated[
        Literal["feedback", "nearest"],
        Field(
            description="Make good each column's error with the next ones, or round to nearest.",
            json_schema_extra={"search": ["feedback"]},
        ),
    ] = "feedback"
    reconstruction: Reconstruction = "layer"

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    @model_validator(mode="after")
    def _bits_of_the_table(self) -> Self:
        own = FIXED_BITS.get(self.table)
        if own is not None and self.bits not in {None, own}:
            raise ValueError(
                f"bits is {self.bits}, and the table {self.table} has {own}; leave bits out, "
                "or take the table kmeans or log"
            )
        return self

    def plan(self, model: Model, context: Context) -> Plan:
        """Code every weight of an operator."""
        if context.original.already_quantized:
            skip = Skip(target="model", reason=ALREADY)
            return Plan(method=_ID, edits=(), skips=(skip,), summary="nothing could be coded")
        if self.rounding == "feedback" and context.calibration is None:
            raise MethodError("calibration samples are needed, and none were given")
        every = sites(model)
        wanted: dict[str, list[str]] = {}
        skips = [] if every else [Skip(target="model", reason=NO_WEIGHTS)]
        too_old = bool(every) and raise_opset(model, _OPSET) is None
        for site in every:
            reason = _refusal(model, site, context)
            if reason is None and too_old:
                reason = f"codes need opset {_OPSET}; it cannot be raised"
            if reason is None:
                wanted.setdefault(site.weight, []).append(site.node)
            else:
                skips.append(Skip(target=site.name, reason=reason))
        if not wanted:
            return Plan(method=_ID, edits=(), skips=tuple(skips), summary="nothing could be coded")
        scheme = Scheme(
            table=self.table,
            bits=self.bits or _BITS,
            granularity=self.granularity,
            block_size=self.block_size,
        )
        if self.rounding == "nearest":
            context = context.restricted(_ID, frozenset())
        found = coded(model, wanted, scheme, self.reconstruction, context)
        skips += [
            Skip(target=node, reason=f"{reason}; it was coded for its own sake")
            for node, reason in found.unseen.items()
        ]
        worst = max(found.errors.values(), default=None)
        lost = "" if worst is None else f", no layer loses more than {worst:.2%} of its variance"
        return Plan(
            method=_ID,
            edits=found.edits,
            skips=tuple(skips),
            summary=f"{len(wanted)} of {len({site.weight for site in every})} weights in "
            f"{8 * found.size_bytes / found.weights:.2f} bits a number with tables and scales"
            + lost,
        )


def _refusal(model: Model, site: Site, context: Context) -> str | None:
    """Why a weight stays float; None if it does not."""
    info = model.weights[site.weight]
    if info.dtype != "float32":
        return f"its weight is {info.dtype}"
    if len(info.shape) < 2:
        return f"its weight has the shape {list(info.shape)}"
    if np.prod(info.shape) < _LEAST_WEIGHTS:
        return f"it has fewer than {_LEAST_WEIGHTS} weights, and tables are not worth it"
    if not np.all(np.isfinite(model.weight(site.weight))):
        return "its weights are not finite"
    return context.scope.refusal(model.node(site.node))
