"""What all criteria share: which units leave, how many of each group, and the repair.

A criterion scores the units of each group. How many leave a group follows from the allocation:
`uniform`, the same share everywhere; or `global`, where the next units to leave are those that save
most of the goal (time, arithmetic or bytes) for their score. What is left is a width that the
runtime likes. Then the operators that read fewer channels are fitted anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, Protocol, TypeAlias

import numpy as np
from pydantic import Field

from lissom.graph.channels.groups import ChannelGroup, channels
from lissom.graph.model import Model
from lissom.graph.site import sites
from lissom.methods.allocation import Share, allocate, left_of, uniform
from lissom.methods.protocol import ALREADY, NOT_FINITE, Context, Need, Plan, Skip
from lissom.methods.reading import Array, Reading, flat, readers_of, readings
from lissom.methods.removing import need_samples, nothing, prunable, removed
from lissom.methods.survey import Seen, Worth, survey
from lissom.methods.unit_costs import GRID, Goal, allowed, shares

__all__ = [
    "Aim",
    "Allocation",
    "Amount",
    "Criterion",
    "EitherRatio",
    "Grid",
    "Ranking",
    "Ratio",
    "Repaired",
    "View",
    "prune",
    "prune_under",
]

Ratio: TypeAlias = Annotated[
    float,
    Field(
        ge=0.01,
        le=0.99,
        description="Share of the goal (global) or of each group's units (uniform) that leaves.",
        json_schema_extra={"search": [0.25, 0.5, 0.7]},
    ),
]
EitherRatio: TypeAlias = Annotated[
    Annotated[float, Field(ge=0.01, le=0.99)] | None,
    Field(
        description="Share that leaves; a half if it is null and there is no threshold either.",
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
        seen: what each operator that reads the group as rows reads; empty if not asked for.
        worth: what units cost after refitting; None if it was not asked for.
        rng: for chance.
        gradients: of the loss, by the weights that make the group; empty if not asked for.
    """

    model: Model
    group: ChannelGroup
    seen: Mapping[str, Seen]
    worth: Worth | None
    rng: np.random.Generator
    gradients: Mapping[str, Array] = field(default_factory=dict)

    def readers(self) -> list[tuple[Reading, Array, list[Array]]]:
        """Operators that read the group as rows: their flat weights, and each unit's columns."""
        return [
            (reading, flat(self.model, site), columns)
            for site, reading, columns in readers_of(self.group, readings(self.model))
        ]

    def slices(self, of: Mapping[str, Array] | None = None) -> list[list[Array]]:
        """For each weight that makes the group's channels, each unit's rows [k, rest].

        What holds one number a channel (biases, factors) counts only where nothing else makes them.

        Args:
            of: arrays of the shapes of the weights, by weight, such as gradients; None for the
                weights themselves.
        """
        found = []
        for weight, axis, indices in makers(self.model, self.group):
            array = np.asarray(self.model.weight(weight) if of is None else of[weight])
            rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1).astype(np.float64)
            found.append([rows[list(own)] for own in indices])
        return found


def makers(model: Model, group: ChannelGroup) -> list[tuple[str, int, tuple[tuple[int, ...], ...]]]:
    """The weights that make a group's channels: name, axis, and each unit's indices on it."""
    known = sites(model)
    inward = {(site.weight, site.in_axis) for site in known}
    inward -= {(site.weight, site.out_axis) for site in known}
    found = [
        (one.weight, one.axis, one.indices)
        for one in group.members
        if (one.weight, one.axis) not in inward and "float" in model.weights[one.weight].dtype
    ]
    shapes = {name: model.weights[name].shape for name, _, _ in found}
    wide = [one for one in found if np.prod(shapes[one[0]]) > shapes[one[0]][one[1]]]
    return wide or found


class Criterion(Protocol):
    """Says which units of a group leave first, and what it costs when they have left.

    Any function of the view is one: of weights alone, of what operators read, or of gradients. What
    it sees `prune` is told, so that nothing else is computed. It is called once a group and keeps
    nothing: pruning in steps calls it again, on the model as it is then.
    """

    def __call__(self, view: View, /) -> Ranking:
        """Rank the units of the view's group."""
        ...


Sees: TypeAlias = Literal["nothing", "energy", "worth", "gradients"]
"""What a criterion looks at besides weights: `View.seen`, `View.worth` too, or `View.gradients`."""

