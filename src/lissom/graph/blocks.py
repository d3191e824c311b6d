"""Blocks: stretches of a graph that a bypass takes out, found from shapes alone.

A block lies between two values of one shape, an input and an output that depends on it, such that
everything between them leaves when the input is read in the output's place. Two forms are looked
for, with no table of layers:

    joins   a node with several computed operands, one of which has the shape of its result: a
            residual sum (either side), a gate, a squeeze-excite factor
    chains  from a value to the next one that the same operator gives in the same shape: a
            convolution with what follows it, a branch with its normalization, and two such chains
            in a row: a whole layer
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lissom.graph.channels.elsewhere import Sizes, elsewhere
from lissom.graph.cost import macs
from lissom.graph.edit import BypassNodes
from lissom.graph.model import Model, NodeInfo

__all__ = ["Block", "blocks"]

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What one bypass takes out.

    Attributes:
        input: the value before it.
        output: the value that it gives.
        nodes: that leave, in the graph's order.
        weighted: those of them that multiply: what a block is known by.
        macs: multiply-accumulates of those nodes in one run.
    """

    input: str
    output: str
    nodes: tuple[str, ...]
    weighted: tuple[str, ...]
    macs: int

    @property
    def name(self) -> str:
        """The first and the last of its nodes."""
        return self.nodes[0] if len(self.nodes) == 1 else f"{self.nodes[0]} ... {self.nodes[-1]}"

    @property
    def edit(self) -> BypassNodes:
        """What takes it out."""
        return BypassNodes(input=self.input, output=self.output)


def blocks(model: Model, shapes: Shapes) -> tuple[Block, ...]:
    """Blocks that can leave and save arithmetic, each set of weighted nodes once.

    Args:
        model: the model.
        shapes: the concrete shape of every value that is no weight, of one run.

    Raises:
        ModelError: a shape does not fit its operator.
    """
    graph = _Graph(model, shapes)
    found: dict[tuple[str, ...], Block] = {}
    joins = (pair for node in model.nodes for pair in graph.joins(node))
    nearest = {name: graph.before(name) for node in model.nodes for name in node.outputs if name}
    chains = [(u, v) for v, many in nearest.items() for u in many]
    doubled = [(first, v) for u, v in chains for first in nearest.get(u, ())]
    for before, after in (*joins, *chains, *doubled):
        block = graph.block(before, after)
        if block is not None:
            found.setdefault(block.weighted, block)
    place = {name: number for number, name in enumerate(model.node_names)}
    return tuple(sorted(found.values(), key=lambda one: (place[one.nodes[-1]], one.macs)))


class _Graph:
    """A graph as blocks are sought in it."""

    def __init__(self, model: Model, shapes: Shapes) -> None:
        self._model, self._shapes = model, shapes
        self._counted = {name: count for name, count in macs(model, shapes).items() if count}
        self._elsewhere = elsewhere(model, shapes)
        self._nodes = {node.name: node for node in model.nodes}
        self._place = {name: number for number, name in enumerate(self._nodes)}
        self._outputs = {port.name for port in model.outputs}

    def joins(self, node: NodeInfo) -> Iterator[tuple[str, str]]:
        """Operands of a node that can stand for its result, where it has several computed ones."""
        computed = dict.fromkeys(name for name in node.inputs if name in self._shapes)
        if len(computed) > 1 and len(node.outputs) == 1:
            yield from ((name, node.outputs[0]) for name in computed)

    def before(self, value: str) -> tuple[str, ...]:
        """The nearest values before one that the same operator gives, in the same shape."""
        last = self._giver(value)
        if last is None or value not in self._shapes:
            return ()
        found: dict[str, None] = {}
        seen, waiting = set[str](), [*last.inputs]
        while waiting:
            name = waiting.pop()
            node = self._giver(name)
            if node is None or name in seen:
                continue
            seen.add(name)
            if node.op_type == last.op_type and self._alike(name, value):
                found[name] = None
            else:
                waiting += node.inputs
        return tuple(found)

    def block(self, before: str, after: str) -> Block | None:
        """What leaves if one value is read for another; None if that is no block."""
        if not self._alike(before, after):
            return None
        gone = self._leaving(before, after)
        nodes = tuple(sorted(gone, key=self._place.__getitem__))
        weighted = tuple(name for name in nodes if name in self._counted)
        if not weighted or not self._between(before, after) <= gone:
            return None
        saved = sum(self._counted[name] for name in weighted)
        return Block(input=before, output=after, nodes=nodes, weighted=weighted, macs=saved)

    def _giver(self, value: str) -> NodeInfo | None:
        return self._nodes.get(self._model.producers.get(value, ""))

    def _alike(self, one: str, other: str) -> bool:
        """Of one floating type, and of one shape in the run and for other open sizes."""
        model, known = self._model, self._shapes
        kinds = model.value_dtype(one), model.value_dtype(other)
        if known.get(one) is None or known.get(one) != known.get(other) or kinds[0] != kinds[1]:
            return False
        return str(kinds[0]).startswith("float") and all(
            _same(sizes, one, other) for sizes in self._elsewhere
        )

    def _leaving(self, before: str, after: str) -> set[str]:
        """The nodes that nobody needs once `before` is read for `after`."""
        last = self._model.producers[after]
        gone: set[str] = set()
        waiting = [last]
        while waiting:
            name = waiting.pop()
            node = self._nodes[name]
            if name in gone or self._needed(node, gone, before, after):
                continue
            gone.add(name)
            given = (self._model.producers.get(v) for v in (*node.inputs, *node.captured))
            waiting += [producer for producer in given if producer is not None]
        return gone

    def _needed(self, node: NodeInfo, gone: set[str], before: str, after: str) -> bool:
        """Whether what a node gives is still read: the input always is, the output no more."""
        for value in node.outputs:
            if value == before or (value in self._outputs and value != after):
                return True
            if value != after and not gone.issuperset(self._model.consumers.get(value, ())):
                return True
        return False

    def _between(self, before: str, after: str) -> set[str]:
        """The nodes on paths from one value to another."""
        model, last = self._model, self._place[self._model.producers[after]]
        behind, reached = {before}, []
        start = self._place.get(model.producers.get(before, ""), -1)
        for node in model.nodes[start + 1 : last + 1]:
            if not behind.isdisjoint((*node.inputs, *node.captured)):
                behind.update(node.outputs)
                reached.append(node)
        needed, found = {after}, set[str]()
        for node in reversed(reached):
            if not needed.isdisjoint(node.outputs):
                found.add(node.name)
                needed.update((*node.inputs, *node.captured))
        return found


def _same(sizes: Sizes, one: str, other: str) -> bool:
    """Whether two values have one shape, or nothing is known of one of them."""
    first, second = sizes.shapes.get(one), sizes.shapes.get(other)
    return first is None or second is None or first == second
