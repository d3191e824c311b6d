"""Remove the channels that you name, with everything that must leave with them.

Source: none; the choice is yours. The groups are those of Fang, Ma, Song, Mi and Wang, "DepGraph",
2023, arXiv:2301.12900, found as `lissom inspect --groups` shows them.
Differs: nothing is ranked.
Needs: samples without labels for the repair; nothing without it.
Cost: none.
Choose it when: you know which channels are of no use, or another program has chosen them, such as a
learned policy or a search of your own.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias, final

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic.dataclasses import dataclass

from lissom.errors import RecipeError
from lissom.graph.channels.groups import ChannelGroup, Channels, channels
from lissom.graph.edit import RemoveChannels
from lissom.graph.model import Model
from lissom.graph.site import sites
from lissom.methods.protocol import ALREADY, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.pruning import Repaired
from lissom.methods.removing import need_samples, nothing, refusal_of, removed
from lissom.near import near

__all__ = ["Chosen"]

_ID = "prune.chosen"
_MOST_NAMED = 3


def _pairs(value: Any) -> Any:
    """A mapping of names to lists as sorted pairs, which can be compared and hashed."""
    if not isinstance(value, Mapping):
        return value
    lists = {name: tuple(n) if isinstance(n, list | tuple) else n for name, n in value.items()}
    return tuple(sorted(lists.items(), key=lambda pair: str(pair[0])))


_Count: TypeAlias = Annotated[int, Field(ge=0)]
_Numbers: TypeAlias = Annotated[
    tuple[tuple[str, Annotated[tuple[_Count, ...], Field(min_length=1)]], ...],
    BeforeValidator(_pairs),
    PlainSerializer(lambda pairs: {name: list(numbers) for name, numbers in pairs}),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1,
            },
        }
    ),
]  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Chosen:
    """Removal of named channels; see the module."""

    units: Annotated[
        _Numbers,
        Field(
            description="By channel group, the numbers of the units that leave, from 0.",
            json_schema_extra={"search": [{}], "default": {}},
        ),
    ] = ()
    channels: Annotated[
        _Numbers,
        Field(
            description="By weight, the indices of the channels that leave, from 0, on the axis "
            "that makes them (its outputs); where that cannot shrink, on the one that can.",
            json_schema_extra={"search": [{}], "default": {}},
        ),
    ] = ()
    repair: Repaired = True

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Remove what was named, and repair.

        Raises:
            RecipeError: a group, a weight, a unit or a channel does not exist or cannot leave.
            MethodError: samples are needed and none were given.
        """
        if context.original.already_quantized:
            return nothing(_ID, [Skip(target="model", reason=ALREADY)], "nothing was pruned")
        if self.repair:
            need_samples(context)
        if not self.units and not self.channels:
            return nothing(_ID, [], "nothing was chosen")
        found = channels(model, context.shapes_of(model))
        axes = {weight: _axis(found, weight) for weight, _ in self.channels}
        skips, units = [], {}
        for name, numbers in self._wanted(found, axes).items():
            if refusal := refusal_of(found, found.group(name), context):
                skips.append(Skip(target=name, reason=refusal))
            else:
                units[name] = sorted(numbers)
        if not units:
            return nothing(_ID, skips, "nothing that was chosen may leave")
        edit, fixed = removed(found, units, context, repaired=self.repair)
        return Plan(
            method=_ID,
            edits=(edit, *fixed),
            skips=tuple(skips),
            summary=f"{sum(map(len, units.values()))} units of {len(units)} channel groups removed"
            + self._besides(edit, axes)
            + "".join(f"; inexact: {reason}" for reason in _inexact(found, units)),
        )

    def _wanted(self, found: Channels, axes: Mapping[str, int]) -> dict[str, set[int]]:
        """The units that leave, by group."""
        wanted: dict[str, set[int]] = {}
        for name, numbers in self.units:
            _known(found, name)
            wanted.setdefault(name, set()).update(numbers)
        for weight, indices in self.channels:
            for name, unit in _units(found, weight, axes[weight], indices):
                wanted.setdefault(name, set()).add(unit)
        for name, chosen in wanted.items():
            _check(found.group(name), chosen)
        return wanted

    def _besides(self, edit: RemoveChannels, axes: Mapping[str, int]) -> str:
        """What else had to leave, in words."""
        parts, named = [], dict(self.channels)
        cuts = {(one.weight, one.axis): one.removed for one in edit.cuts}
        for weight, axis in axes.items():
            gone = {i for start, end in cuts.get((weight, axis), ()) for i in range(start, end)}
            if more := len(gone - set(named[weight])):
                parts.append(f"{more} more channels of {weight}")
        others = list(dict.fromkeys(one.weight for one in edit.cuts if one.weight not in named))
        if others:
            shown = ", ".join(others[:_MOST_NAMED])
            rest = len(others) - _MOST_NAMED
            parts.append(
                f"slices of {len(others)} weights ({shown}{f' and {rest} more' * (rest > 0)})"
            )
        return "; with them " + " and ".join(parts) if parts else ""


def _inexact(found: Channels, units: Mapping[str, object]) -> list[str]:
    return list(dict.fromkeys(filter(None, (found.group(name).inexact for name in units))))


def _known(found: Channels, name: str) -> None:
    names = [group.name for group in found.groups]
    if name not in names:
        raise RecipeError(f"{_ID}: no channel group is called {name!r}; {_near(name, names)}")


def _near(name: str, names: list[str]) -> str:
    found = near(name, names)
    like = f"near it: {', '.join(found)}; " if found else ""
    return like + "`lissom inspect --groups --json` names all"


def _check(group: ChannelGroup, numbers: set[int]) -> None:
    if beyond := sorted(number for number in numbers if number >= group.units):
        raise RecipeError(
            f"{_ID}: channel group {group.name!r} has units 0 to {group.units - 1}, not {beyond[0]}"
        )
    if len(numbers) == group.units:
        raise RecipeError(
            f"{_ID}: channel group {group.name!r} would lose all its {group.units} units; "
            "one must stay"
        )


def _axis(found: Channels, weight: str) -> int:
    """The axis of a weight whose channels are meant."""
    model = found.walk.model
    if weight not in model.weights:
        raise RecipeError(
            f"{_ID}: no weight is called {weight!r}; {_near(weight, [*model.weights])}"
        )
    axes = {m.axis for g in found.groups for m in g.members if m.weight == weight}
    made = {site.out_axis for site in sites(model) if site.weight == weight} & axes
    if not axes:
        raise RecipeError(f"{_ID}: no channel of {weight!r} can leave")
    if len(made or axes) > 1:
        raise RecipeError(
            f"{_ID}: {weight!r} has channels on axes {', '.join(map(str, sorted(made or axes)))}; "
            "name units of a channel group instead"
        )
    return (made or axes).pop()


def _units(
    found: Channels, weight: str, axis: int, indices: tuple[int, ...]
) -> list[tuple[str, int]]:
    """The group and the unit that each channel belongs to."""
    places = {
        index: (group.name, unit)
        for group in found.groups
        for member in group.members
        if (member.weight, member.axis) == (weight, axis)
        for unit, own in enumerate(member.indices)
        for index in own
    }
    size = found.walk.model.weights[weight].shape[axis]
    for index in indices:
        if index >= size:
            raise RecipeError(f"{_ID}: {weight!r} has channels 0 to {size - 1}, not {index}")
        if index not in places:
            raise RecipeError(f"{_ID}: channel {index} of {weight!r} cannot leave")
    return [places[index] for index in indices]