_UNSEEN = f"of what reads it: {NOT_FINITE}"
_WORDS: Final[Mapping[Goal, str]] = {"latency": "time", "macs": "work", "size": "weights"}


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
    sees: Sees = "nothing",
) -> Plan:
    """Decide which units leave, and repair.

    Args:
        method: its id.
        amount: how much leaves.
        model: what to prune.
        context: what may be asked for.
        criterion: ranks the units of a group.
        sees: what the criterion looks at besides weights. A method whose criterion sees gradients
            declares `Need.GRADIENTS`.

    Raises:
        MethodError: samples are needed and none were given.
        MeasurementError: gradients are needed, and what runs the model takes none.
    """
    if context.original.already_quantized:
        return nothing(method, [Skip(target="model", reason=ALREADY)], "nothing was pruned")
    if amount.repair or sees in {"energy", "worth"}:
        need_samples(context)
    found = channels(model, context.shapes_of(model))
    groups, skips = prunable(found, context)
    if not groups:
        return nothing(method, skips, "no channels can leave")
    ranked = _ranked(groups, model, context, criterion, sees)
    skips += [Skip(target=one.name, reason=_UNSEEN) for one in groups if one.name not in ranked]
    groups = [one for one in groups if one.name in ranked]
    if not groups:
        return nothing(method, skips, "no channels can leave")
    # The same share everywhere needs no goal: work is only counted to tell what is left.
    goal: Goal = amount.goal if amount.allocation == "global" else "macs"
    work = shares(goal, model, groups, found.walk.shapes, context)
    counts = _counts(amount, groups, ranked, work)
    units = {name: ranked[name].order[:count].tolist() for name, count in counts.items() if count}
    if not units:
        return nothing(method, skips, "nothing was to leave")
    edit, fixed = removed(found, units, context, repaired=amount.repair)
    left = left_of(work, counts) / max(left_of(work, {}), 1.0)
    return Plan(
        method=method,
        edits=(edit, *fixed),
        skips=tuple(skips),
        summary=f"{sum(map(len, units.values()))} of {sum(g.units for g in groups)} units of "
        f"{len(units)} channel groups removed, {left:.0%} of their {_WORDS[goal]} left",
    )


def prune_under(
    method: str,
    threshold: float,
    model: Model,
    context: Context,
    size: Callable[[View], Array],
    *,
    repaired: bool,
) -> Plan:
    """Decide that all units smaller than a threshold leave, however many they are, and repair.

    Args:
        method: its id.
        threshold: in the units of the size.
        model: what to prune.
        context: what may be asked for.
        size: of each unit of a group, from its weights.
        repaired: fit anew what reads fewer channels.

    Raises:
        MethodError: samples are needed and none were given.
    """
    if context.original.already_quantized:
        return nothing(method, [Skip(target="model", reason=ALREADY)], "nothing was pruned")
    if repaired:
        need_samples(context)
    found = channels(model, context.shapes_of(model))
    groups, skips = prunable(found, context)
    rng = np.random.default_rng(context.seed)
    units = {}
    for group in groups:
        sizes = size(View(model=model, group=group, seen={}, worth=None, rng=rng))
        small = np.flatnonzero(sizes < threshold)
        if len(small) == group.units:
            small = np.delete(small, np.argmax(sizes))
            skips.append(Skip(target=group.name, reason=f"all under {threshold:g}; one must stay"))
        if len(small):
            units[group.name] = small.tolist()
        else:
            reason = f"its smallest unit has {sizes.min():.3g}, not under {threshold:g}"
            skips.append(Skip(target=group.name, reason=reason))
    if not units:
        return nothing(method, skips, f"no unit is under {threshold:g}")
    edit, fixed = removed(found, units, context, repaired=repaired)
    return Plan(
        method=method,
        edits=(edit, *fixed),
        skips=tuple(skips),
        summary=f"{sum(map(len, units.values()))} of {sum(g.units for g in groups)} units removed, "
        f"in {len(units)} of {len(groups)} channel groups: those under {threshold:g}",
    )


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


def _ranked(
    groups: Sequence[ChannelGroup],
    model: Model,
    context: Context,
    criterion: Criterion,
    sees: Sees,
) -> dict[str, Ranking]:
    """How units leave, by group; groups of which samples were to say it and do not are missing."""
    seen: Mapping[str, Seen] = {}
    worth: Mapping[str, Worth] = {}
    gradients: Mapping[str, Array] = {}
    if sees == "gradients":
        made = dict.fromkeys(name for group in groups for name, _, _ in makers(model, group))
        gradients = context.evidence(model, {Need.GRADIENTS: tuple(made)}).gradients
    elif sees != "nothing" and context.calibration is not None:
        context.progress("looking at what channels carry")
        seen, worth = survey(
            model, groups, context.calibration, context.store, worth=sees == "worth"
        )
    rng = np.random.default_rng(context.seed)
    found, known = {}, readings(model)
    for group in groups:
        read = {site.node for site, _, _ in readers_of(group, known)}
        if sees in {"energy", "worth"} and not seen.keys() >= read:
            continue
        view = View(
            model=model,
            group=group,
            seen=seen,
            worth=worth.get(group.name),
            rng=rng,
            gradients=gradients,
        )
        found[group.name] = criterion(view)
    return found
