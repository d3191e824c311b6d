"""The model that every other room speaks about: a validated ONNX graph that never changes.

A `Model` is cheap: graphs built from one another share their weights, and weights read from a
file stay in the file (memory mapped) until they are asked for. Rooms above this one see ports,
nodes and weights; the graph itself (`Model.ir`) is for this room only, and nobody changes it once
it is built.
"""

from collections import Counter
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from lissom.errors import ModelError
from lissom.graph.describe import (
    NodeInfo,
    Port,
    Shape,
    WeightInfo,
    all_tensors,
    is_quantized,
    node_info,
    parameter_count,
    port,
    shape_of,
    type_name,
    weight_info,
)
from lissom.graph.fingerprint import fingerprint as compute_fingerprint
from lissom.graph.naming import name_nodes

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir

__all__ = ["Model", "NodeInfo", "Port", "Shape", "WeightInfo"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """A validated ONNX graph. Two models with one fingerprint are equal.

    Attributes:
        fingerprint: sha256 of the graph and the weights (not of metadata).
        inputs: What must be fed, in order; never a weight.
        outputs: What is answered, in order.
        opset: The version of the standard operators.
        history: What was done to it since it was read, in words.
        notes: What a reader of a report should know (a step that failed and was undone).
        ir: The graph; for the graph room only, and never changed.
    """

    fingerprint: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    opset: int
    history: tuple[str, ...]
    notes: tuple[str, ...]
    ir: "onnx_ir.Model"

    @classmethod
    def build(
        cls,
        ir: "onnx_ir.Model",
        *,
        history: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        known_fingerprint: str | None = None,
    ) -> "Model":
        """Make a model of a graph; the graph belongs to the model from now on.

        Nodes without a name, or with another's, get one. The fingerprint is computed unless it is
        known from an earlier reading of the same file.
        """
        name_nodes(ir)
        graph = ir.graph
        return cls(
            fingerprint=known_fingerprint or compute_fingerprint(ir),
            inputs=tuple(port(v) for v in graph.inputs if v.name not in graph.initializers),
            outputs=tuple(port(value) for value in graph.outputs),
            opset=ir.opset_imports.get("", 0),
            history=history,
            notes=notes,
            ir=ir,
        )

    def __eq__(self, other: object) -> bool:
        """Equal graphs and weights, by fingerprint."""
        return isinstance(other, Model) and other.fingerprint == self.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return (
            f"Model({self.fingerprint[:12]}, opset {self.opset}, "
            f"{len(self.nodes)} nodes, {self.parameters} parameters)"
        )

    def copy_ir(self) -> "onnx_ir.Model":
        """A graph to change: new nodes and values, the same weights in memory."""
        clone = self.ir.clone()
        for graph in (clone.graph, *clone.graph.subgraphs()):
            outputs = (output for node in graph for output in node.outputs)
            for value in (*graph.inputs, *graph.initializers.values(), *outputs):
                value.type = copy(value.type)  # onnx_ir shares types, and its setters change them
        return clone

    @cached_property
    def nodes(self) -> tuple[NodeInfo, ...]:
        """The nodes of the main graph, each after those it reads from."""
        return tuple(node_info(node) for node in self.ir.graph)

    @cached_property
    def node_names(self) -> tuple[str, ...]:
        """The names of the nodes, in the same order."""
        return tuple(node.name for node in self.nodes)

    def node(self, name: str) -> NodeInfo:
        """The node of this name.

        Raises:
            ModelError: No node of the main graph has it.
        """
        found = self._node_index.get(name)
        if found is None:
            raise ModelError(f"no node is called {name!r} in this model")
        return self.nodes[found]

    @cached_property
    def producers(self) -> Mapping[str, str]:
        """The name of the node that gives each value (not inputs, not weights)."""
        return MappingProxyType(
            {out: node.name for node in self.nodes for out in node.outputs if out}
        )

    @cached_property
    def consumers(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the nodes that read each value, bodies of control flow included."""
        readers: dict[str, dict[str, None]] = {}
        for node in self.nodes:
            for value in (*node.inputs, *node.captured):
                if value:
                    readers.setdefault(value, {})[node.name] = None
        return MappingProxyType({value: tuple(names) for value, names in readers.items()})

    @cached_property
    def captured(self) -> frozenset[str]:
        """Values and weights that bodies of control flow read; whoever edits must keep them."""
        return frozenset(value for node in self.nodes for value in node.captured)

    @cached_property
    def op_counts(self) -> dict[str, int]:
        """How often each operator occurs in the main graph; other domains as `domain::Operator`."""
        counts = Counter(
            f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in self.nodes
        )
        return dict(sorted(counts.items()))

    @cached_property
    def weights(self) -> Mapping[str, WeightInfo]:
        """The weights of the main graph (every constant tensor), by name."""
        return MappingProxyType(
            {
                name: weight_info(value.const_value)
                for name, value in self.ir.graph.initializers.items()
                if value.const_value is not None
            }
        )

    def weight(self, name: str) -> "np.ndarray":
        """The values of a weight, read only; large ones stay in their file until touched.

        Raises:
            ModelError: The main graph has no weight of this name.
        """
        value = self.ir.graph.initializers.get(name)
        if value is None or value.const_value is None:
            raise ModelError(f"no weight is called {name!r} in this model")
        view = value.const_value.numpy().view()
        view.flags.writeable = False
        return view

    @cached_property
    def weight_bytes(self) -> int:
        """The bytes of every constant tensor, those inside bodies included."""
        return sum(tensor.nbytes for tensor in all_tensors(self.ir))

    @cached_property
    def parameters(self) -> int:
        """How many numbers were trained: every constant but indices, shapes, scales, zero points.

        A weight packed for `MatMulNBits` counts with the elements that it unpacks to.
        """
        return parameter_count(self.ir)

    @cached_property
    def already_quantized(self) -> bool:
        """Whether the graph holds integer operators or quantize/dequantize pairs."""
        return any(
            is_quantized(node.op_type)
            for graph in (self.ir.graph, *self.ir.graph.subgraphs())
            for node in graph
        )

    def value_dtype(self, name: str) -> str | None:
        """The element type of a main-graph value (NumPy's name), None where it is unknown."""
        value = self._values.get(name)
        return None if value is None or value.type is None else type_name(value.type)

    def value_shape(self, name: str) -> Shape | None:
        """The shape of a main-graph value as inferred, None where even the rank is unknown."""
        value = self._values.get(name)
        return None if value is None or value.shape is None else shape_of(value.shape)

    @cached_property
    def metadata(self) -> Mapping[str, str]:
        """The author's own notes (a vocabulary, class names), kept when the model is saved."""
        return MappingProxyType(dict(self.ir.metadata_props))

    @cached_property
    def _node_index(self) -> dict[str, int]:
        return {node.name: index for index, node in enumerate(self.nodes)}

    @cached_property
    def _values(self) -> "dict[str, onnx_ir.Value]":
        graph = self.ir.graph
        values = [*graph.inputs, *graph.initializers.values()]
        values += [output for node in graph for output in node.outputs]
        return {value.name: value for value in values if value.name}
