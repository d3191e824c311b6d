"""Factors of a value's channels moved into what gives it, at no cost when the model runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lissom.graph.describe import NodeInfo
from lissom.graph.edit import ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.site import Site
from lissom.methods.reading import Array, Reading, flat, unflat
from lissom.store.store import Store

__all__ = ["Fold", "divided", "folds"]

# What is passed by a positive factor of each channel as it is, whatever its axis.
_PASSED = frozenset({"Relu", "LeakyRelu", "Dropout", "Identity"})
# Likewise where channels are axis 1; other axes are pooled.
_POOLS = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A value that only weighted operators read, and what gives it.

    Attributes:
        value: the value.
        readers: the operators that read it, by node.
        giver: the weighted operator whose rows can take the factors; None for vectors alone.
        vectors: weights [channels] that take them: biases, the scale of a normalization.
        holder: the node that reads those: the giver, the sum behind it, or the normalization.
    """

    value: str
    readers: tuple[str, ...]
    giver: str | None
    vectors: tuple[str, ...]
    holder: str

    @property
    def nodes(self) -> tuple[str, ...]:
        """All whose weights change."""
        givers = (self.holder,) if self.giver is None else (self.giver, self.holder)
        return tuple(dict.fromkeys((*self.readers, *givers)))


def folds(model: Model, known: Mapping[str, tuple[Site, Reading]]) -> Iterator[Fold]:
    """The values whose channels can be scaled for nothing.

    Args:
        model: the model.
        known: its operators, as `readings` answers.
    """
    values = dict.fromkeys(reading.input for _, reading in known.values())
    outputs = {port.name for port in model.outputs}
    for value in values:
        readers = model.consumers.get(value, ())
        plain = all(
            node in known and known[node][0].groups == 1 and known[node][0].input == value
            for node in readers
        )
        if not plain or value in outputs or value in model.captured:
            continue
        # A convolution's channels are axis 1, a product's the last: no factor is of both.
        axes = {_axis(known[node][0]) for node in readers}
        if len(axes) > 1:
            continue
        axis = axes.pop()
        source = _source(model, value, axis)
        found = None if source is None else _taker(model, source, axis, known)
        if source is not None and found is not None:
            giver, vectors = found
            yield Fold(
                value=value, readers=readers, giver=giver, vectors=vectors, holder=source.name
            )


def _axis(site: Site) -> int:
    """Of the channels of what an operator reads and gives."""
    return 1 if site.op_type == "Conv" else -1


def _source(model: Model, value: str, axis: int) -> NodeInfo | None:
    """The node behind what passes factors of the channels along an axis."""
    passed = _PASSED | _POOLS if axis == 1 else _PASSED
    outputs = {port.name for port in model.outputs}
    while value in model.producers:
        node = model.node(model.producers[value])
        if node.op_type not in passed or node.domain or len(node.outputs) != 1:
            return node
        value = node.inputs[0]
        alone = len(model.consumers.get(value, ())) == 1
        if not alone or value in outputs or value in model.captured:
            return None
    return None


def _taker(
    model: Model, node: NodeInfo, axis: int, known: Mapping[str, tuple[Site, Reading]]
) -> tuple[str | None, tuple[str, ...]] | None:
    """What takes factors of the channels along an axis of what a node gives."""
    if node.name in known:
        site = known[node.name][0]
        own = () if site.bias is None else (site.bias,)
        return (node.name, own) if _axis(site) == axis else None
    if axis == 1:
        return None
    if node.op_type == "Add" and not node.domain:
        return _sum(model, node, known)
    if node.op_type == "LayerNormalization" and node.attributes.get("axis", -1) == -1:
        vectors = tuple(name for name in node.inputs[1:] if name)
        return (None, vectors) if all(_is_own(model, name) for name in vectors) else None
    return None


def _sum(
    model: Model, node: NodeInfo, known: Mapping[str, tuple[Site, Reading]]
) -> tuple[str | None, tuple[str, ...]] | None:
    """A product whose bias is added behind it."""
    for one, other in (node.inputs, node.inputs[::-1]):
        giver = model.producers.get(one)
        outputs = {port.name for port in model.outputs}
        alone = model.consumers.get(one, ()) == (node.name,) and one not in outputs
        if giver is not None and giver in known and alone and known[giver][0].op_type == "MatMul":
            fits = _is_own(model, other) and model.weights[other].shape == (
                known[giver][0].outputs,
            )
            return (giver, (other,)) if fits else None
    return None


def _is_own(model: Model, name: str) -> bool:
    info = model.weights.get(name)
    alone = len(model.consumers.get(name, ())) == 1 and name not in model.captured
    return info is not None and info.dtype == "float32" and len(info.shape) == 1 and alone


def divided(
    model: Model,
    fold: Fold,
    factors: Array,
    known: Mapping[str, tuple[Site, Reading]],
    store: Store,
) -> Iterator[ReplaceWeight]:
    """Edits that divide a value by factors [channels], and multiply in all that read it."""
    for node in fold.readers:
        site = known[node][0]
        weight = flat(model, site)
        wide = np.repeat(factors, weight.shape[1] // len(factors))
        yield _edit(site.weight, unflat(site, weight * wide), store)
    if fold.giver is not None:
        site = known[fold.giver][0]
        yield _edit(site.weight, unflat(site, flat(model, site) / factors[:, None]), store)
    for name in fold.vectors:
        yield _edit(name, (model.weight(name) / factors).astype(np.float32), store)


def _edit(weight: str, values: Array, store: Store) -> ReplaceWeight:
    return ReplaceWeight(weight=weight, values=store.put_array(values))
