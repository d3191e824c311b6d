"""Where integers pay: which nodes run on integer kernels, and which values are rounded for them.

A quantize/dequantize pair costs time and accuracy, so it stands only where an integer kernel eats
it. Three kinds of operators, by the facts of the runtime:

    heavy   Conv, MatMul, Gemm with a constant weight: worth a pair at their inputs by themselves.
    light   Add, Concat, pooling...: integer only where their inputs are integers already.
    moving  Reshape, MaxPool...: run on the integers as they are, with the scale of their input.

An activation that the runtime absorbs (Relu) belongs to the operator in front of it: the pair
stands behind it. A heavy operator whose kernel can also answer in float (MatMul and Gemm, in some
runtimes Conv) does so unless a reader wants integers; what the others give must be rounded.
Everything else stays float, for a stated reason.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from lissom.graph.model import Model, NodeInfo
from lissom.graph.site import Site, sites
from lissom.methods.protocol import Skip
from lissom.methods.scope import Scope
from lissom.runtime.facts import Facts

__all__ = ["HEAVY", "Options", "Placement", "Rounded", "Unit", "clip_limits", "place", "units"]

HEAVY = frozenset({"Conv", "MatMul", "Gemm"})
"""Operators whose integer kernels gain enough to pay for rounding their inputs."""

_FRAGILE = frozenset({"Softmax", "LogSoftmax"})  # 256 levels are too few for probabilities

Kind = Literal["heavy", "light", "moving"]
Usable = Callable[[str], str | None]
"""Why a value cannot be rounded; None if it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which kinds of operators take part beside the plain heavy ones.

    Attributes:
        light: light operators.
        attention: products of two computed values.
        depthwise: convolutions in which each channel stands alone.
    """

    light: bool = True
    attention: bool = False
    depthwise: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One operator that an integer kernel could run, with the activation that it absorbs.

    Attributes:
        node: the operator.
        kind: heavy, light or moving.
        inputs: the computed values that it reads; constants are not among them.
        constants: the float weights that it reads beside a site's own (the operand of an Add).
        output: the value that it gives, behind the absorbed activation.
        absorbed: the node of that activation.
        site: its weight, for a heavy operator that has one.
    """

    node: NodeInfo
    kind: Kind
    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    output: str
    absorbed: NodeInfo | None
    site: Site | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounded:
    """A value that is rounded.

    Attributes:
        value: its name.
        consumers: the nodes that read it rounded; None means all.
        scale_of: the value whose range gives the scale: itself, or that in front of moving nodes.
    """

    value: str
    consumers: tuple[str, ...] | None
    scale_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The decision for a whole model.

    Attributes:
        integer: the heavy and light units that run on integers, in the graph's order.
        rounded: the values to round, in the order in which they are computed.
        skips: heavy and light operators that stay float, and why.
    """

    integer: tuple[Unit, ...]
    rounded: tuple[Rounded, ...]
    skips: tuple[Skip, ...]


def units(
    model: Model, facts: Facts, scope: Scope, options: Options
) -> tuple[tuple[Unit, ...], tuple[Skip, ...]]:
    """The operators that could run on integers, and those that could not whatever the data.

    Args:
        model: the model.
        facts: of the runtime.
        scope: what the user allows to be touched.
        options: which kinds of operators take part.
    """
    by_node = {site.node: site for site in sites(model)}
    found: list[Unit] = []
    skips: list[Skip] = []
    for node in model.nodes:
        if node.op_type not in HEAVY | facts.integer_operators | facts.passthrough_operators:
            if node.name in by_node:
                why = f"the runtime has no integer kernel for {node.op_type} that would pay"
                skips.append(Skip(target=node.name, reason=why))
            continue
        kind = _kind(node, facts)
        reason: str | None = scope.refusal(node)
        if reason is None and kind != "moving":
            reason = _refusal(model, node, by_node.get(node.name), facts, options)
            if kind == "light" and not options.light:
                reason = "only heavy operators were asked for"
        if reason is not None:
            if kind != "moving":
                skips.append(Skip(target=node.name, reason=reason))
            continue
        found.append(_unit(model, node, kind, by_node.get(node.name), facts, scope))
    return tuple(found), tuple(skips)


def _kind(node: NodeInfo, facts: Facts) -> Kind:
    if node.op_type in HEAVY:
        return "heavy"
    return "light" if node.op_type in facts.integer_operators else "moving"


def _refusal(
    model: Model, node: NodeInfo, site: Site | None, facts: Facts, options: Options
) -> str | None:
    """Why a heavy or light node cannot run on integers; None if it may."""
    if node.domain or node.op_type not in facts.integer_operators:
        return f"the runtime has no integer kernel for {node.op_type}"
    if node.op_type in _FRAGILE:
        return f"{node.op_type} keeps too little of its accuracy in 8 bits"
    if len([name for name in node.outputs if name]) != 1:
        return "it has several outputs"
    if model.value_dtype(node.outputs[0]) not in {"float32", None}:
        return f"it computes in {model.value_dtype(node.outputs[0])}"
    if node.op_type in HEAVY:
        return _heavy_refusal(model, node, site, options)
    return None


def _heavy_refusal(model: Model, node: NodeInfo, site: Site | None, options: Options) -> str | None:
    if site is None:
        computed = all(name not in model.weights for name in node.inputs if name)
        if node.op_type != "MatMul" or not computed:
            return "its weight is not a constant that the kernel can take"
        return None if options.attention else "a product of two computed values, kept float"
    if node.inputs[0] in model.weights:
        return "its input is a constant"
    if not options.depthwise and site.groups > 1 and site.shape[site.in_axis] == 1:
        return "a depthwise convolution, kept float"
    if len(site.shape) < 2 or (node.op_type == "MatMul" and len(site.shape) != 2):
        return f"its weight has the shape {list(site.shape)}"
    if model.weights[site.weight].dtype != "float32":
        return f"its weight is {model.weights[site.weight].dtype}"
    if node.op_type == "Gemm" and (reason := _factor_refusal(node)) is not None:
        return reason
    if len(node.inputs) > 2 and node.inputs[2]:
        bias = model.weights.get(node.inputs[2])
        if bias is None or bias.dtype != "float32":
            return "its bias is not a float constant"
        if bias.shape != (site.shape[site.out_axis],):
            return f"its bias has the shape {list(bias.shape)}"
    return None


def _factor_refusal(node: NodeInfo) -> str | None:
    if node.attributes.get("transA", 0):
        return "its input is transposed"
    for name in ("alpha", "beta"):
        factor = node.attributes.get(name, 1.0)
        if factor != 1.0:
            return f"its {name} is {factor}, which no integer kernel takes"
    return None


def _unit(
    model: Model,
    node: NodeInfo,
    kind: Kind,
    site: Site | None,
    facts: Facts,
    scope: Scope,
) -> Unit:
    data = node.inputs[:1] if kind == "moving" or site is not None else node.inputs
    read = [name for name in dict.fromkeys(data) if name]
    absorbed = None if kind == "moving" else _absorbed(model, node, facts, scope)
    return Unit(
        node=node,
        kind=kind,
        inputs=tuple(name for name in read if name not in model.weights),
        constants=tuple(name for name in read if _is_operand(model, name)),
        output=(absorbed or node).outputs[0],
        absorbed=absorbed,
        site=site,
    )


def _absorbed(model: Model, node: NodeInfo, facts: Facts, scope: Scope) -> NodeInfo | None:
    """The activation behind a node that a rounding from zero upwards makes superfluous."""
    value = node.outputs[0]
    readers = model.consumers.get(value, ())
    if len(readers) != 1 or value in _outputs(model) or value in model.captured:
        return None
    after = model.node(readers[0])
    if after.op_type not in facts.absorbed_operators or scope.refusal(after) is not None:
        return None
    if after.op_type == "Clip" and clip_limits(model, after)[0] != 0.0:
        return None
    return after


def clip_limits(model: Model, node: NodeInfo) -> tuple[float | None, float | None]:
    """The constant bounds of a Clip; None where there is none or it is computed."""
    found: list[float | None] = []
    for name in (*node.inputs[1:3], "", "")[:2]:
        info = model.weights.get(name)
        found.append(float(model.weight(name).reshape(())) if info is not None else None)
    return found[0], found[1]


def _outputs(model: Model) -> frozenset[str]:
    return frozenset(port.name for port in model.outputs)


def _is_operand(model: Model, name: str) -> bool:
    """Whether a name is a constant that is computed with, such as no list of axes is."""
    weight = model.weights.get(name)
    return weight is not None and weight.dtype == "float32"


def place(
    model: Model, candidates: Iterable[Unit], usable: Usable, answers: frozenset[str]
) -> Placement:
    """Decide which units run on integers, and which values are rounded for them.

    Args:
        model: the model.
        candidates: what could (see `units`), in the graph's order.
        usable: why a value cannot be rounded; None if it can.
        answers: operators whose integer kernel can also answer in float.
    """
    candidates = tuple(candidates)
    chosen: list[Unit] = []
    skips: list[Skip] = []
    rounded_anyway: dict[str, str] = {}  # value -> the value whose scale it has
    maybe: set[str] = set()  # what a kernel may answer in float: rounded if a reader wants it
    for unit in candidates:
        reason = _obstacle(model, unit, usable, rounded_anyway, _Answers(answers, maybe))
        if reason is not None:
            if unit.kind != "moving":
                skips.append(Skip(target=unit.node.name, reason=reason))
            continue
        chosen.append(unit)
        if unit.kind == "moving":
            rounded_anyway[unit.output] = rounded_anyway[unit.inputs[0]]
        elif unit.node.op_type in answers:
            maybe.add(unit.output)
        else:
            rounded_anyway[unit.output] = unit.output
    rounded = _wanted(model, chosen, rounded_anyway)
    return Placement(
        integer=tuple(unit for unit in chosen if unit.kind != "moving"),
        rounded=_in_order(model, rounded),
        skips=tuple(skips),
    )


@dataclass(frozen=True, slots=True)
class _Answers:
    """Operators that can answer in float, and the values that they gave so far."""

    operators: frozenset[str]
    given: set[str]


def _obstacle(
    model: Model,
    unit: Unit,
    usable: Usable,
    rounded_anyway: Mapping[str, str],
    float_answers: _Answers,
) -> str | None:
    """Why a unit cannot run on integers, given what is in front of it; None if it can."""
    if unit.kind == "moving":
        return None if unit.inputs and unit.inputs[0] in rounded_anyway else "its input is float"
    if unit.kind == "light":
        if not any(value in rounded_anyway for value in unit.inputs):
            return "its inputs are float, and rounding them would cost more than it gains"
        if not all(
            value in rounded_anyway or value in float_answers.given for value in unit.inputs
        ):
            return "one of its inputs is float, and rounding it would cost more than it gains"
    for value in unit.inputs:
        reason = None if value in rounded_anyway else usable(value)
        if reason is not None:
            return f"its input {value!r} {reason}"
    if unit.node.op_type in float_answers.operators:
        return None
    if unit.output in _outputs(model):
        return "it gives an output of the network, which stays float"
    if unit.output in model.captured:
        return "the body of a control-flow node reads its output"
    reason = usable(unit.output)
    return None if reason is None else f"its output {unit.output!r} {reason}"


def _wanted(
    model: Model, chosen: list[Unit], rounded_anyway: Mapping[str, str]
) -> dict[str, Rounded]:
    """The values to round, looking from the end: a moving node counts if integers leave it."""
    outputs = _outputs(model)
    readers: dict[str, list[str]] = {}
    rounded: dict[str, Rounded] = {}
    for unit in reversed(chosen):
        wanted_by = readers.get(unit.output, [])
        if unit.kind == "moving" and (not wanted_by or unit.output in outputs):
            continue
        for value in unit.inputs:
            readers.setdefault(value, []).append(unit.node.name)
        if unit.output in rounded_anyway:
            scale_of = rounded_anyway[unit.output]
            rounded[unit.output] = Rounded(value=unit.output, consumers=None, scale_of=scale_of)
    for value, names in readers.items():
        if value not in rounded:
            every = set(model.consumers.get(value, ())) == set(names) and value not in outputs
            consumers = None if every else tuple(reversed(names))
            rounded[value] = Rounded(value=value, consumers=consumers, scale_of=value)
    return rounded


def _in_order(model: Model, rounded: Mapping[str, Rounded]) -> tuple[Rounded, ...]:
    order = [port.name for port in model.inputs]
    order += [value for node in model.nodes for value in node.outputs]
    return tuple(rounded[value] for value in order if value in rounded)
