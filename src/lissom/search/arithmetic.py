"""What a candidate's graph computes otherwise than the original's, node by node.

Read from the two graphs, whatever steps led there: which products run on which numbers and how
many bytes of weights they read, which nodes multiply or move less, which other nodes work on
integers, and which nodes were put together. It is what the promise of a candidate is computed from,
before anything is timed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Final

from lissom.graph.cost import macs
from lissom.graph.load import Caps, open_trusted
from lissom.graph.model import Model, NodeInfo
from lissom.graph.wire import read_layout
from lissom.measure.ceilings import Numbers
from lissom.measure.kernels import CONVERSION, PRODUCTS, family, is_integer
from lissom.search.candidate import Candidate
from lissom.search.counting import same_arithmetic, seen_shapes
from lissom.search.job import Opened
from lissom.store.hashing import sha256_arrays

__all__ = [
    "BYTES",
    "WHOLE",
    "Arithmetic",
    "Left",
    "Product",
    "arithmetic_of",
    "changes",
    "own_name",
    "what_is_left",
]

FLOAT16: Final = 10  # ONNX's number for the type
INTEGER_LEVEL: Final = 4  # MatMulNBits' accuracy level at which it multiplies integers
BYTES: Final[Mapping[Numbers, float]] = {"float32": 1.0, "float16": 0.5, "int8": 0.25}
"""A value's bytes in each format, relative to float32."""
TOLERANCE: Final = 0.01  # of the numbers that a node reads and gives
FORMAT: Final = 2  # of what is remembered
REPLACED: Final = ("/integer", "/nbits")  # what edits write behind a replaced product's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as it stands in a graph.

    Attributes:
        numbers: the format of its operands.
        weight_bytes: of the constants that it reads, scales included.
        expanded: these are stored narrower than it multiplies them.
    """

    numbers: Numbers
    weight_bytes: int
    expanded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of a node's work where channels left the model, or were split.

    Attributes:
        macs: the share of its multiply-accumulates.
        values: the share of the numbers that it reads and gives, weights left out.
    """

    macs: float = 1.0
    values: float = 1.0


WHOLE: Final = Left()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """How a candidate's graph differs from the original's.

    Attributes:
        products: those that compute on other numbers or read fewer bytes, by the original's names.
        left: nodes that multiply or move more or fewer numbers, by the original's names.
        narrowed: other nodes whose values are narrower, with the share of the bytes that is left.
        joined: groups of the original's nodes that became one node or some, with how many.
    """

    products: Mapping[str, Product] = field(default_factory=dict)
    left: Mapping[str, Left] = field(default_factory=dict)
    narrowed: Mapping[str, float] = field(default_factory=dict)
    joined: tuple[tuple[int, tuple[str, ...]], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "products": {
                name: [one.numbers, one.weight_bytes, one.expanded]
                for name, one in self.products.items()
            },
            "left": {name: [one.macs, one.values] for name, one in self.left.items()},
            "narrowed": dict(self.narrowed),
            "joined": [[count, list(names)] for count, names in self.joined],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Arithmetic":
        """Read what `to_json` wrote."""
        return cls(
            products={
                name: Product(numbers=numbers, weight_bytes=size, expanded=expanded)
                for name, (numbers, size, expanded) in value["products"].items()
            },
            left={
                name: Left(macs=macs, values=values)
                for name, (macs, values) in value["left"].items()
            },
            narrowed=dict(value["narrowed"]),
            joined=tuple((count, tuple(names)) for count, names in value["joined"]),
        )


def arithmetic_of(candidate: Candidate, opened: Opened) -> Arithmetic:
    """How a candidate's file differs from the original; remembered.

    Raises:
        ChildFailed: a run that shows shapes did not come to an end.
        MeasurementError: the runtime refused it.
        ModelError: the file in the store is not what it was, or a shape does not fit its operator.
    """
    file, data_file = candidate.file, candidate.data_file
    if file is None or not candidate.steps:
        return Arithmetic()
    store = opened.store

    def compute() -> dict[str, Any]:
        path = store.file(file)
        read_layout(path, Caps())
        weights = None if data_file is None else store.file(data_file)
        built = open_trusted(path, weights=weights)
        left = {} if same_arithmetic(candidate.steps) else what_is_left(built, opened)
        return replace(changes(opened.model, built), left=left).to_json()

    inputs = {
        "format": FORMAT,
        "original": opened.model.fingerprint,
        "candidate": candidate.sha256,
        "target": opened.target.to_json(),
        "feed": sha256_arrays(dict(opened.feed)),
    }
    return Arithmetic.from_json(store.remember("arithmetic", inputs, compute))


def what_is_left(built: Model, opened: Opened) -> dict[str, Left]:
    """Nodes that do another amount of work in a candidate, as one run of each model shows."""
    before = amounts(opened.model, seen_shapes(opened.model, opened))
    after = amounts(built, seen_shapes(built, opened))
    found = {}
    for name in before.keys() & after.keys():
        (old_macs, old_values), (new_macs, new_values) = before[name], after[name]
        left = Left(
            macs=new_macs / old_macs if old_macs else 1.0,
            values=new_values / old_values if old_values else 1.0,
        )
        # a scale or a zero point beside the values is no other amount of work
        if left.macs != 1 or abs(left.values - 1) > TOLERANCE:
            found[name] = left
    return dict(sorted(found.items()))


def amounts(model: Model, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, int]]:
    """Of each node, by its name in the original: products, and numbers read and given."""
    counted = macs(model, shapes)
    return {
        own_name(node.name): (
            counted.get(node.name, 0),
            sum(prod(shapes[name]) for name in {*node.inputs, *node.outputs} if name in shapes),
        )
        for node in model.nodes
    }


