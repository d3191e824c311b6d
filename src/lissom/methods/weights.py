"""Rounded weights as the kernels of a runtime take them: behind DequantizeLinear, or packed."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from lissom.graph.edit import EncodeWeight, IntegerEncoding
from lissom.graph.model import Model
from lissom.graph.opset import raise_opset
from lissom.graph.site import Site
from lissom.methods.encoding import embedding, encode
from lissom.methods.protocol import Context
from lissom.numerics.packing import pack_matmul_nbits
from lissom.numerics.quantized import QuantizedTensor, quantize_weight
from lissom.store.store import Store

__all__ = [
    "AccuracyLevel",
    "BlockSize",
    "Form",
    "KernelName",
    "Reconstruction",
    "Symmetric",
    "nearest",
    "refusal",
    "stored",
]

BlockSize: TypeAlias = Annotated[
    Literal[16, 32, 64, 128, 256] | None,
    Field(
        description="Inputs of an output channel that share a scale; null: the whole channel.",
        json_schema_extra={"search": [None, 32, 128]},
    ),
]
Symmetric: TypeAlias = Annotated[
    bool,
    Field(
        description="Zero points are zero; else each scale has one of its own.",
        json_schema_extra={"search": [True, False]},
    ),
]
KernelName: TypeAlias = Annotated[
    Literal["auto", "dequantize", "fold", "matmul_nbits"],
    Field(
        description="Expand weights in each run (dequantize) or at load (fold), whichever the "
        "runtime does faster (auto), or multiply matrices packed.",
        json_schema_extra={"search": ["auto", "matmul_nbits"]},
    ),
]
AccuracyLevel: TypeAlias = Annotated[
    Literal[0, 4],
    Field(
        description="For matmul_nbits: 4 lets the runtime round activations to 8 bits.",
        json_schema_extra={"search": [0, 4]},
    ),
]
Reconstruction: TypeAlias = Annotated[
    Literal["layer", "sequence", "block"],
    Field(
        description="Each layer alone; or what it reads is what the layers rounded before give "
        "(sequence), which takes longer; or, besides, the last layer before a residual sum is "
        "fitted towards the original's sum (block).",
        json_schema_extra={"search": ["layer", "sequence", "block"]},
    ),
]

_NEWER_OPSET = 21  # the oldest with blocks and 4 bits in DequantizeLinear
_MATRICES = frozenset({"MatMul", "Gemm"})
_LEAST_WHOLE_BITS = 5  # fewer are stored in 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How rounded weights are to be written.

    Attributes:
        bits: of each weight.
        block_size: inputs that share a scale, for matrices; None: the whole channel.
        kernel: for products with matrices, where the runtime has it.
        accuracy_level: for `matmul_nbits`.
    """

    bits: int
    block_size: int | None
    kernel: KernelName
    accuracy_level: int

    def packs(self, model: Model, site: Site, context: Context) -> bool:
        """Whether a layer gets the kernel that multiplies packed weights."""
        attributes = model.node(site.node).attributes
        return (
            self.kernel == "matmul_nbits"
            and site.op_type in _MATRICES
            and attributes.get("alpha", 1.0) == 1.0
            and not attributes.get("transA", 0)
            and (self.bits, self.block_size) in context.facts.weight_only
        )

    def obstacle(self, model: Model) -> str | None:
        """Why DequantizeLinear cannot hold such weights in this model; None if it can."""
        newer = self.bits < _LEAST_WHOLE_BITS or self.block_size is not None
        if not newer or model.opset >= _NEWER_OPSET:
            return None
        if raise_opset(model, _NEWER_OPSET) is not None:
            return None
        return f"4 bits and blocks need opset {_NEWER_OPSET}; it cannot be raised"

    def folded(self, model: Model, edit: EncodeWeight, context: Context) -> EncodeWeight:
        """The same weight widened at load, where that is asked for or faster.

        Rows of an embedding are widened once they are looked up.
        """
        readers = {model.node(name).op_type for name in edit.consumers}
        asked = self.kernel == "fold" and "Gather" not in readers
        faster = self.kernel == "auto" and readers <= context.facts.folds_weights
        expanded = edit.kernel == "dequantize"
        return replace(edit, kernel="fold") if expanded and (asked or faster) else edit

    def blocks_of(self, site: Site) -> int | None:
        """The block size that a site's weight gets."""
        return self.block_size if len(site.shape) == 2 else None

    def edit(
        self, site: Site, rows: QuantizedTensor, store: Store, *, packed: bool
    ) -> EncodeWeight:
        """Keep a site's weight as these integers.

        Args:
            site: the operator.
            rows: of its flat weight [outputs, inputs x kernel].
            store: where the arrays are put.
            packed: for the kernel that multiplies packed weights.
        """
        if not packed:
            return encode(site.weight, stored(site, rows), (site.node,), store)
        return EncodeWeight(
            weight=site.weight,
            encoding=IntegerEncoding.packed(pack_matmul_nbits(rows), store),
            kernel="matmul_nbits",
            consumers=(site.node,),
            accuracy_level=self.accuracy_level,
        )


def stored(site: Site, rows: QuantizedTensor) -> QuantizedTensor:
    """The integers of a flat weight [outputs, inputs x kernel] in the layout of the site's weight.

    Channels are along axis 0 of the rows, blocks along axis 1.
    """
    kernel = site.shape[2:]
    values = site.stored(rows.values.reshape(len(rows.values), -1, *kernel))
    scale, point = rows.scale, rows.zero_point
    if rows.block_size is not None and site.out_axis == 1:
        scale, point = scale.T, None if point is None else point.T
    return QuantizedTensor(
        values=np.ascontiguousarray(values),
        scale=np.ascontiguousarray(scale),
        zero_point=None if point is None else np.ascontiguousarray(point),
        bits=rows.bits,
        signed=rows.signed,
        axis=site.out_axis if rows.block_size is None else site.in_axis,
        block_size=rows.block_size,
    )


def nearest(
    model: Model,
    site: Site,
    store: Store,
    *,
    bits: int,
    block_size: int | None = None,
    power_of_two: bool = False,
) -> EncodeWeight:
    """Round a site's weight to the nearest integers; an embedding in 8 bits, whatever else is said.

    Args:
        model: that the site is in.
        site: the operator.
        store: where the arrays are put.
        bits: of each weight.
        block_size: inputs that share a scale; None: the whole channel.
        power_of_two: scales are powers of two.
    """
    weight = np.asarray(model.weight(site.weight))
    if site.op_type == "Gather":
        return encode(site.weight, embedding(weight), (site.node,), store)
    axis = site.out_axis if block_size is None else site.in_axis
    integers = quantize_weight(
        weight, bits=bits, axis=axis, block_size=block_size, power_of_two=power_of_two
    )
    return encode(site.weight, integers, (site.node,), store)


def refusal(model: Model, site: Site, context: Context) -> str | None:
    """Why a weight stays float; None if it does not."""
    info = model.weights[site.weight]
    if info.dtype != "float32":
        return f"its weight is {info.dtype}"
    if len(info.shape) < 2:
        return f"its weight has the shape {list(info.shape)}"
    if not np.all(np.isfinite(model.weight(site.weight))):
        return "its weights are not finite"
    return context.scope.refusal(model.node(site.node))
