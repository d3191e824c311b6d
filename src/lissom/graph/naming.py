"""Names: every node gets a unique one, so that methods, edits and reports can speak about it.

A name that is already there and unique is kept. A new one is made from the node's first output,
which is unique in its graph, so it does not depend on what else the graph holds.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir

__all__ = ["fresh_name", "name_nodes", "name_proto_nodes"]


def fresh_name(wanted: str, taken: "set[str] | frozenset[str]") -> str:
    """The wanted name, or the first of `wanted_1`, `wanted_2`... that is not taken."""
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name


def name_nodes(ir: "onnx_ir.Model") -> None:
    """Give a unique name to every node of the graph and of its bodies that has none of its own."""
    taken: set[str] = set()
    for graph in (ir.graph, *ir.graph.subgraphs()):
        for node in graph:
            outputs = (value.name or "" for value in node.outputs)
            name = _choose(node.name or "", node.op_type, outputs, taken)
            if name != node.name:
                node.name = name


def name_proto_nodes(nodes: Iterable, taken: set[str]) -> None:  # type: ignore[type-arg]
    """The same for the nodes of an ONNX protobuf graph, bodies included."""
    for node in nodes:
        node.name = _choose(node.name, node.op_type, node.output, taken)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                name_proto_nodes(attribute.g.node, taken)
            for body in attribute.graphs:
                name_proto_nodes(body.node, taken)


def _choose(name: str, op_type: str, outputs: Iterable[str], taken: set[str]) -> str:
    wanted = name or f"{op_type}_{next((output for output in outputs if output), 'unused')}"
    chosen = fresh_name(wanted, taken)
    taken.add(chosen)
    return chosen
