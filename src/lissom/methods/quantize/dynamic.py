"""Weights of products and LSTMs as 8-bit integers; their inputs are rounded anew at every run.

Source: the dynamic quantization of ONNX Runtime (operators DynamicQuantizeLinear of ONNX opset 11,
MatMulInteger and com.microsoft.DynamicQuantizeLSTM); per-channel weights as in Krishnamoorthi,
"Quantizing deep convolutional networks for efficient inference", 2018, arXiv:1806.08342, sec. 3.
Differs: products that read the same value share one rounding of it; convolutions stay float, since
their dynamic integer kernels are several times slower than the float ones; embeddings are kept in
8 bits too, and expanded row by row; both directions of an LSTM have scales of their own, where the
opset can be raised to 21.
Needs: nothing; ranges are measured at run time.
Cost: O(parameters).
Choose it when: most of the time goes into MatMul, Gemm or LSTM with constant weights (transformers,
text, speech), or when there are no samples.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.edit import Edit, EncodeWeight, QuantizeActivation
from lissom.graph.model import Model
from lissom.graph.opset import raise_opset
from lissom.graph.site import Site, sites
from lissom.methods.encoding import embedding, encode, merged
from lissom.methods.protocol import ALREADY, NO_WEIGHTS, SETTINGS, Context, Need, Plan, Skip
from lissom.numerics.quantized import QuantizedTensor, quantize_weight

__all__ = ["Dynamic"]

_ID = "quantize.dynamic"
_BITS = 8
_OPSET_OF_BLOCKS = 21
_EXPRESSIBLE = frozenset({"MatMul", "Gemm", "LSTM"})
_FLOAT_ONLY = frozenset({"GRU", "RNN"})  # recurrent operators without an integer form


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Dynamic:
    """Dynamic 8-bit quantization; see the module."""

    granularity: Annotated[
        Literal["channel", "tensor"],
        Field(
            description="One scale per output channel of a weight, or one for the whole weight.",
            json_schema_extra={"search": ["channel"]},
        ),
    ] = "channel"

    embeddings: Annotated[
        Literal["integer", "float"],
        Field(
            description="Tables that are looked up: rows in 8 bits, expanded when read, or float.",
            json_schema_extra={"search": ["integer"]},
        ),
    ] = "integer"

    needs: ClassVar[frozenset[Need]] = frozenset()

    def plan(self, model: Model, context: Context) -> Plan:
        """Encode the weight of every product that fits, and round its input at run time."""
        if context.original.already_quantized:
            skip = Skip(target="model", reason=ALREADY)
            return Plan(method=_ID, edits=(), skips=(skip,), summary="nothing could be quantized")
        weights: list[EncodeWeight] = []
        readers: dict[str, list[str]] = {}
        skips: list[Skip] = []
        all_sites = sites(model)
        if not all_sites:
            skips.append(Skip(target="model", reason=NO_WEIGHTS))
        reasons = {site.name: self._refusal(model, site, context) for site in all_sites}
        whole = _whole_lstms(all_sites, reasons)
        for site in all_sites:
            reason = reasons[site.name]
            if reason is None and site.op_type == "LSTM" and site.node not in whole:
                reason = "the other weight of its node stays float"
            if reason is not None:
                skips.append(Skip(target=site.name, reason=reason))
                continue
            if site.op_type == "Gather":
                weight = np.asarray(model.weight(site.weight))
                weights.append(encode(site.weight, embedding(weight), (site.node,), context.store))
                continue
            integers = self._integers(model, site, _BITS - context.facts.reduce_range)
            weights.append(encode(site.weight, integers, (site.node,), context.store))
            if site.input:  # the second weight of an LSTM meets its own hidden state
                readers.setdefault(site.input, []).append(site.node)
        return Plan(
            method=_ID,
            edits=(*merged(weights), *_activations(readers)),
            skips=tuple(skips),
            summary=f"{len(weights)} of {len(all_sites)} weights in 8 bits, "
            f"{sum(map(len, readers.values()))} on dynamic integer kernels",
        )

    def _integers(self, model: Model, site: Site, bits: int) -> QuantizedTensor:
        weight = np.asarray(model.weight(site.weight))
        if self.granularity == "tensor":
            return quantize_weight(weight, bits=bits)
        if site.op_type == "LSTM" and len(weight) > 1 and _has_blocks(model):
            # [directions, gates x hidden, in]: one block is one row of one direction.
            width = weight.shape[site.in_axis]
            return quantize_weight(weight, bits=bits, axis=site.in_axis, block_size=width)
        return quantize_weight(weight, bits=bits, axis=site.out_axis)

    def _refusal(self, model: Model, site: Site, context: Context) -> str | None:
        """Why a layer stays float; None if it does not."""
        if site.op_type == "Gather":
            reason = None if self.embeddings == "integer" else "embeddings were to stay float"
        else:
            reason = _operator_refusal(site, context)
        reason = reason or context.scope.refusal(model.node(site.node))
        return reason or _weight_refusal(model, site)


def _whole_lstms(found: Sequence[Site], reasons: Mapping[str, str | None]) -> set[str]:
    """The nodes with two weights of which neither must stay float."""
    free = Counter(s.node for s in found if s.op_type == "LSTM" and reasons[s.name] is None)
    return {node for node, weights in free.items() if weights == 2}


def _has_blocks(model: Model) -> bool:
    return model.opset >= _OPSET_OF_BLOCKS or raise_opset(model, _OPSET_OF_BLOCKS) is not None


def _activations(readers: Mapping[str, list[str]]) -> list[Edit]:
    return [
        QuantizeActivation(value=value, consumers=tuple(names)) for value, names in readers.items()
    ]


def _weight_refusal(model: Model, site: Site) -> str | None:
    node = model.node(site.node)
    if model.weights[site.weight].dtype != "float32":
        return f"its weight is {model.weights[site.weight].dtype}"
    if 0 in site.shape:
        return "its weight is empty"
    if not np.all(np.isfinite(model.weight(site.weight))):
        return "its weights are not finite"
    if node.op_type == "Gemm" and node.attributes.get("transA", 0):
        return "its input is transposed"
    if node.op_type == "LSTM" and node.attributes.get("layout", 0):
        return "the integer LSTM takes no sequences along the second axis"
    return None


def _operator_refusal(site: Site, context: Context) -> str | None:
    if site.op_type == "Conv":
        return "dynamic integer convolutions are several times slower than float ones"
    if site.op_type in _FLOAT_ONLY:
        return f"the runtime has no integer kernel for {site.op_type}"
    if site.op_type not in context.facts.dynamic_operators:
        return f"the runtime has no faster dynamic kernel for {site.op_type}"
    if site.op_type not in _EXPRESSIBLE:
        return f"there is no way to write a dynamic {site.op_type}"
    return None
