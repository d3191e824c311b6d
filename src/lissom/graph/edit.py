"""The closed set of edits: what a method may ask to be done to a model, as plain data.

A method decides (it writes edits into a plan), `lissom.graph.perform` does. Edits are frozen, can
be printed, compared and stored as JSON; their arrays lie in the store and are named by hash. The
union `Edit` is closed: `match` over it ends in `assert_never`, so that the type checker lists every
place that a new kind of edit must reach. A new kind wants a decision record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, assert_never, final

from lissom.errors import RecipeError
from lissom.graph.cutting import (
    Resizing,
    Rewrite,
    WeightCut,
    WeightGrowth,
    cut_from_json,
    growth_from_json,
    rewrite_from_json,
    rewrite_to_json,
)
from lissom.graph.encoding import (
    CodebookEncoding,
    Encoding,
    IntegerEncoding,
    encoding_from_json,
    encoding_to_json,
)
from lissom.store.hashing import Json
from lissom.store.refs import ArrayRef, FileRef

__all__ = [
    "BypassNodes",
    "Cast",
    "CodebookEncoding",
    "Edit",
    "EncodeWeight",
    "FuseNodes",
    "IntegerEncoding",
    "InsertScale",
    "QuantizeActivation",
    "RemoveChannels",
    "ReplaceGraph",
    "ReplaceWeight",
    "SplitChannels",
    "describe",
    "edit_from_json",
    "edit_to_json",
]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeWeight:
    """Keep a weight as integers, or as indices into a table.

    Attributes:
        weight: the initializer.
        encoding: its integers, scale and zero point; or its indices, table and scale (`fold` only).
        kernel: `dequantize` writes DequantizeLinear behind the integers (integer kernels fuse with
            it); `fold` writes plain operators, which a runtime computes once, when it loads the
            model; `matmul_nbits` replaces a MatMul or Gemm by com.microsoft.MatMulNBits.
        consumers: the nodes that read the integers; all others keep the float weight.
        accuracy_level: for `matmul_nbits`: 0 leaves the choice to the runtime, 4 lets it quantize
            the activations to 8 bits in blocks, 1 computes in float32.
    """

    weight: str
    encoding: Encoding
    kernel: Literal["dequantize", "fold", "matmul_nbits"]
    consumers: tuple[str, ...]
    accuracy_level: int = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeActivation:
    """Round a value to 8-bit integers where it is read.

    Attributes:
        value: the value to round.
        consumers: the nodes that read it rounded; None means every node that does. For a dynamic
            one (no scale), None means every MatMul, Gemm and LSTM whose weights are integers.
        scale: of the integers; None computes it from the data at every run (dynamic).
        zero_point: None in the dynamic case only.
        dtype: type of the integers; a dynamic one is uint8.
        graph_output: if the value is an output of the model, round that too. An integer kernel can
            only give integers, so an operator at the end stays float without it.
    """

    value: str
    consumers: tuple[str, ...] | None = None
    scale: float | None = None
    zero_point: int | None = None
    dtype: Literal["uint8", "int8"] = "uint8"
    graph_output: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Hold a weight, or compute a node, in half precision.

    Attributes:
        target: an initializer (`kind="weight"`) or a node (`kind="node"`).
        kind: `weight` stores float16 and expands it to float32 once, when the model is loaded;
            `node` computes in float16, with casts only where the float16 part begins and ends.
        to: the narrow type.
    """

    target: str
    kind: Literal["weight", "node"]
    to: Literal["float16"] = "float16"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FuseNodes:
    """Put one node in place of several that compute the same function.

    Attributes:
        nodes: the nodes that go; nothing outside may read what only they give.
        op_type: the operator that comes instead, with its default attributes.
        domain: the operator's domain; empty for standard ONNX.
        inputs: the values it reads.
        output: the value it gives, which one of the nodes gave before.
    """

    nodes: tuple[str, ...]
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    output: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceGraph:
    """Put another file's graph in place of the whole model; inputs and outputs must agree.

    For graphs that a runtime's own optimizer wrote, which no list of small edits describes. It can
    only stand first in a plan.

    Attributes:
        model: the file, in the store.
        reason: what made it, for people.
    """

    model: FileRef
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveChannels:
    """Take units of channel groups out of every weight that they live in.

    Attributes:
        cuts: what leaves which weight.
        rewrites: settings that count channels.
        resized: sizes that the graph states of its values.
    """

    cuts: tuple[WeightCut, ...]
    rewrites: tuple[Rewrite, ...] = ()
    resized: tuple[Resizing, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SplitChannels:
    """Let units of channel groups be there several times; what sums over them shares them out.

    Attributes:
        growths: what each weight has several times.
        rewrites: settings that count channels.
        resized: sizes that the graph states of its values.
    """

    growths: tuple[WeightGrowth, ...]
    rewrites: tuple[Rewrite, ...] = ()
    resized: tuple[Resizing, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceWeight:
    """Give a weight other values, or an operator the bias that it lacked.

    Attributes:
        weight: the initializer; for a new bias a name that is free.
        values: of the same shape and type; a new bias has one number for each output channel.
        bias_of: the node that lacked a bias; None replaces a weight that is there.
    """

    weight: str
    values: ArrayRef
    bias_of: str | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class InsertScale:
    """Multiply a value by factors where some nodes read it.

    Attributes:
        value: the value.
        consumers: the nodes that read it scaled.
        scale: float32, broadcast to the value from the right.
    """

    value: str
    consumers: tuple[str, ...]
    scale: ArrayRef


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BypassNodes:
    """Let an earlier value stand wherever a later one is read; what only gave the later one goes.

    Attributes:
        input: the value that stands in, of the same type and shape.
        output: the value that is read no more; where it is an output of the model, it keeps its
            name and gets the other's numbers.
    """

    input: str
    output: str


Edit: TypeAlias = (
    EncodeWeight
    | QuantizeActivation
    | Cast
    | FuseNodes
    | ReplaceGraph
    | RemoveChannels
    | SplitChannels
    | ReplaceWeight
    | InsertScale
    | BypassNodes
)


def describe(edit: Edit) -> str:
    """One line for people: kind, target and the main number."""
    match edit:
        case EncodeWeight(weight=weight, encoding=encoding, kernel=kernel):
            block = f", blocks of {encoding.block_size}" if encoding.block_size else ""
            table = ", table" if isinstance(encoding, CodebookEncoding) else ""
            return f"EncodeWeight {weight}: {encoding.bits} bits{block}{table}, {kernel}"
        case QuantizeActivation(value=value, scale=None):
            return f"QuantizeActivation {value}: dynamic"
        case QuantizeActivation(value=value, scale=scale, zero_point=point, dtype=dtype):
            return f"QuantizeActivation {value}: {dtype}, scale {scale:.6g}, zero point {point}"
        case Cast(target=target, kind=kind, to=to):
            return f"Cast {kind} {target}: {to}"
        case FuseNodes(nodes=nodes, op_type=op_type):
            return f"FuseNodes {', '.join(nodes)}: {op_type}"
        case ReplaceGraph(reason=reason):
            return f"ReplaceGraph: {reason}"
        case RemoveChannels(cuts=cuts):
            return f"RemoveChannels: {len({cut.weight for cut in cuts})} weights"
        case SplitChannels(growths=growths):
            return f"SplitChannels: {len({one.weight for one in growths})} weights"
        case ReplaceWeight(weight=weight, bias_of=node):
            return f"ReplaceWeight {weight}" + ("" if node is None else f": bias of {node}")
        case InsertScale(value=value, scale=scale):
            return f"InsertScale {value}: by {list(scale.shape)}"
        case BypassNodes(input=stands_in, output=value):
            return f"BypassNodes {value}: {stands_in} instead"
        case _ as never:
            assert_never(never)


def edit_to_json(edit: Edit) -> Json:
    """The edit as JSON values; `edit_from_json` is the inverse."""
    match edit:
        case EncodeWeight():
            fields: dict[str, Any] = {
                "weight": edit.weight,
                "encoding": encoding_to_json(edit.encoding),
                "kernel": edit.kernel,
                "consumers": list(edit.consumers),
                "accuracy_level": edit.accuracy_level,
            }
        case QuantizeActivation():
            fields = {
                "value": edit.value,
                "consumers": None if edit.consumers is None else list(edit.consumers),
                "scale": edit.scale,
                "zero_point": edit.zero_point,
                "dtype": edit.dtype,
                "graph_output": edit.graph_output,
            }
        case Cast():
            fields = {"target": edit.target, "kind": edit.kind, "to": edit.to}
        case FuseNodes():
            fields = {
                "nodes": list(edit.nodes),
                "op_type": edit.op_type,
                "domain": edit.domain,
                "inputs": list(edit.inputs),
                "output": edit.output,
            }
        case ReplaceGraph():
            fields = {"model": edit.model.to_json(), "reason": edit.reason}
        case RemoveChannels():
            fields = {"cuts": [asdict(one) for one in edit.cuts], **_counts_to_json(edit)}
        case SplitChannels():
            fields = {"growths": [asdict(one) for one in edit.growths], **_counts_to_json(edit)}
        case ReplaceWeight():
            fields = {
                "weight": edit.weight,
                "values": edit.values.to_json(),
                "bias_of": edit.bias_of,
            }
        case InsertScale():
            fields = {
                "value": edit.value,
                "consumers": list(edit.consumers),
                "scale": edit.scale.to_json(),
            }
        case BypassNodes():
            fields = {"input": edit.input, "output": edit.output}
        case _ as never:
            assert_never(never)
    return {"edit": type(edit).__name__, **fields}


def edit_from_json(  # noqa: C901 - one case for each kind of edit
    value: Mapping[str, Json],
) -> Edit:
    """Read what `edit_to_json` wrote.

    Raises:
        RecipeError: the kind is unknown or a field is missing or too many.
    """
    fields: dict[str, Any] = dict(value)
    kind = fields.pop("edit", None)
    try:
        match kind:
            case "EncodeWeight":
                fields["encoding"] = encoding_from_json(fields["encoding"])
                fields["consumers"] = tuple(fields["consumers"])
                return EncodeWeight(**fields)
            case "QuantizeActivation":
                if fields["consumers"] is not None:
                    fields["consumers"] = tuple(fields["consumers"])
                return QuantizeActivation(**fields)
            case "Cast":
                return Cast(**fields)
            case "FuseNodes":
                fields["nodes"] = tuple(fields["nodes"])
                fields["inputs"] = tuple(fields["inputs"])
                return FuseNodes(**fields)
            case "ReplaceGraph":
                fields["model"] = FileRef.from_json(fields["model"])
                return ReplaceGraph(**fields)
            case "RemoveChannels":
                cuts = tuple(cut_from_json(one) for one in fields.pop("cuts"))
                return RemoveChannels(cuts=cuts, **_counts_from_json(fields))
            case "SplitChannels":
                growths = tuple(growth_from_json(one) for one in fields.pop("growths"))
                return SplitChannels(growths=growths, **_counts_from_json(fields))
            case "ReplaceWeight":
                fields["values"] = ArrayRef.from_json(fields["values"])
                return ReplaceWeight(**fields)
            case "InsertScale":
                fields["consumers"] = tuple(fields["consumers"])
                fields["scale"] = ArrayRef.from_json(fields["scale"])
                return InsertScale(**fields)
            case "BypassNodes":
                return BypassNodes(**fields)
    except (KeyError, TypeError) as error:
        raise RecipeError(f"a stored {kind} edit cannot be read: {error}") from error
    raise RecipeError(f"a stored plan holds an edit of unknown kind {kind!r}")


def _counts_to_json(edit: RemoveChannels | SplitChannels) -> dict[str, Any]:
    return {
        "rewrites": [rewrite_to_json(one) for one in edit.rewrites],
        "resized": [asdict(one) for one in edit.resized],
    }


def _counts_from_json(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **fields,
        "rewrites": tuple(rewrite_from_json(one) for one in fields["rewrites"]),
        "resized": tuple(Resizing(**one) for one in fields["resized"]),
    }
