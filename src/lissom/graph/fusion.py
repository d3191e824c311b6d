"""Find groups of nodes that a runtime computes faster as one, and say so as edits.

Each finder reads a model and answers with `FuseNodes` edits: which nodes go, which one comes
instead. The function stays the same (up to rounding of the last bits); whether it is faster is for
the runtime to measure. A pattern is followed by what values mean (which one is scaled by 1/sqrt 2,
which one is added to 1), not by the order in which one exporter wrote its nodes.

    gelu          x * 0.5 * (1 + erf(x / sqrt 2)), in any order of the products -> one Gelu
    residual_sum  Add that feeds a LayerNormalization -> Sum: the same numbers, but a runtime that
                  would fuse Add and LayerNormalization into a slower kernel leaves it alone
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isclose, sqrt
from types import MappingProxyType
from typing import Final

from lissom.graph.describe import NodeInfo
from lissom.graph.edit import FuseNodes
from lissom.graph.model import Model

__all__ = ["FINDERS", "gelu", "residual_sum"]

_CONTRIB: Final = "com.microsoft"


def gelu(model: Model) -> tuple[FuseNodes, ...]:
    """The exact GELUs of a model, each spread over five nodes.

    GELU(x) = x/2 (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel, arXiv:1606.08415, sec. 2).
    """
    found = []
    for erf in model.nodes:
        if erf.op_type == "Erf" and not erf.domain:
            edit = _gelu_at(model, erf)
            if edit is not None:
                found.append(edit)
    return tuple(found)


def residual_sum(model: Model) -> tuple[FuseNodes, ...]:
    """Every Add of two computed values whose result a LayerNormalization reads."""
    adds: dict[str, NodeInfo] = {}
    for norm in model.nodes:
        if norm.op_type == "LayerNormalization" and norm.inputs[0] in model.producers:
            add = model.node(model.producers[norm.inputs[0]])
            if add.op_type == "Add" and not add.domain:
                adds[add.name] = add
    return tuple(
        FuseNodes(
            nodes=(add.name,), op_type="Sum", domain="", inputs=add.inputs, output=add.outputs[0]
        )
        for add in adds.values()
        if not any(value in model.weights for value in add.inputs)
    )


FINDERS: Final[Mapping[str, Callable[[Model], tuple[FuseNodes, ...]]]] = MappingProxyType(
    {"gelu": gelu, "residual_sum": residual_sum}
)
"""Every finder by the name that a runtime's facts give it."""


def _gelu_at(model: Model, erf: NodeInfo) -> FuseNodes | None:
    """The GELU around one Erf, None if the nodes near it compute something else."""
    scaled = _producer(model, erf.inputs[0])
    if scaled is None:
        return None
    x = _scaled_by(model, scaled, 1 / sqrt(2))
    shifted = _only_reader(model, erf.outputs[0])
    if x is None or shifted is None or shifted.op_type != "Add":
        return None
    if _constant(model, _other(shifted, erf.outputs[0])) != 1.0:
        return None
    inside = [scaled, erf, shifted]
    missing = {"x", "half"}
    value = shifted.outputs[0]
    while missing:
        product = _only_reader(model, value)
        if product is None or product.op_type != "Mul":
            return None
        factor = _other(product, value)
        missing_now, extra = _factor(model, factor, x, missing)
        if missing_now is None:
            return None
        missing = missing_now
        inside += [*extra, product]
        value = product.outputs[0]
    order = {name: index for index, name in enumerate(model.node_names)}
    names = sorted({node.name for node in inside}, key=order.__getitem__)
    if not _leaves_alone(model, names, value):
        return None
    return FuseNodes(nodes=tuple(names), op_type="Gelu", domain=_CONTRIB, inputs=(x,), output=value)


def _factor(
    model: Model, factor: str, x: str, missing: set[str]
) -> tuple[set[str] | None, list[NodeInfo]]:
    """What is still missing once the product is multiplied by `factor`, None if it cannot be."""
    if factor == x and "x" in missing:
        return missing - {"x"}, []
    if _constant(model, factor) == 0.5 and "half" in missing:
        return missing - {"half"}, []
    node = _producer(model, factor)
    if node is not None and missing == {"x", "half"} and _scaled_by(model, node, 0.5) == x:
        return set(), [node]
    return None, []


def _scaled_by(model: Model, node: NodeInfo, by: float) -> str | None:
    """The value that `node` multiplies by the constant `by`, None if it does not."""
    if node.op_type == "Mul":
        for value in node.inputs:
            constant = _constant(model, value)
            if constant is not None and isclose(constant, by, rel_tol=1e-5):
                return _other(node, value)
    if node.op_type == "Div":
        constant = _constant(model, node.inputs[1])
        if constant is not None and isclose(constant * by, 1.0, rel_tol=1e-5):
            return node.inputs[0]
    return None


def _constant(model: Model, value: str) -> float | None:
    """The number that a one-element float weight holds, None for any other value."""
    info = model.weights.get(value)
    if info is None or info.dtype != "float32" or any(size != 1 for size in info.shape):
        return None
    return float(model.weight(value).reshape(()))


def _producer(model: Model, value: str) -> NodeInfo | None:
    """The node that gives a value, None for an input or a weight."""
    name = model.producers.get(value)
    return None if name is None else model.node(name)


def _only_reader(model: Model, value: str) -> NodeInfo | None:
    """The single node that reads a value, None if several do or the model answers with it."""
    readers = model.consumers.get(value, ())
    if len(readers) != 1 or any(port.name == value for port in model.outputs):
        return None
    return model.node(readers[0])


def _other(node: NodeInfo, value: str) -> str:
    """The other operand of a node with two; the value itself where it is both."""
    first, second = node.inputs[:2]
    return second if first == value else first


def _leaves_alone(model: Model, names: list[str], output: str) -> bool:
    """Whether nothing outside reads what only the inside gives."""
    inside = set(names)
    answers = {port.name for port in model.outputs}
    for name in names:
        for value in model.node(name).outputs:
            readers = model.consumers.get(value, ())
            if value != output and (value in answers or not inside.issuperset(readers)):
                return False
    return True
