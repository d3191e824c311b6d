"""In which order operators are fitted, and what each is fitted towards.

Operators that read nothing of each other are one stage. Where what an operator gives is added to
another value (a residual sum), it can be fitted towards the original's sum, less what it is added
to now: then it makes good what the whole block before the sum lost.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from lissom.graph.model import Model
from lissom.graph.site import Site
from lissom.methods.reading import Array, bias_of, readings

__all__ = ["bias_behind", "last_of_sums", "stages_of", "sums_of"]

_NO_SUMS: Mapping[str, Sequence[str]] = MappingProxyType({})


def stages_of(
    model: Model, nodes: Sequence[str], sums: Mapping[str, Sequence[str]] = _NO_SUMS
) -> list[list[str]]:
    """Operators that can be fitted together, since none reads what another gives.

    Args:
        model: the model.
        nodes: the operators.
        sums: as `sums_of` answers, one operator a sum: it comes after all that the sum is made of.
    """
    adders = {model.producers[total]: node for node, (total, _) in sums.items()}
    behind: dict[str, frozenset[str]] = {}
    wanted, stages = set(nodes), list[list[str]]()
    stage: list[str] = []
    for node in model.nodes:
        before = frozenset[str]().union(
            *(behind.get(name, frozenset()) for name in (*node.inputs, *node.captured))
        )
        fitted = adders.get(node.name, node.name if node.name not in sums else None)
        if fitted is not None and fitted in wanted:
            if (before - {fitted}) & set(stage):
                stages.append(stage)
                stage = []
            stage.append(fitted)
        if node.name in wanted:
            before |= {node.name}
        behind.update(dict.fromkeys(node.outputs, before))
    return [*stages, stage] if stage else stages


def sums_of(
    model: Model, reduced: Model, nodes: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, list[str]]:
    """For operators whose output is added to another value of its shape: the sum, and that value.

    Only where nothing else reads the output, whose bias may be added in between. What it is added
    to in the reduced model may have another name there.

    Args:
        model: the original.
        reduced: the model that is fitted.
        nodes: the operators.
        shapes: the concrete shape of every value of the original that is no weight.
    """
    left = set(reduced.node_names)
    known, outputs = readings(model, grouped=True), {port.name for port in model.outputs}
    found = {}
    for node in nodes:
        site = known[node][0]
        value = site.output
        readers = model.consumers.get(value, ())
        if site.bias is None and bias_of(model, site) is not None:
            value = model.node(readers[0]).outputs[0]
            readers = model.consumers.get(value, ())
        if len(readers) != 1 or value in outputs or model.node(readers[0]).op_type != "Add":
            continue
        behind = model.node(readers[0])
        other = next((name for name in behind.inputs if name != value), "")
        if shapes.get(other) == shapes[value] == shapes[behind.outputs[0]] and behind.name in left:
            place = list(behind.inputs).index(other)
            found[node] = [behind.outputs[0], reduced.node(behind.name).inputs[place]]
    return found


def last_of_sums(sums: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """One operator a sum, the last one: two that made good the same loss would do it twice."""
    last = {total: node for node, (total, _) in sums.items()}
    return {node: sums[node] for node in last.values()}


def bias_behind(model: Model, site: Site) -> Array:
    """What is added between a product and the sum, which the product is fitted without."""
    name = bias_of(model, site)
    if name is None or site.bias is not None:
        return np.zeros(1, np.float32)
    return np.asarray(model.weight(name))
