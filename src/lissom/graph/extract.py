"""The part of a graph that some values need: quicker to run than the whole."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from lissom.errors import ModelError
from lissom.graph.model import Model

if TYPE_CHECKING:
    import numpy as np

__all__ = ["extract"]

_NOTHING: Final[Mapping[str, "np.dtype[Any]"]] = MappingProxyType({})


def extract(
    model: Model, values: Sequence[str], given: Mapping[str, "np.dtype[Any]"] = _NOTHING
) -> Model:
    """A model that gives these values and nothing else.

    Args:
        model: the whole.
        values: names of what its nodes give.
        given: what nodes give that need not run for it, and its type: those of these values that
            are needed become inputs, behind the model's own.

    Raises:
        ModelError: no node of the main graph gives one of them.
    """
    import onnx_ir as ir

    copied = model.copy_ir()
    graph = copied.graph
    named = {value.name: value for node in graph for value in node.outputs}
    unknown = [name for name in values if name not in named]
    if unknown:
        raise ModelError(f"{unknown[0]!r} is not computed by a node of the main graph")
    needed = set(values)
    for info in reversed(model.nodes):
        if not needed.isdisjoint(info.outputs):
            needed.update(name for name in (*info.inputs, *info.captured) if name not in given)
    graph.outputs.clear()
    graph.outputs.extend(named[name] for name in dict.fromkeys(values))
    for node in reversed(list(graph)):
        if not needed.isdisjoint(value.name for value in node.outputs):
            continue
        for value in node.outputs:
            dtype = given.get(value.name or "")
            if dtype is not None and value.uses():
                kind = ir.TensorType(ir.DataType.from_numpy(dtype))
                port = ir.Value(name=value.name, shape=value.shape, type=kind)
                value.replace_all_uses_with(port)
                graph.inputs.append(port)
        graph.remove(node, safe=True)
    for name in [name for name in graph.initializers if name not in needed]:
        del graph.initializers[name]
    return Model.build(copied, history=(*model.history, "part taken"), known_fingerprint="part")
