"""What all criteria share: which units leave, how many of each group, and the repair.

A criterion scores the units of each group. How many leave a group follows from the allocation:
`uniform`, the same share everywhere; or `global`, where the next units to leave are those that save
most of the goal (time, arithmetic or bytes) for their score. What is left is a width that the
runtime likes. Then the operators that read fewer channels are fitted anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

import numpy as np
from pydantic import Field

from lissom.errors import MethodError
from lissom.graph.channels.groups import ChannelGroup, Channels, channels
from lissom.graph.channels.removal import removal
from lissom.graph.edit import Edit
from lissom.graph.model import Model
from lissom.methods.allocation import Share, allocate, left_of, uniform
from lissom.methods.protocol import ALREADY, Context, Plan, Skip
from lissom.methods.reading import Array, Reading, flat, readers_of, readings
from lissom.methods.repair import repair
from lissom.methods.survey import Seen, Worth, survey
from lissom.methods.unit_costs import GRID, Goal, allowed, shares

__all__ = ["Aim", "Allocation", "Amount", "Grid", "Ranking", "Ratio", "Repaired", "View", "prune"]

Ratio: TypeAlias = Annotated[
    float,
    Field(
        ge=0.01,
        le=0.99,
        description="Share of the goal (global) or of each group's units (uniform) that leaves.",
        json_schema_extra={"search": [0.25, 0.5, 0.7]},
    ),
]
Allocation: TypeAlias = Annotated[
    Literal["global", "uniform"],
    Field(
        description="How much leaves where: by what it costs, or the same share of every group.",
        json_schema_extra={"search": ["global"]},
    ),
]
Repaired: TypeAlias = Annotated[
    bool,
    Field(
        description="Fit what reads fewer channels anew on calibration samples.",
        json_schema_extra={"search": [True]},
    ),
]
Grid: TypeAlias = Annotated[
    Annotated[int, Field(ge=1)] | None,
    Field(
        description="Channels that are left are a multiple of this; less where there are few. If "
        "null, they are as many as the runtime was fast with, or a multiple of 16 if it was not "
        "timed.",
        json_schema_extra={"search": [None]},
    ),
]
Aim: TypeAlias = Annotated[
    Goal,
    Field(
        description="What is saved: time as measured on this machine, multiply-accumulates, or "
        "bytes of weights.",
        json_schema_extra={"search": ["latency"]},
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranking:
    """A group's units as a criterion sees them.

    Attributes:
        order: units, the first to leave first.
        costs: what it costs when so many have left, rising, [units - 1].
    """

    order: Array
    costs: Array

    @classmethod
    def of_scores(cls, scores: Array) -> "Ranking":
        """The least score leaves first, and costs add up."""
        order = np.argsort(scores, kind="stable")
        return cls(order=order, costs=np.cumsum(scores[order])[:-1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """What a criterion may look at, for one group.

    Attributes:
        model: the model.
        group: the group.
        seen: what each operator that reads the group as rows reads; empty without samples.
        worth: what units cost after refitting; None if it was not asked for.
        rng: for chance.
    """

    model: Model
    group: ChannelGroup
    seen: Mapping[str, Seen]
    worth: Worth | None
    rng: np.random.Generator

    def readers(self) -> list[tuple[Reading, Array, list[Array]]]:
        """Operators that read the group as rows: their flat weights, and each unit's columns."""
        return [
            (reading, flat(self.model, site), columns)
            for site, reading, columns in readers_of(self.group, readings(self.model))
        ]

    def slices(self) -> list[list[Array]]:
        """For each weight that makes the group's channels, each unit's rows [k, rest]."""
        read = {(m.weight, m.axis) for m in self.group.members}
        inward = {(s.weight, s.in_axis) for s, _ in readings(self.model).values()}
        found = []
        for member in self.group.members:
            if (member.weight, member.axis) in inward & read:
                continue
            array = np.moveaxis(np.asarray(self.model.weight(member.weight)), member.axis, 0)
            if array.ndim > 1:
                rows = array.reshape(len(array), -1).astype(np.float64)
                found.append([rows[list(own)] for own in member.indices])
        return found


_WORDS: Final[Mapping[Goal, str]] = {"latency": "time", "macs": "work", "size": "weights"}

