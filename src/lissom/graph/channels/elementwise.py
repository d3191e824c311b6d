"""Rules of operators that treat each element by itself: channels pass, or meet index by index."""

from collections.abc import Mapping, Sequence
from typing import Final

from lissom.graph.channels.identities import Axes, Ids
from lissom.graph.channels.walk import CannotFollow, Rule, Walk
from lissom.graph.model import NodeInfo

__all__ = ["MEETS", "RULES", "aligned", "broadcast"]

MEETS: Final = "it meets values that no weight makes"


def broadcast(walk: Walk, names: Sequence[str], shape: Sequence[int]) -> Axes:
    """Unite the axes of values that are broadcast to one shape, aligned from the right."""
    given = [(walk.of(name), walk.shape(name)) for name in names if name]
    return aligned(walk, given, shape)


def aligned(walk: Walk, given: Sequence[tuple[Axes, Sequence[int]]], shape: Sequence[int]) -> Axes:
    """As `broadcast`, of the identities and shapes of each value."""
    found: list[Ids | None] = []
    for back in range(len(shape), 0, -1):
        meet = [
            axes[-back]
            for axes, sizes in given
            if len(sizes) >= back and sizes[-back] == shape[-back]
        ]
        found.append(walk.unite(meet, MEETS) if shape[-back] > 1 else None)
    return tuple(found)


def elementwise(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Any number of inputs, broadcast to one shape."""
    return [broadcast(walk, node.inputs, walk.shape(node.outputs[0]))]


def unary(walk: Walk, node: NodeInfo) -> list[Axes]:
    """One input; others are settings. A second output (a mask) is as the first."""
    axes = walk.of(node.inputs[0])
    return [axes] * len(node.outputs)


def per_axis(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Quantize and dequantize: a scale for the tensor, or one for each index of an axis."""
    axes = list(walk.of(node.inputs[0]))
    at = node.attributes.get("axis", 1)
    for name in node.inputs[1:]:
        shape = walk.shape(name) if name else ()
        if len(shape) > 1:
            raise CannotFollow("scales in blocks")
        if len(shape) == 1 and shape[0] > 1 and isinstance(at, int):
            axes[at] = walk.unite([axes[at], walk.of(name)[0]], MEETS)
    return [tuple(axes)]


_UNARY: Final = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "Ceil", "Celu",
    "Clip", "Cos", "Cosh", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid",
    "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish", "Neg", "Not",
    "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus",
    "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
)  # fmt: skip
_NARY: Final = (
    "Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "CastLike", "Div", "Equal",
    "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or",
    "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
)  # fmt: skip
RULES: Final[Mapping[tuple[str, str], Rule]] = {
    **{("", name): unary for name in _UNARY},
    **{("", name): elementwise for name in _NARY},
    **{("com.microsoft", name): elementwise for name in ("BiasGelu", "FastGelu", "Gelu")},
    ("com.microsoft", "QuickGelu"): unary,
    ("", "QuantizeLinear"): per_axis,
    ("", "DequantizeLinear"): per_axis,
}
