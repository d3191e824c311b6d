"""Put one node in the place of several that compute the same function."""

from __future__ import annotations

from typing import Final

from lissom.errors import BrokenPromise
from lissom.graph.edit import FuseNodes, describe
from lissom.graph.perform_draft import Draft

__all__ = ["fuse_nodes"]

_VERSIONS: Final = {"com.microsoft": 1}


def fuse_nodes(draft: Draft, edit: FuseNodes) -> None:
    """Replace the edit's nodes by one; it stands where the last of them stood.

    Raises:
        BrokenPromise: a node or value does not exist, none of the nodes gives the output, or
            something outside still reads what only they gave.
    """
    why = describe(edit)
    nodes = [draft.node(name, why) for name in edit.nodes]
    inputs = [draft.value(name, why) for name in edit.inputs]
    before = draft.value(edit.output, why)
    last = before.producer()
    if last is None or last not in nodes:
        raise BrokenPromise(f"{why}: none of its nodes gives {edit.output!r}")
    after = draft.output(edit.output, before.dtype, before)
    new = draft.make(
        edit.op_type, f"{last.name}/{edit.op_type}", inputs, [after], domain=edit.domain
    )
    if edit.domain:
        draft.ir.opset_imports.setdefault(edit.domain, _VERSIONS[edit.domain])
    draft.replace_node(last, [new])
    waiting = [node for node in nodes if node is not last]
    for node in reversed(waiting):
        if any(value.uses() or value.is_graph_output() for value in node.outputs):
            raise BrokenPromise(f"{why}: something outside reads what {node.name!r} gives")
        draft.ir.graph.remove(node, safe=True)
        del draft.nodes[node.name or ""]
