"""Weights as 8- or 4-bit integers, activations in float.

Source: round-to-nearest per block, the baseline of Frantar et al., "GPTQ", ICLR 2023,
arXiv:2210.17323, sec. 4; the kernel is MatMulNBits of ONNX Runtime.
Differs: nothing is optimized, each weight goes to its nearest integer; embeddings have 8 bits, a
scale per row, whatever the bits of the others.
Needs: nothing.
Cost: O(parameters).
Choose it when: the file or the memory for weights is what is short; speed gains come only where
products have few rows (text generation) and the runtime multiplies packed weights. Weights that are
folded at load are as fast as float ones, in a runtime that computes constants then.
"""

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.edit import Edit, EncodeWeight
from lissom.graph.model import Model
from lissom.graph.site import sites
from lissom.methods.encoding import merged
from lissom.methods.protocol import ALREADY, NO_WEIGHTS, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.weights import Form, nearest, refusal
from lissom.numerics.quantized import quantize_weight

__all__ = ["WeightOnly"]

_ID = "quantize.weight_only"


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class WeightOnly:
    """Weight-only quantization; see the module."""

    bits: Annotated[
        Literal[4, 8],
        Field(description="Bits per weight.", json_schema_extra={"search": [8, 4]}),
    ] = 8
    block_size: Annotated[
        Literal[16, 32, 64, 128, 256] | None,
        Field(
            description="Inputs of an output channel that share a scale; null: the whole channel.",
            json_schema_extra={"search": [None, 32, 128]},
        ),
    ] = None
    kernel: Annotated[
        Literal["auto", "dequantize", "fold", "matmul_nbits"],
        Field(
            description="Expand weights in each run (dequantize) or at load (fold), whichever the "
            "runtime does faster (auto), or multiply matrices packed.",
            json_schema_extra={"search": ["auto", "matmul_nbits"]},
        ),
    ] = "auto"
    accuracy_level: Annotated[
        Literal[0, 4],
        Field(
            description="For matmul_nbits: 4 lets the runtime round activations to 8 bits.",
            json_schema_extra={"search": [0, 4]},
        ),
    ] = 0
    power_of_two: Annotated[
        bool,
        Field(
            description="Scales are powers of two, for hardware that shifts and does not multiply: "
            "rounding errors grow, twofold at most.",
            json_schema_extra={"search": [False]},
        ),
    ] = False

    needs: ClassVar[frozenset[Need]] = frozenset()

    def plan(self, model: Model, context: Context) -> Plan:
        """Round every weight that the kernel can read back."""
        if context.original.already_quantized:
            skip = Skip(target="model", reason=ALREADY)
            return Plan(method=_ID, edits=(), skips=(skip,), summary="nothing could be quantized")
        form = Form(
            bits=self.bits,
            block_size=self.block_size,
            kernel=self.kernel,
            accuracy_level=self.accuracy_level,
        )
        found: list[EncodeWeight] = []
        skips: list[Skip] = []
        all_sites = sites(model)
        if not all_sites:
            skips.append(Skip(target="model", reason=NO_WEIGHTS))
        obstacle = form.obstacle(model) if all_sites else None
        for site in all_sites:
            reason = refusal(model, site, context)
            if reason is None and form.packs(model, site, context):
                rows = site.canonical(np.asarray(model.weight(site.weight)))  # [out, in]
                integers = quantize_weight(
                    rows,
                    bits=self.bits,
                    axis=1,
                    block_size=self.block_size,
                    power_of_two=self.power_of_two,
                )
                found.append(form.edit(site, integers, context.store, packed=True))
            elif reason is None and obstacle is None:
                edit = nearest(
                    model,
                    site,
                    context.store,
                    bits=self.bits,
                    block_size=form.blocks_of(site),
                    power_of_two=self.power_of_two,
                )
                found.append(edit)
            else:
                skips.append(Skip(target=site.name, reason=reason or str(obstacle)))
        found = [form.folded(model, edit, context) for edit in found]
        edits: tuple[Edit, ...] = tuple(merged(found))
        packed = sum(edit.kernel == "matmul_nbits" for edit in found)
        return Plan(
            method=_ID,
            edits=edits,
            skips=tuple(skips),
            summary=f"{len(found)} of {len(all_sites)} weights in {self.bits} bits, "
            f"{packed} multiplied packed",
        )
