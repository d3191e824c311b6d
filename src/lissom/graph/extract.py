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
    graph.outputs.clear()
    graph.outputs.extend(named[name] for name in dict.fromkeys(values))
    kept = set(graph.outputs)
    for node in reversed(list(graph)):
        if not kept.isdisjoint(node.outputs):
            kept.update(value for value in node.inputs if value is not None)
            for body in graph.subgraphs() if node.attributes else ():
                kept.update(v for inner in body for v in inner.inputs if v is not None)
        else:
            graph.remove(node, safe=True)
    for name, value in list(graph.initializers.items()):
        if not value.uses() and value not in kept:
            del graph.initializers[name]
    return Model.build(ir, history=(*model.history, "part taken"), known_fingerprint="part")
