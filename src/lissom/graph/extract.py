"""The part of a graph that some values need: quicker to run than the whole."""

from collections.abc import Sequence

from lissom.errors import ModelError
from lissom.graph.model import Model

__all__ = ["extract"]


def extract(model: Model, values: Sequence[str]) -> Model:
    """A model that gives these values and nothing else.

    Args:
        model: the whole.
        values: names of what its nodes give.

    Raises:
        ModelError: no node of the main graph gives one of them.
    """
    ir = model.copy_ir()
    graph = ir.graph
    named = {value.name: value for node in graph for value in node.outputs}
    unknown = [name for name in values if name not in named]
    if unknown:
        raise ModelError(f"{unknown[0]!r} is not computed by a node of the main graph")
    needed = set(values)
    for info in reversed(model.nodes):
        if not needed.isdisjoint(info.outputs):
            needed.update((*info.inputs, *info.captured))
    graph.outputs.clear()
    graph.outputs.extend(named[name] for name in dict.fromkeys(values))
    for node in reversed(list(graph)):
        if needed.isdisjoint(value.name for value in node.outputs):
            graph.remove(node, safe=True)
    for name in [name for name in graph.initializers if name not in needed]:
        del graph.initializers[name]
    return Model.build(ir, history=(*model.history, "part taken"), known_fingerprint="part")