def changes(original: Model, built: Model) -> Arithmetic:
    """Compare two graphs of one network; nodes that survived have kept their names.

    What is left of the work of each is not told from the graphs: see `what_is_left`.
    """
    before, after = products_in(original), products_in(built)
    found = {
        name: after[name] for name, one in before.items() if name in after and after[name] != one
    }
    kinds = {node.name: node.op_type for node in built.nodes}
    kept = {node.name for node in original.nodes if kinds.get(node.name) == node.op_type}
    half = half_values(built) - half_values(original)
    narrowed = {
        node.name: share
        for node in built.nodes
        if node.name in kept and node.name not in before
        if (share := bytes_left(built, node, half)) < 1
    }
    gone = [node for node in original.nodes if node.name not in kept and node.name not in after]
    return Arithmetic(products=found, narrowed=narrowed, joined=joined(original, built, gone))


def products_in(model: Model) -> dict[str, Product]:
    """The nodes whose time is arithmetic, by the names that they have in the original."""
    half = half_values(model)
    return {
        own_name(node.name): product_of(model, node, half)
        for node in model.nodes
        if family(node.op_type) in PRODUCTS
    }


def own_name(name: str) -> str:
    """The name that a product had in the original, if another operator took its place."""
    for mark in REPLACED:
        name = name.removesuffix(mark)
    return name


def product_of(model: Model, node: NodeInfo, half: frozenset[str]) -> Product:
    """The numbers that a product multiplies, and the bytes of its constants."""
    held = {value: constants(model, value) for value in dict.fromkeys(node.inputs)}
    numbers = numbers_of(model, node, half)
    narrow = any(found and value not in model.weights for value, found in held.items())
    return Product(
        numbers=numbers,
        weight_bytes=sum(map(sum, held.values())),
        expanded=numbers == "float32" and (narrow or node.op_type == "MatMulNBits"),
    )


def numbers_of(model: Model, node: NodeInfo, half: frozenset[str]) -> Numbers:
    """The format of a product's operands."""
    if node.op_type == "MatMulNBits":
        return "int8" if node.attributes.get("accuracy_level") == INTEGER_LEVEL else "float32"
    if is_integer(node.op_type):
        return "int8"
    operands = node.inputs[:2]
    if operands and all(is_rounded(source(model, value)) for value in operands):
        return "int8"
    return "float16" if half.issuperset(operands) else "float32"


def half_values(model: Model) -> frozenset[str]:
    """Values of 16 bits, weights too: files do not say the types of what is inside."""
    half = {name for name, info in model.weights.items() if info.dtype == "float16"}
    for node in model.nodes:
        if node.op_type == "Cast":
            narrow = node.attributes.get("to") == FLOAT16
        else:
            narrow = not half.isdisjoint(node.inputs)
        half.update(node.outputs if narrow else ())
    return frozenset(half)


def source(model: Model, value: str) -> NodeInfo | None:
    """The node that gives a value; None for inputs and weights."""
    name = model.producers.get(value)
    return None if name is None else model.node(name)


def is_rounded(node: NodeInfo | None) -> bool:
    """Whether a value comes from integers."""
    return node is not None and node.op_type == "DequantizeLinear"


def constants(model: Model, value: str) -> list[int]:
    """Bytes of the constants behind a value: its own, or those that are expanded to it."""
    if value in model.weights:
        return [model.weights[value].size_bytes]
    node = source(model, value)
    if node is None or family(node.op_type) != CONVERSION or node.inputs[0] not in model.weights:
        return []
    return [model.weights[name].size_bytes for name in node.inputs if name in model.weights]


def bytes_left(built: Model, node: NodeInfo, half: frozenset[str]) -> float:
    """The share of a node's bytes that it still moves: less if its values are narrower."""
    values = [value for value in node.inputs if value and value not in built.weights]
    readers = [
        built.node(name).op_type for out in node.outputs for name in built.consumers.get(out, ())
    ]
    rounded = values and all(is_rounded(source(built, value)) for value in values)
    if rounded and readers and all(kind == "QuantizeLinear" for kind in readers):
        return BYTES["int8"]
    return BYTES["float16"] if not half.isdisjoint(node.outputs) else 1.0


def joined(
    original: Model, built: Model, gone: Iterable[NodeInfo]
) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Connected groups of nodes that are gone, where new nodes give what they gave."""
    missing = {node.name: node for node in gone}
    given = {out for node in built.nodes for out in node.outputs}
    groups = []
    while missing:
        group, edge = [], [next(iter(missing))]
        while edge:
            node = missing.pop(edge.pop(), None)
            if node is None:
                continue
            group.append(node)
            near = [original.producers.get(value, "") for value in node.inputs]
            near += [name for out in node.outputs for name in original.consumers.get(out, ())]
            edge += [name for name in near if name in missing]
        count = sum(out in given for node in group for out in node.outputs)
        if count:
            groups.append((count, tuple(sorted(node.name for node in group))))
    return tuple(groups)
