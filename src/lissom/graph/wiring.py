"""How the nodes of a model file are wired, read without its weights: names, in and out.

Runs in a child process, on the file as it is: what a runtime says of its nodes is said in the
names of that very file.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from lissom.errors import ModelError
from lissom.graph.describe import NodeInfo
from lissom.graph.naming import name_proto_nodes

if TYPE_CHECKING:
    import onnx

__all__ = ["read_wiring"]


def read_wiring(path: Path) -> tuple[NodeInfo, ...]:
    """Answer the nodes of a file's main graph, in its order, with their attributes left out.

    Nodes without a name of their own get the one that reading the model gives them.

    Raises:
        ModelError: The file is no ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, OSError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error
    name_proto_nodes(graph.node, set())
    return tuple(_plain(node) for node in graph.node)


def _plain(node: "onnx.NodeProto") -> NodeInfo:
    return NodeInfo(
        name=node.name,
        op_type=node.op_type,
        domain=node.domain,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={},
    )
