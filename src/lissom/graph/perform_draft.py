"""A draft: the private copy of a graph that edits are performed on, with its indexes by name.

It knows names, nodes and values, nothing of quantization. What edits put in beside the network's
own nodes (quantize, dequantize, cast) are its helper nodes; a helper that nobody reads is dropped,
and so is a weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.describe import captured_names
from lissom.graph.naming import fresh_name

if TYPE_CHECKING:
    from lissom.graph.model import Model

__all__ = ["Draft"]


class Draft:
    """A graph while it is being edited.

    Attributes:
        ir: the copy; the model that it came from shares its weights and is never changed.
        values: main-graph values by name: inputs, weights, what nodes give. An edit that puts
            another value in the place of one keeps the name here on the float original.
        nodes: main-graph nodes by name.
        pairs: the value rounded, by name, type, scale and zero point: equal edits share it.
    """

    def __init__(self, model: Model) -> None:
        self.ir = model.copy_ir()
        graph = self.ir.graph
        self.nodes: dict[str, ir.Node] = {node.name or "": node for node in graph}
        self.values: dict[str, ir.Value] = {}
        for value in (*graph.inputs, *graph.initializers.values()):
            self.values[value.name or ""] = value
        for node in graph:
            self.values.update({value.name or "": value for value in node.outputs})
        self._value_names = set(self.values)
        self._node_names = set(self.nodes)
        for body in graph.subgraphs():
            own = (*body.inputs, *body.initializers.values())
            self._value_names.update(value.name or "" for value in own)
            for node in body:
                self._node_names.add(node.name or "")
                self._value_names.update(value.name or "" for value in node.outputs)
        self._helpers: set[ir.Node] = set()
        self.pairs: dict[tuple[str, str, float, int], ir.Value] = {}
        self._shared: dict[str, ir.Value] = {}

    # -- finding ---------------------------------------------------------------------------------

    def value(self, name: str, why: str) -> ir.Value:
        """The value of this name.

        Raises:
            BrokenPromise: there is none; `why` says which edit asked.
        """
        found = self.values.get(name)
        if found is None:
            raise BrokenPromise(f"{why}: the model has no value {name!r}")
        return found

    def node(self, name: str, why: str) -> ir.Node:
        """The node of this name.

        Raises:
            BrokenPromise: there is none; `why` says which edit asked.
        """
        found = self.nodes.get(name)
        if found is None:
            raise BrokenPromise(f"{why}: the model has no node {name!r}")
        return found

    def stored(self, name: str, why: str) -> ir.Value:
        """The initializer of this name, of any type; it must be no input of the model.

        Raises:
            BrokenPromise: there is no such initializer.
            MethodError: it is an input too.
        """
        value = self.ir.graph.initializers.get(name)
        if value is None or value.const_value is None:
            raise BrokenPromise(f"{why}: the model has no weight {name!r}")
        if value.is_graph_input():
            raise MethodError(f"{why}: the weight {name!r} is an input of the model")
        return value

    def weight(self, name: str, why: str) -> ir.Value:
        """The initializer of this name; it must be float32 and no input of the model.

        Raises:
            BrokenPromise: there is no such initializer.
            MethodError: it is an input too, or holds another type.
        """
        value = self.stored(name, why)
        if value.const_value is None or value.const_value.dtype != ir.DataType.FLOAT:
            found = "of no type" if value.const_value is None else value.const_value.dtype
            raise MethodError(f"{why}: the weight {name!r} is {found}, not FLOAT")
        return value

    def readers(self, value: ir.Value) -> list[ir.Node]:
        """The network's own main-graph nodes that read a value, without helpers and repeats."""
        found: dict[ir.Node, None] = {}
        for node, _ in value.uses():
            if node.graph is self.ir.graph and node not in self._helpers:
                found[node] = None
        return list(found)

    def chosen_readers(
        self, value: ir.Value, names: Iterable[str] | None, why: str
    ) -> list[ir.Node]:
        """The readers of these names; every reader for None.

        Raises:
            BrokenPromise: a named node does not exist or does not read the value.
        """
        if names is None:
            return self.readers(value)
        chosen = [self.node(name, why) for name in names]
        for node in chosen:
            if all(used is not value for used in node.inputs):
                raise BrokenPromise(f"{why}: node {node.name!r} does not read {value.name!r}")
        return chosen

    # -- changing --------------------------------------------------------------------------------

    def constant(self, wanted: str, tensor: ir.TensorProtocol) -> ir.Value:
        """Add a weight; its name is the wanted one or, if that is taken, one with a number."""
        value = ir.Value(
            name=self._fresh_value(wanted),
            const_value=tensor,
            shape=ir.Shape(tensor.shape.numpy()),
            type=ir.TensorType(tensor.dtype),
        )
        self.ir.graph.register_initializer(value)
        self.values[value.name or ""] = value
        return value

    def shared(self, wanted: str, tensor: ir.TensorProtocol) -> ir.Value:
        """A constant that several edits read: added when it is first asked for under this name."""
        if wanted not in self._shared:
            self._shared[wanted] = self.constant(wanted, tensor)
        return self._shared[wanted]

    def output(self, wanted: str, dtype: ir.DataType | None, like: ir.Value | None) -> ir.Value:
        """A value for a new node to give, shaped as another (None: shape or type unknown)."""
        shape = None if like is None or like.shape is None else ir.Shape(like.shape)
        kind = None if dtype is None else ir.TensorType(dtype)
        return ir.Value(name=self._fresh_value(wanted), shape=shape, type=kind)

    def make(
        self,
        op_type: str,
        name: str,
        inputs: Sequence[ir.Value | None],
        outputs: Sequence[ir.Value],
        attributes: dict[str, Any] | None = None,
        *,
        domain: str = "",
    ) -> ir.Node:
        """A node that belongs to no graph yet; its name is made unique."""
        unique = fresh_name(name, self._node_names)
        self._node_names.add(unique)
        return ir.node(
            op_type, inputs, attributes, domain=domain, outputs=list(outputs), name=unique
        )

    def insert_behind(self, value: ir.Value, nodes: Sequence[ir.Node]) -> None:
        """Put helper nodes right behind what gives a value: its node, or the graph's start."""
        producer = value.producer()
        if producer is not None:
            self.ir.graph.insert_after(producer, nodes)
        else:
            self.ir.graph.insert_before(self.ir.graph[0], nodes)
        self._helpers.update(nodes)
        for node in nodes:
            self.values.update({given.name or "": given for given in node.outputs})

    def redirect(self, nodes: Iterable[ir.Node], old: ir.Value, new: ir.Value) -> None:
        """Let nodes read another value, in every input where they read the old one."""
        for node in nodes:
            for index, used in enumerate(node.inputs):
                if used is old:
                    node.replace_input_with(index, new)

    def replace_node(self, old: ir.Node, new: Sequence[ir.Node]) -> None:
        """Put nodes in the place of one; the last one gives its values from now on, in order.

        The first of the new nodes takes over the old one's name. Values that the old one leaves out
        (without a name) are left out by the new one too.
        """
        name = old.name or ""
        pairs = [
            (before, after, before.name)
            for before, after in zip(old.outputs, new[-1].outputs, strict=True)
            if before.name
        ]
        self.ir.graph.insert_before(old, new)
        for before, after, _ in pairs:
            after.shape, after.type = before.shape, before.type
            before.replace_all_uses_with(after, replace_graph_outputs=True)
        self.ir.graph.remove(old, safe=True)
        for before, after, value_name in pairs:
            before.name, after.name = None, value_name
            self.values[value_name] = after
        new[0].name = name
        self.nodes[name] = new[0]

    def drop(self, helper: ir.Node) -> None:
        """Remove a helper node whose outputs nobody reads."""
        self.ir.graph.remove(helper, safe=True)
        self._helpers.discard(helper)

    def add_before(self, place: ir.Node, node: ir.Node) -> None:
        """Put a node of the network before another."""
        self.ir.graph.insert_before(place, [node])
        self.nodes[node.name or ""] = node
        self.values.update({given.name or "": given for given in node.outputs})

    def prune(self, node: ir.Node) -> None:
        """Remove a node if nobody reads what it gives, and then what only it needed."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one.graph is not self.ir.graph or any(map(_is_used, one.outputs)):
                continue
            needed = [*one.inputs, *(self.values.get(name) for name in captured_names(one))]
            _let_go(one)
            self.ir.graph.remove(one, safe=True)
            del self.nodes[one.name or ""]
            for value in one.outputs:
                if self.values.get(value.name or "") is value:
                    del self.values[value.name or ""]
            producers = (None if value is None else value.producer() for value in needed)
            waiting += [producer for producer in producers if producer is not None]

    def rename(self, value: ir.Value, wanted: str) -> None:
        """Give a value another name; its old one may be used again."""
        value.name = self._fresh_value(wanted)

    def sweep(self) -> None:
        """Drop helper nodes that nobody reads and weights that nobody uses."""
        graph = self.ir.graph
        changed = True
        while changed:
            idle = [node for node in self._helpers if not any(map(_is_used, node.outputs))]
            changed = bool(idle)
            for node in idle:
                self.drop(node)
        for name, value in list(graph.initializers.items()):
            if not _is_used(value) and not value.is_graph_input():
                del graph.initializers[name]

    def _fresh_value(self, wanted: str) -> str:
        name = fresh_name(wanted, self._value_names)
        self._value_names.add(name)
        return name


def _let_go(node: ir.Node) -> None:
    """Let the bodies of a node read nothing, so that it can leave."""
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in ir.traversal.RecursiveGraphIterator(attribute.as_graph()):
                for index in range(len(inner.inputs)):
                    inner.replace_input_with(index, None)


def _is_used(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()
