"""Which node of a model each executed kernel stands for.

Runtimes join nodes, and name the result after one of them or after the value that it gives, with
decorations of their own (`relu_5_nchwc`, `fused fc`, `conv1/WithoutBiases`). A kernel is given to
the node that its name means; a product's kernel, to the product that feeds that node, since what
follows a product (a bias, an activation) is joined to it. What cannot be told is given to none.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from lissom.graph.describe import NodeInfo
from lissom.measure.kernels import PRODUCTS, family

__all__ = ["attribute"]

_DECORATIONS: Final = (
    re.compile(r"_nchwc$"),
    re.compile(r"_token_\d+$"),
    re.compile(r"^fused "),
    re.compile(r"/WithoutBiases$"),
    re.compile(r"/[A-Za-z]+Fusion/$"),
    re.compile(r"/sink_port_\d+$"),
)
_DEEPEST: Final = 8  # nodes that are joined behind one product at most


def attribute(
    executed: Sequence[tuple[str, str]], nodes: Sequence[NodeInfo]
) -> tuple[str | None, ...]:
    """Answer, for each executed kernel, the name of the node that it stands for.

    Args:
        executed: the name and the operator of each, as the runtime has them.
        nodes: of the main graph of the very file that ran.

    Returns:
        One entry each; None where the name means no node. No product is answered twice.
    """
    graph = _Graph(nodes)
    found = [graph.meant(name) for name, _ in executed]
    heavy = [family(op_type) in PRODUCTS for _, op_type in executed]
    taken = {
        name for name, each in zip(found, heavy, strict=True) if each and graph.is_product(name)
    }
    for place, name in enumerate(found):
        if heavy[place] and name is not None and not graph.is_product(name):
            nearest = next((one for one in graph.behind(name) if one not in taken), None)
            found[place] = nearest
            if nearest is not None:
                taken.add(nearest)
    return tuple(found)


class _Graph:
    """Nodes by name, and the node that gives each value."""

    def __init__(self, nodes: Sequence[NodeInfo]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._makers = {out: node.name for node in nodes for out in node.outputs if out}

    def is_product(self, name: str | None) -> bool:
        """Whether a node's time is arithmetic."""
        return name is not None and family(self._nodes[name].op_type) in PRODUCTS

    def meant(self, name: str) -> str | None:
        """The node of this name, or the one that gives the value of this name."""
        for text in _bare(name):
            if text in self._nodes:
                return text
            if text in self._makers:
                return self._makers[text]
        return None

    def behind(self, name: str) -> Iterator[str]:
        """The products that a node's values come from, the nearest first."""
        level, seen = [name], {name}
        for _ in range(_DEEPEST):
            makers = (
                self._makers.get(value) for node in level for value in self._nodes[node].inputs
            )
            above = [one for one in dict.fromkeys(makers) if one is not None and one not in seen]
            seen.update(above)
            yield from filter(self.is_product, above)
            level = [one for one in above if not self.is_product(one)]


def _bare(name: str) -> Iterator[str]:
    """A name with fewer and fewer decorations."""
    yield name
    for pattern in _DECORATIONS:
        shorter = pattern.sub("", name)
        if shorter != name:
            yield from _bare(shorter)
            return
