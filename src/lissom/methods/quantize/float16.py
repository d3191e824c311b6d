"""Weights, or whole operators, in half precision.

Source: Micikevicius et al., "Mixed Precision Training", ICLR 2018, arXiv:1710.03740, sec. 3; the
format is IEEE 754 binary16.
Differs: applied after training; with compute=float32 only the stored bytes are narrow.
Needs: nothing.
Cost: O(parameters).
Choose it when: the file must be half as large and quality must not change (compute=float32), or the
device computes faster in float16 (compute=float16).
"""

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.edit import Cast, Edit
from lissom.graph.model import Model
from lissom.graph.site import sites
from lissom.methods.protocol import ALREADY, NO_WEIGHTS, SETTINGS, Context, Need, Plan, Skip

__all__ = ["Float16"]

_ID = "quantize.float16"
_SMALLEST_WEIGHT = 256  # elements; below, the Cast and its name need more bytes than it saves
_LARGEST_ERROR = 1e-3  # relative; rounding alone is at most 2**-11
_LARGEST = float(np.finfo(np.float16).max)


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Float16:
    """Half precision; see the module."""

    compute: Annotated[
        Literal["float32", "float16"],
        Field(
            description="What the arithmetic uses; float32 expands stored weights at loading.",
            json_schema_extra={"search": ["float32", "float16"]},
        ),
    ] = "float32"

    needs: ClassVar[frozenset[Need]] = frozenset()

    def plan(self, model: Model, context: Context) -> Plan:
        """Narrow every weight, or every weighted operator, that half precision can hold."""
        if context.original.already_quantized:
            skip = Skip(target="model", reason=ALREADY)
            return Plan(method=_ID, edits=(), skips=(skip,), summary="nothing was narrowed")
        edits: list[Edit] = []
        if self.compute == "float32":
            skips = _weights(model, context, edits)
        else:
            skips = _nodes(model, context, edits)
        what = "weights stored" if self.compute == "float32" else "operators computed"
        return Plan(
            method=_ID,
            edits=tuple(edits),
            skips=tuple(skips),
            summary=f"{len(edits)} {what} in float16",
        )


def _weights(model: Model, context: Context, edits: list[Edit]) -> list[Skip]:
    skips: list[Skip] = []
    for name, info in model.weights.items():
        if info.dtype != "float32" or int(np.prod(info.shape)) < _SMALLEST_WEIGHT:
            continue
        readers = [model.node(reader) for reader in model.consumers.get(name, ())]
        refusals = [reason for node in readers if (reason := context.scope.refusal(node))]
        reason = refusals[0] if refusals else _unfit(model, name)
        if not readers:
            reason = "no node of the main graph reads it"
        elif model.already_quantized and name not in context.original.weights:
            reason = "an earlier step's scale of integers, which kernels want in float32"
        if reason is None:
            edits.append(Cast(target=name, kind="weight"))
        else:
            skips.append(Skip(target=name, reason=reason))
    if not edits and not skips:
        skips.append(Skip(target="model", reason="no float32 weight is large enough to gain"))
    return skips


def _unfit(model: Model, name: str) -> str | None:
    """Why a weight cannot be narrowed without harm; None if it can."""
    if name in {port.name for port in (*model.inputs, *model.outputs)}:
        return "it is an input or output of the model at the same time"
    if name in model.captured:
        return "the body of a control-flow node reads it"
    weight = model.weight(name).astype(np.float64)
    if not weight.size:
        return "it is empty"
    if not np.all(np.isfinite(weight)):
        return "it holds NaN or infinity"
    if np.abs(weight).max() > _LARGEST:
        return f"it holds values beyond float16's range ({_LARGEST:g})"
    error = np.linalg.norm(weight - weight.astype(np.float16)) / (np.linalg.norm(weight) or 1.0)
    if error > _LARGEST_ERROR:
        return f"its values are too small for float16 (relative error {error:.2g})"
    return None


def _nodes(model: Model, context: Context, edits: list[Edit]) -> list[Skip]:
    skips: list[Skip] = []
    for site in sites(model):
        name = site.node
        reason: str | None
        if not context.facts.float16_compute:
            reason = "the runtime does not compute faster in float16 here"
        elif site.op_type not in {"Conv", "MatMul", "Gemm"}:
            reason = f"{site.op_type} stays in float32"
        else:
            reason = context.scope.refusal(model.node(name))
            reason = reason or next(
                (why for part in _parts(model, name) if (why := _unfit(model, part))), None
            )
        if reason is None:
            edits.append(Cast(target=name, kind="node"))
        else:
            skips.append(Skip(target=site.name, reason=reason))
    if not edits and not skips:
        skips.append(Skip(target="model", reason=NO_WEIGHTS))
    return skips


def _parts(model: Model, node: str) -> list[str]:
    return [
        name
        for name in model.node(node).inputs
        if name in model.weights and model.weights[name].dtype == "float32"
    ]
