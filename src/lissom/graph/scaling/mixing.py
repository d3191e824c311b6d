"""Channels that can be mixed: blocks through which any invertible matrix can be moved.

Factors pass whatever commutes with each of them; a matrix over several channels passes only what
treats those channels alike and is linear: the values of one attention head, or two products in a
row. Such a block is found by following what one product gives, forward, as long as nothing but
reshapes, transposes, added biases, single numbers and attention weights stand in the way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from lissom.graph.channels.shapes import block_pairs
from lissom.graph.channels.walk import Shapes
from lissom.graph.model import Model, NodeInfo
from lissom.graph.site import Site, sites

__all__ = ["Mixable", "mixable"]

Array = npt.NDArray[Any]
_RESHAPES = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze"})


class _Stop(Exception):
    """What stands in the way; the words say it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixable:
    """Channels of one product that can be mixed block by block.

    Attributes:
        maker: the product that gives them.
        biases: vectors that are added to them.
        blocks: channels of the maker, those of each block [blocks, size].
        readers: products that read them, each with the channel that each of its inputs is.
    """

    maker: Site
    biases: tuple[str, ...]
    blocks: Array
    readers: tuple[tuple[Site, Array], ...]


def mixable(model: Model, shapes: Shapes) -> tuple[tuple[Mixable, ...], Mapping[str, str]]:
    """Find all blocks of a model's matrix products.

    Args:
        model: the graph.
        shapes: the concrete shape of each value that is no weight, from one run.

    Returns:
        What can be mixed, in the graph's order; for the other products, by name, why not.
    """
    products = {
        site.node: site
        for site in sites(model)
        if site.op_type in {"Gemm", "MatMul"} and _is_own(model, site)
    }
    found, refused = [], dict[str, str]()
    for site in products.values():
        try:
            found.append(_Follower(model, shapes, products, site).followed())
        except _Stop as error:
            refused[site.node] = str(error)
    return tuple(found), refused


def _is_own(model: Model, site: Site) -> bool:
    """Its weight is float32, read once, and multiplied as it stands."""
    attributes = model.node(site.node).attributes
    plain = (attributes.get("alpha", 1.0), attributes.get("beta", 1.0)) == (1.0, 1.0)
    return plain and not attributes.get("transA") and _once(model, site.weight)


def _once(model: Model, weight: str) -> bool:
    read = sum(node.inputs.count(weight) for node in model.nodes)
    outside = weight in model.captured or any(port.name == weight for port in model.outputs)
    return read == 1 and not outside and model.weights[weight].dtype == "float32"


