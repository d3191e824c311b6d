"""What each node computes and moves: multiply-accumulates and bytes, counted from concrete shapes.

One multiply-accumulate (MAC) is one product and its addition; elementwise operators count none.
The bytes are those of every value that a node reads or gives, each once: what must be moved at the
least, if nothing stays in a cache from the node before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Final

from lissom.errors import ModelError
from lissom.graph.describe import NodeInfo
from lissom.graph.model import Model

__all__ = ["Work", "macs", "work"]

Shapes = Mapping[str, tuple[int, ...]]

_FLOAT_BYTES: Final = 4  # of an element whose type is not known
_ITEM_BYTES: Final[Mapping[str, float]] = {
    "bool": 1, "int4": 0.5, "uint4": 0.5, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2,
    "float16": 2, "bfloat16": 2, "int64": 8, "uint64": 8, "float64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one run asks of one node.

    Attributes:
        macs: multiply-accumulates; 0 for what multiplies nothing, or where they are not known.
        weight_bytes: of the constants that it reads.
        activation_bytes: of the values that it reads and gives.
    """

    macs: int
    weight_bytes: int
    activation_bytes: int

    @property
    def bytes_moved(self) -> int:
        """Of everything that it reads and gives."""
        return self.weight_bytes + self.activation_bytes


def macs(model: Model, shapes: Shapes) -> dict[str, int]:
    """Count the multiply-accumulates of every node of the main graph that has any.

    Args:
        model: The model; shapes of its weights are known from it.
        shapes: The concrete shape of each value, as observed on one feed.

    Returns:
        Node name to multiply-accumulates for that feed; nodes whose shapes are missing are left
        out.

    Raises:
        ModelError: A shape does not fit its operator.
    """
    known = {**{name: info.shape for name, info in model.weights.items()}, **shapes}
    counted: dict[str, int] = {}
    for node in model.nodes:
        rule = _RULES.get(node.op_type)
        if rule is None:
            continue
        try:
            counted[node.name] = rule(node, known)
        except KeyError:
            continue
        except (IndexError, ValueError, ZeroDivisionError) as error:
            shown = [known.get(name) for name in node.inputs]
            raise ModelError(
                f"shapes {shown} do not fit {node.op_type} {node.name!r}: {error}"
            ) from error
    return counted


def work(model: Model, shapes: Shapes) -> dict[str, Work]:
    """Count what every node of the main graph computes and moves.

    Args:
        model: The model.
        shapes: The concrete shape of each value, as observed on one feed.

    Returns:
        Node name to its work; nodes that read or give a value of unknown shape are left out.

    Raises:
        ModelError: A shape does not fit its operator.
    """
    counted = macs(model, shapes)
    found: dict[str, Work] = {}
    for node in model.nodes:
        held = {name for name in node.inputs if name in model.weights}
        values = [name for name in (*node.inputs, *node.outputs) if name and name not in held]
        if not all(name in shapes for name in values):
            continue
        moved = sum(_bytes(model, name, shapes) for name in dict.fromkeys(values))
        weights = sum(model.weights[name].size_bytes for name in held)
        if node.op_type == "Gather":  # a lookup reads the rows that it gives, not the whole table
            weights = min(weights, _bytes(model, node.outputs[0], shapes))
        found[node.name] = Work(
            macs=counted.get(node.name, 0), weight_bytes=weights, activation_bytes=moved
        )
    return found


def _bytes(model: Model, name: str, shapes: Shapes) -> int:
    size = _ITEM_BYTES.get(model.value_dtype(name) or "", _FLOAT_BYTES)
    return int(prod(shapes[name]) * size)


def _integer(node: NodeInfo, name: str, default: int) -> int:
    value = node.attributes.get(name, default)
    return value if isinstance(value, int) else default


def _conv(weight: int) -> Callable[[NodeInfo, Shapes], int]:
    """Each output element meets in/groups x kernel weights of [out, in/groups, *kernel]."""

    def count(node: NodeInfo, shapes: Shapes) -> int:
        return prod(shapes[node.outputs[0]]) * prod(shapes[node.inputs[weight]][1:])

    return count


def _conv_transpose(node: NodeInfo, shapes: Shapes) -> int:
    """Each input element meets out/groups x kernel weights of [in, out/groups, *kernel]."""
    return prod(shapes[node.inputs[0]]) * prod(shapes[node.inputs[1]][1:])


def _product(left: int) -> Callable[[NodeInfo, Shapes], int]:
    def count(node: NodeInfo, shapes: Shapes) -> int:
        return prod(shapes[node.outputs[0]]) * shapes[node.inputs[left]][-1]

    return count


def _gemm(node: NodeInfo, shapes: Shapes) -> int:
    a = shapes[node.inputs[0]]
    inner = a[0] if _integer(node, "transA", 0) else a[1]
    return prod(shapes[node.outputs[0]]) * inner


def _recurrent(gates: int) -> Callable[[NodeInfo, Shapes], int]:
    """Weights [directions, gates x hidden, in]; those of integers are transposed."""

    def count(node: NodeInfo, shapes: Shapes) -> int:
        x, w, r = (shapes[name] for name in node.inputs[:3])
        if node.op_type == "DynamicQuantizeLSTM":
            w, r = ((one[0], one[2], one[1]) for one in (w, r))
        directions, rows, wide_in = w
        if rows % gates:
            raise ValueError(f"{rows} rows are no multiple of {gates} gates")
        return x[0] * x[1] * directions * rows * (wide_in + r[2])

    return count


def _blocks(node: NodeInfo, shapes: Shapes) -> int:
    return prod(shapes[node.inputs[0]][:-1]) * _integer(node, "K", 0) * _integer(node, "N", 0)


def _einsum(node: NodeInfo, shapes: Shapes) -> int:
    """Every combination of the indices is one product, where there are two operands or more."""
    equation = str(node.attributes.get("equation", "")).replace(" ", "")
    terms = equation.partition("->")[0].split(",")
    if len(terms) < 2:
        return 0
    sizes: dict[str, int] = {}
    for term, name in zip(terms, node.inputs, strict=True):
        shape = shapes[name]
        letters = term.replace("...", "")
        hidden = len(shape) - len(letters)
        before = term.partition("...")[0] if "..." in term else term
        expanded = [*before, *(f"...{k - hidden}" for k in range(hidden)), *letters[len(before) :]]
        for index, size in zip(expanded, shape, strict=True):
            sizes[index] = max(size, sizes.get(index, 1))
    return prod(sizes.values())


_RULES: Final[Mapping[str, Callable[[NodeInfo, Shapes], int]]] = {
    "Conv": _conv(1),
    "FusedConv": _conv(1),
    "ConvInteger": _conv(1),
    "QLinearConv": _conv(3),
    "ConvTranspose": _conv_transpose,
    "MatMul": _product(0),
    "FusedMatMul": _product(0),
    "MatMulInteger": _product(0),
    "MatMulIntegerToFloat": _product(0),
    "DynamicQuantizeMatMul": _product(0),
    "QLinearMatMul": _product(0),
    "Gemm": _gemm,
    "QGemm": _gemm,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "RNN": _recurrent(1),
    "DynamicQuantizeLSTM": _recurrent(4),
    "MatMulNBits": _blocks,
    "Einsum": _einsum,
}
