"""Channels from which a constant can be taken: it leaves one bias and comes back in others.

For a channel whose value is never below c > 0, relu(x - c) = relu(x) - c. So c may leave the bias
of what makes the channel, if whatever reads it is a sum with weights, which gets the weights times
c back in a bias. Between the two only that may stand which passes a constant: what gives v for a
value of v everywhere, and keeps what is not negative. Which channels are which is known from the
labels of factors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lissom.graph.model import Model, NodeInfo
from lissom.graph.scaling.groups import Group, Scalable
from lissom.graph.scaling.labels import Use

__all__ = ["Shift", "shiftable"]

_KEEPS: Final = frozenset({"Abs", "Clip", "Dropout", "Identity", "LeakyRelu", "PRelu", "Relu"})
"""x where x is not negative; a Clip that is followed with labels clips at zero from below."""
_LAYS_OUT: Final = frozenset(
    {"Concat", "Expand", "Flatten", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Transpose"}
    | {"Unsqueeze"}
)
_AMONG: Final = frozenset(
    {"GlobalAveragePool", "GlobalMaxPool", "MaxPool", "ReduceMax", "ReduceMean", "ReduceMin"}
)
_COUNTS: Final = frozenset({"Shape", "Size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Where the constants of a group of channels leave, and where they come back.

    Attributes:
        maker: the weight that makes the channels.
        value: what is given once the bias is added; where it is below a constant, something is
            lost.
        readers: the weights that read the channels.
    """

    maker: Use
    value: str
    readers: tuple[Use, ...]


def shiftable(found: Scalable, group: Group) -> Shift | str:
    """How constants can be taken from a group's channels, or why they cannot.

    Args:
        found: the channels of a model.
        group: one of its groups.
    """
    model = found.model
    makers = [use for use in group.made if use.matrix]
    if len(makers) != 1:
        return "no single operator with weights makes it"
    (maker,) = makers
    value = _with_bias(model, maker, group)
    if value is None:
        return "more is added to it than one bias"
    readers = {(use.node, use.value): use for use in group.read if use.matrix}
    stopped = _stopped(model, value, readers)
    if stopped:
        return stopped
    return Shift(maker=maker, value=value, readers=tuple(readers.values()))


def _with_bias(model: Model, maker: Use, group: Group) -> str | None:
    """The value behind the bias, whether the operator has it or an Add behind a product."""
    output = model.node(maker.node).outputs[0]
    others = [use for use in group.made if use is not maker]
    if not others:
        return output
    node = model.node(others[0].node)
    behind = model.consumers.get(output, ()) == (node.name,)
    return node.outputs[0] if len(others) == 1 and (node.name == maker.node or behind) else None


def _stopped(model: Model, value: str, readers: Mapping[tuple[str, str], Use]) -> str | None:
    """What does not pass a constant on the way to the readers; None if nothing stands there."""
    waiting, seen = [value], {value}
    while waiting:
        name = waiting.pop()
        for node in map(model.node, model.consumers.get(name, ())):
            if (node.name, name) in readers or node.op_type in _COUNTS:
                continue
            if node.domain or not _passes(node):
                return f"{node.op_type} does not pass a constant"
            waiting += [output for output in node.outputs if output and output not in seen]
            seen.update(node.outputs)
    return None


def _passes(node: NodeInfo) -> bool:
    if node.op_type == "AveragePool":
        pads: Any = node.attributes.get("pads", ())
        automatic = node.attributes.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}
        around = automatic or bool(np.any(pads))
        return not (around and node.attributes.get("count_include_pad", 0))
    return node.op_type in _KEEPS | _LAYS_OUT | _AMONG
