"""Scope: which nodes of a model a step may touch, as the user said it.

A target is an operator type (`Conv`) or a glob over node names (`/encoder/layer.0/*`). Brackets in
an exporter's names (`conv[0]`) are taken as they stand wherever the whole target equals the name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lissom.graph.model import Model, NodeInfo
from lissom.near import did_you_mean

__all__ = ["Scope"]


def _hit(target: str, node: NodeInfo) -> bool:
    return target in {node.op_type, node.name} or fnmatchcase(node.name, target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Nodes in `include` (all, if it is empty) and not in `exclude`."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def refusal(self, node: NodeInfo) -> str | None:
        """Why a node may not be touched; None if it may."""
        for target in self.exclude:
            if _hit(target, node):
                return f"excluded by {target!r}"
        if self.include and not any(_hit(target, node) for target in self.include):
            return "not among the included nodes"
        return None

    def unmatched(self, models: Iterable[Model]) -> tuple[str, ...]:
        """The targets that name no node of any of these models, each with what was meant.

        Returns:
            For messages: `'gemm' (did you mean 'Gemm'?)`, or `'fame'` where nothing is near.
        """
        nodes = [node for model in models for node in model.nodes]
        known = (*dict.fromkeys(node.op_type for node in nodes), *(node.name for node in nodes))
        found = []
        for target in (*self.include, *self.exclude):
            if not any(_hit(target, node) for node in nodes):
                meant = did_you_mean(target, known)
                found.append(f"{target!r} ({meant})" if meant else repr(target))
        return tuple(found)