Criterion: TypeAlias = Callable[[View], Ranking]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much leaves, as every method says it."""

    ratio: float
    allocation: str
    grid: int | None
    repair: bool
    goal: Goal = "macs"


def prune(
    method: str,
    amount: Amount,
    model: Model,
    context: Context,
    criterion: Criterion,
    *,
    sees: Literal["nothing", "energy", "worth"] = "nothing",
) -> Plan:
    """Decide which units leave, and repair.

    Args:
        method: its id.
        amount: how much leaves.
        model: what to prune.
        context: what may be asked for.
        criterion: ranks the units of a group.
        sees: what of the samples the criterion looks at.

    Raises:
        MethodError: samples are needed and none were given.
    """
    if context.original.already_quantized:
        return _nothing(method, [Skip(target="model", reason=ALREADY)], "nothing was pruned")
    if (amount.repair or sees != "nothing") and context.calibration is None:
        raise MethodError("calibration samples are needed, and none were given")
    found = channels(model, context.shapes_of(model))
    groups, skips = _prunable(found, context)
    if not groups:
        return _nothing(method, skips, "no channels can leave")
    ranked = _ranked(groups, model, context, criterion, sees)
    # The same share everywhere needs no goal: work is only counted to tell what is left.
    goal: Goal = amount.goal if amount.allocation == "global" else "macs"
    work = shares(goal, model, groups, found.walk.shapes, context)
    counts = _counts(amount, groups, ranked, work)
    units = {name: ranked[name].order[:count].tolist() for name, count in counts.items() if count}
    if not units:
        return _nothing(method, skips, "nothing was to leave")
    edit = removal(found, units)
    fixed: tuple[Edit, ...] = ()
    if amount.repair and context.calibration is not None:
        fixed = repair(model, edit, context.calibration, context).edits
    left = left_of(work, counts) / max(left_of(work, {}), 1.0)
    return Plan(
        method=method,
        edits=(edit, *fixed),
        skips=tuple(skips),
        summary=f"{sum(map(len, units.values()))} of {sum(g.units for g in groups)} units of "
        f"{len(units)} channel groups removed, {left:.0%} of their {_WORDS[goal]} left",
    )


def _nothing(method: str, skips: Sequence[Skip], summary: str) -> Plan:
    return Plan(method=method, edits=(), skips=tuple(skips), summary=summary)


def _counts(
    amount: Amount,
    groups: Sequence[ChannelGroup],
    ranked: Mapping[str, Ranking],
    work: Sequence[Share],
) -> dict[str, int]:
    """How many units leave each group."""
    if amount.allocation == "uniform":
        return uniform(groups, amount.ratio, amount.grid or GRID)
    costs = {name: one.costs for name, one in ranked.items()}
    options = allowed(groups, amount.goal, amount.grid)
    return allocate(costs, work, options, ratio=amount.ratio)


def _prunable(found: Channels, context: Context) -> tuple[list[ChannelGroup], list[Skip]]:
    """Groups that some operator reads as rows, and why others are left alone."""
    known = readings(found.walk.model)
    groups, skips = [], []
    for group in found.groups:
        refusals = [
            context.scope.refusal(found.walk.model.node(node)) for node in _nodes(found, group)
        ]
        if group.inexact:
            skips.append(Skip(target=group.name, reason=group.inexact))
        elif not readers_of(group, known):
            skips.append(Skip(target=group.name, reason="nothing that reads it can be fitted"))
        elif any(refusals):
            skips.append(Skip(target=group.name, reason=next(filter(None, refusals))))
        else:
            groups.append(group)
    return groups, skips


def _nodes(found: Channels, group: ChannelGroup) -> list[str]:
    """The nodes that change with a group: those that hold its weights, and those that read it."""
    holders = [n for m in group.members for n in found.walk.model.consumers.get(m.weight, ())]
    return list(dict.fromkeys((*holders, *(reader.node for reader in group.readers))))


def _ranked(
    groups: Sequence[ChannelGroup],
    model: Model,
    context: Context,
    criterion: Criterion,
    sees: str,
) -> dict[str, Ranking]:
    seen: Mapping[str, Seen] = {}
    worth: Mapping[str, Worth] = {}
    if sees != "nothing" and context.calibration is not None:
        context.progress("looking at what channels carry")
        seen, worth = survey(
            model, groups, context.calibration, context.store, worth=sees == "worth"
        )
    rng = np.random.default_rng(context.seed)
    return {
        group.name: criterion(
            View(model=model, group=group, seen=seen, worth=worth.get(group.name), rng=rng)
        )
        for group in groups
    }
