"""What operators take, by what is left of their channels: time as measured, arithmetic, or bytes.

For time, each operator that groups live in is looked up in a table of the runtime
(`lissom.measure.widths`). What no table tells (transposed and grouped convolutions, recurrent
layers) is put at the rate that the others have on average.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, Literal, TypeAlias

from lissom.graph.channels.groups import ChannelGroup
from lissom.graph.cost import macs
from lissom.graph.model import Model
from lissom.graph.site import Site, sites
from lissom.measure.widths import Form, Table, steps
from lissom.methods.allocation import Cost, Share, multiples
from lissom.methods.protocol import Context

__all__ = ["GRID", "Goal", "allowed", "shares"]

Goal: TypeAlias = Literal["latency", "macs", "size"]

GRID = 16
"""What is left is a multiple of this where no runtime was asked."""

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
Axes: TypeAlias = tuple[tuple[tuple[str, float], ...], ...]


def allowed(groups: Sequence[ChannelGroup], goal: Goal, grid: int | None) -> dict[str, list[int]]:
    """How many units of each group may leave, rising.

    Args:
        groups: that may shrink.
        goal: where it is time, and no grid is given, what is left is a width of the tables.
        grid: what is left is a multiple of this.
    """
    if goal == "latency" and grid is None:
        return {group.name: _measured(group) for group in groups}
    return {group.name: multiples(group, grid or GRID) for group in groups}


def _measured(group: ChannelGroup) -> list[int]:
    """The counts after which the tables have a width."""
    return [group.units - left for left in reversed(steps(group.units, group.channels)[:-1])]


def shares(
    goal: Goal,
    model: Model,
    groups: Sequence[ChannelGroup],
    shapes: Shapes,
    context: Context,
) -> list[Share]:
    """The operators that groups live in.

    Args:
        goal: what they take.
        model: the model.
        groups: its channel groups.
        shapes: of its values.
        context: measures them.

    Raises:
        MethodError: time is asked for, and nothing can be timed.
    """
    counted = macs(model, shapes)
    found = [(site, axes) for site, axes in _places(model, groups) if counted.get(site.node)]
    if goal == "latency":
        costs = _times(model, found, shapes, counted, context)
    elif goal == "macs":
        costs = [_scaled(float(counted[site.node])) for site, _ in found]
    else:
        costs = [_scaled(float(model.weights[site.weight].size_bytes)) for site, _ in found]
    return [Share(cost=cost, axes=axes) for cost, (_, axes) in zip(costs, found, strict=True)]


def _places(model: Model, groups: Sequence[ChannelGroup]) -> Iterator[tuple[Site, Axes]]:
    """Weighted operators with the groups on each axis of the weight."""
    places: dict[tuple[str, int], list[tuple[str, float]]] = {}
    for group in groups:
        for member in group.members:
            size = model.weights[member.weight].shape[member.axis]
            each = len(member.indices[0]) / size
            places.setdefault((member.weight, member.axis), []).append((group.name, each))
    for site in sites(model):
        axes = tuple(tuple(places.get((site.weight, axis), ())) for axis in range(len(site.shape)))
        if any(axes):
            yield site, axes


def _scaled(whole: float) -> Cost:
    """In proportion to what is left of each axis."""
    return lambda left: whole * prod(left)


def _looked_up(table: Table, form: Form, site: Site) -> Cost:
    def cost(left: Sequence[float]) -> float:
        outputs = left[site.out_axis] * form.outputs
        inputs = outputs if form.depthwise else left[site.in_axis] * form.inputs
        return table.at(inputs, outputs)

    return cost


def _times(
    model: Model,
    found: Sequence[tuple[Site, Axes]],
    shapes: Shapes,
    counted: Mapping[str, int],
    context: Context,
) -> list[Cost]:
    """Microseconds."""
    forms = [_form(model, site, axes, shapes) for site, axes in found]
    tables = context.tables_of([form for form in forms if form is not None])
    known = [None if form is None else tables.get(form) for form in forms]
    spent = done = 0.0
    for (site, _), form, table in zip(found, forms, known, strict=True):
        if form is not None and table is not None:
            spent += table.at(form.inputs, form.outputs)
            done += counted[site.node]
    rate = spent / done if done else 1.0
    return [
        _looked_up(table, form, site)
        if form is not None and table is not None
        else _scaled(rate * counted[site.node])
        for (site, _), form, table in zip(found, forms, known, strict=True)
    ]


def _form(model: Model, site: Site, axes: Axes, shapes: Shapes) -> Form | None:
    """What the runtime sees of an operator; None for those that no table tells of."""
    given = shapes.get(site.input)
    if given is None or model.weights[site.weight].dtype != "float32":
        return None
    units = (_units(axes[site.in_axis]), _units(axes[site.out_axis]))
    if site.op_type in {"MatMul", "Gemm"}:
        inputs = site.shape[site.in_axis]
        rows = prod(given) // inputs
        return Form(kernel=(), inputs=inputs, outputs=site.outputs, units=units, batch=rows)
    channels, depthwise = given[1], site.groups > 1
    plain = site.groups == 1 or site.groups == channels == site.outputs
    attributes: Mapping[str, Any] = model.node(site.node).attributes
    if site.op_type != "Conv" or not plain or attributes.get("auto_pad", "NOTSET") != "NOTSET":
        return None
    kernel = site.shape[2:]
    ones = (1,) * len(kernel)
    return Form(
        kernel=kernel,
        inputs=channels,
        outputs=site.outputs,
        units=(units[1], units[1]) if depthwise else units,
        depthwise=depthwise,
        batch=given[0],
        spatial=given[2:],
        strides=tuple(attributes.get("strides", ones)),
        dilations=tuple(attributes.get("dilations", ones)),
        pads=tuple(attributes.get("pads", (0,) * (2 * len(kernel)))),
    )


def _units(axis: Sequence[tuple[str, float]]) -> int:
    """How many units an axis is of, the smallest on it; one where none may leave."""
    return round(1 / min((each for _, each in axis), default=1.0))