class _Follower:
    """Follows the channels of one product forward."""

    def __init__(
        self, model: Model, shapes: Shapes, products: Mapping[str, Site], site: Site
    ) -> None:
        self._model, self._shapes, self._products, self._site = model, shapes, products, site
        self._blocks = np.zeros(site.outputs, np.int64)
        self._biases: list[str] = []
        self._readers: list[tuple[Site, Array]] = []
        self._ends = {port.name for port in model.outputs}

    def followed(self) -> Mixable:
        """All ways to the products that read the channels."""
        site, node = self._site, self._model.node(self._site.node)
        if site.op_type == "Gemm" and len(node.inputs) > 2 and node.inputs[2]:
            self._bias(node.inputs[2])
        rank = len(self._shape(site.output))
        self._follow(site.output, np.arange(site.outputs).reshape((1,) * (rank - 1) + (-1,)))
        names, sizes = np.unique(self._blocks, return_counts=True)
        if not self._readers or np.any(sizes != sizes[0]) or sizes[0] < 2:
            raise _Stop("nothing reads its channels in blocks")
        blocks = np.stack([np.flatnonzero(self._blocks == name) for name in names])
        return Mixable(
            maker=site,
            biases=tuple(self._biases),
            blocks=blocks,
            readers=tuple(self._readers),
        )

    def _follow(self, value: str, channels: Array) -> None:
        """Every reader of a value, whose elements are these channels (they broadcast to it)."""
        if value in self._ends or value in self._model.captured:
            raise _Stop("it is an output of the model, or read by a body")
        for name in self._model.consumers.get(value, ()):
            node = self._model.node(name)
            if node.inputs.count(value) > 1 or node.domain or len(node.outputs) > 1:
                raise _Stop(f"{node.op_type} is not linear in it")
            passed = self._passed(node, node.inputs.index(value), channels)
            if passed is not None:
                self._follow(node.outputs[0], passed)

    def _passed(self, node: NodeInfo, number: int, channels: Array) -> Array | None:
        """What an operator makes of channels; None where it reads them."""
        match node.op_type:
            case "MatMul" | "Gemm" if node.name in self._products and number == 0:
                if prod(channels.shape[:-1]) != 1:
                    raise _Stop(f"{node.op_type} reads it along another axis")
                self._readers.append((self._products[node.name], channels.ravel()))
                return None
            case "MatMul" if number == 1 and node.inputs[0] not in self._model.weights:
                return self._weighted(node, channels)
            case "Add":
                self._bias(node.inputs[1 - number], channels)
                return channels
            case "Mul" | "Div" if number == 0 and self._is_number(node.inputs[1]):
                return channels
            case "Identity":
                return channels
            case "Transpose":
                order: Any = node.attributes.get("perm")
                return channels.transpose(order)
            case op_type if op_type in _RESHAPES:
                return self._reshaped(node, channels)
        raise _Stop(f"{node.op_type} stands between it and what reads it")

    def _weighted(self, node: NodeInfo, channels: Array) -> Array:
        """Attention weights [..., m, k] times [..., k, n]: each matrix of the batch is a block."""
        if channels.ndim < 2 or channels.shape[-2] != 1:
            raise _Stop("it is summed over by a product of two computed values")
        if len(self._shape(node.outputs[0])) != channels.ndim:
            raise _Stop("a product repeats it")
        places = np.broadcast_to(
            np.arange(prod(channels.shape[:-1])).reshape(*channels.shape[:-1], 1), channels.shape
        )
        refined = np.zeros_like(self._blocks)
        refined[channels.ravel()] = places.ravel()
        _, self._blocks = np.unique(np.stack([self._blocks, refined]), axis=1, return_inverse=True)
        self._blocks = self._blocks.ravel()
        return channels

    def _bias(self, name: str, channels: Array | None = None) -> None:
        info = self._model.weights.get(name)
        plain = channels is None or (
            prod(channels.shape[:-1]) == 1
            and np.array_equal(channels.ravel(), np.arange(self._site.outputs))
        )
        if info is None or info.shape != (self._site.outputs,) or not plain:
            raise _Stop("what is added to it is no vector of its channels")
        if not _once(self._model, name):
            raise _Stop(f"several operators share {name!r}")
        self._biases.append(name)

    def _is_number(self, name: str) -> bool:
        info = self._model.weights.get(name)
        return info is not None and prod(info.shape) == 1

    def _reshaped(self, node: NodeInfo, channels: Array) -> Array:
        before, after = self._shape(node.inputs[0]), self._shape(node.outputs[0])
        if 0 in before:
            raise _Stop("it is empty")
        held, given = [1] * len(before), [1] * len(after)
        for old, new in block_pairs(before, after):
            if any(channels.shape[axis] > 1 for axis in old):
                if any(channels.shape[axis] != before[axis] for axis in old):
                    raise _Stop(f"{node.op_type} merges it with other axes")
                held = [before[a] if a in old else size for a, size in enumerate(held)]
                given = [after[a] if a in new else size for a, size in enumerate(given)]
        return np.broadcast_to(channels, held).reshape(given)

    def _shape(self, name: str) -> tuple[int, ...]:
        found = self._shapes.get(name)
        if found is None:
            raise _Stop("the shape of what it gives is not known")
        return found
