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

from dataclasses import replace
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.edit import Edit, EncodeWeight, IntegerEncoding
from lissom.graph.model import Model
from lissom.graph.opset import raise_opset
from lissom.graph.site import Site, sites
from lissom.methods.encoding import embedding, encode, merged
from lissom.methods.protocol import ALREADY, NO_WEIGHTS, SETTINGS, Context, Need, Plan, Skip
from lissom.numerics.packing import pack_matmul_nbits
from lissom.numerics.quantized import quantize_weight

__all__ = ["WeightOnly"]

_ID = "quantize.weight_only"
_BLOCKED_OPSET = 21  # the oldest with blocks and 4 bits in DequantizeLinear
_MATRICES = frozenset({"MatMul", "Gemm"})


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

    needs: ClassVar[frozenset[Need]] = frozenset()

    def plan(self, model: Model, context: Context) -> Plan:
        """Round every weight that the kernel can read back."""
        if context.original.already_quantized:
            skip = Skip(target="model", reason=ALREADY)
            return Plan(method=_ID, edits=(), skips=(skip,), summary="nothing could be quantized")
        found: list[EncodeWeight] = []
        skips: list[Skip] = []
        all_sites = sites(model)
        if not all_sites:
            skips.append(Skip(target="model", reason=NO_WEIGHTS))
        blocked = bool(all_sites) and self._blocked(model)
        for site in all_sites:
            reason = _refusal(model, site, context)
            if reason is None and self._packs(model, site, context):
                found.append(self._packed(model, site, context))
            elif reason is None and blocked:
                reason = f"4 bits and blocks need opset {_BLOCKED_OPSET}; it cannot be raised"
            elif reason is None:
                found.append(self._expanded(model, site, context))
            if reason is not None:
                skips.append(Skip(target=site.name, reason=reason))
        found = [self._folded(model, edit, context) for edit in found]
        edits: tuple[Edit, ...] = tuple(merged(found))
        packed = sum(edit.kernel == "matmul_nbits" for edit in found)
        return Plan(
            method=_ID,
            edits=edits,
            skips=tuple(skips),
            summary=f"{len(found)} of {len(all_sites)} weights in {self.bits} bits, "
            f"{packed} multiplied packed",
        )

    def _folded(self, model: Model, edit: EncodeWeight, context: Context) -> EncodeWeight:
        """The same weight widened at load, where that is asked for or faster.

        Rows of an embedding are widened once they are looked up.
        """
        readers = {model.node(name).op_type for name in edit.consumers}
        asked = self.kernel == "fold" and "Gather" not in readers
        faster = self.kernel == "auto" and readers <= context.facts.folds_weights
        return replace(edit, kernel="fold") if asked or faster else edit

    def _packs(self, model: Model, site: Site, context: Context) -> bool:
        """Whether a layer gets the kernel that multiplies packed weights."""
        attributes = model.node(site.node).attributes
        return (
            self.kernel == "matmul_nbits"
            and site.op_type in _MATRICES
            and attributes.get("alpha", 1.0) == 1.0
            and not attributes.get("transA", 0)
            and (self.bits, self.block_size) in context.facts.weight_only
        )

    def _packed(self, model: Model, site: Site, context: Context) -> EncodeWeight:
        rows = site.canonical(np.asarray(model.weight(site.weight)))  # [out, in]
        integers = quantize_weight(rows, bits=self.bits, axis=1, block_size=self.block_size)
        return EncodeWeight(
            weight=site.weight,
            encoding=IntegerEncoding.packed(pack_matmul_nbits(integers), context.store),
            kernel="matmul_nbits",
            consumers=(site.node,),
            accuracy_level=self.accuracy_level,
        )

    def _blocked(self, model: Model) -> bool:
        """Whether DequantizeLinear cannot hold such weights in this model's opset."""
        newer = self.bits == 4 or self.block_size is not None
        if not newer or model.opset >= _BLOCKED_OPSET:
            return False
        return raise_opset(model, _BLOCKED_OPSET) is None

    def _expanded(self, model: Model, site: Site, context: Context) -> EncodeWeight:
        weight = np.asarray(model.weight(site.weight))
        if site.op_type == "Gather":
            return encode(site.weight, embedding(weight), (site.node,), context.store)
        blocks = self.block_size is not None and len(site.shape) == 2
        integers = quantize_weight(
            weight,
            bits=self.bits,
            axis=site.in_axis if blocks else site.out_axis,
            block_size=self.block_size if blocks else None,
        )
        return encode(site.weight, integers, (site.node,), context.store)


def _refusal(model: Model, site: Site, context: Context) -> str | None:
    """Why a weight stays float; None if it does not."""
    info = model.weights[site.weight]
    if info.dtype != "float32":
        return f"its weight is {info.dtype}"
    if len(info.shape) < 2:
        return f"its weight has the shape {list(info.shape)}"
    if not np.all(np.isfinite(model.weight(site.weight))):
        return "its weights are not finite"
    return context.scope.refusal(model.node(site.node))
