"""What methods share that scale channels: which groups may change, and the edits of factors."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from lissom.graph.edit import ReplaceWeight
from lissom.graph.scaling.groups import Group, Scalable
from lissom.methods.protocol import Context, Skip
from lissom.store.store import Store

__all__ = ["allowed", "no_groups", "rescaled"]

Array = npt.NDArray[Any]


def allowed(
    found: Scalable, groups: Iterable[Group], context: Context
) -> tuple[list[Group], list[Skip]]:
    """The groups all of whose nodes may be touched; for the others, and for what is frozen, why."""
    inside, skips = [], []
    for group in groups:
        refusals = [context.scope.refusal(found.model.node(node)) for node in group.nodes]
        reason = next(filter(None, refusals), None)
        odd = next((u.weight for u in (*group.made, *group.read) if not _finite(found, u.weight)),
                   None)  # fmt: skip
        if reason is None and odd is not None:
            reason = f"its weight {odd!r} is not finite"
        if reason is None:
            inside.append(group)
        else:
            skips.append(Skip(target=group.name, reason=reason))
    skips += [Skip(target=node, reason=reason) for node, reason in found.frozen.items()]
    return inside, skips


def _finite(found: Scalable, weight: str) -> bool:
    return bool(np.all(np.isfinite(found.model.weight(weight))))


def no_groups(skips: list[Skip]) -> list[Skip]:
    """The reasons given, or that there is nothing, where none were."""
    return skips or [Skip(target="model", reason="no channels can be scaled")]


def rescaled(found: Scalable, factors: Array, store: Store) -> list[ReplaceWeight]:
    """The edits that scale channels.

    Args:
        found: the channels.
        factors: [channels + 1], the last one 1.
        store: where the new weights are put.
    """
    edits = []
    for weight, uses in found.by_weight.items():
        if any(np.any(factors[use.labels] != 1.0) for use in uses):
            array = found.scaled(weight, factors).astype(np.float32)
            edits.append(ReplaceWeight(weight=weight, values=store.put_array(array)))
    return edits
