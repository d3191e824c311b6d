"""How long operators take at which widths: small models of one operator each, timed and kept.

Runtimes compute in blocks of channels, and lay values out for it. So a narrower operator takes as
long as one that fills its blocks, and some widths leave the fast kernel altogether and take longer
than wider ones. What is fast is asked of the runtime: each operator at a few widths of its inputs
and outputs, all of them in turn, several times over; what is kept is the shortest time, since other
work can only make a run longer. A width that was not measured counts as the next wider one that
was.

Source: lookup tables of layer latencies as in NetAdapt (Yang et al., 2018, arXiv:1804.03230,
section 3.3), here for each kind of layer once a machine.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from lissom.graph import probe_models
from lissom.graph.wiring import read_wiring
from lissom.isolate.child import ChildLimits, call
from lissom.measure import environment
from lissom.measure.attribution import attribute
from lissom.measure.pinning import Quiet, place_now
from lissom.measure.profile import node_runs
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Form", "Table", "probe", "steps", "tables"]

_STEPS: Final = 12  # widths of an axis at most
_LEAST_STEP: Final = 4
_LOOKS: Final = 3
_SECONDS: Final = 20.0  # no further look begins after this
_RUN_SECONDS: Final = 0.004  # of each look at each width, beyond its first runs
_POINT_SECONDS: Final = 0.012  # to write a model and open it
_MACS_PER_SECOND: Final = 2e10
_RUNS: Final = 7
_CROSSED: Final = (1e5, 4e6)  # multiply-accumulates of forms that are timed at all pairs of widths
_MOST_WEIGHTS: Final = 2**24
_BEFORE: Final = 16  # channels of what a convolution's input is made from
_KIND: Final = "widths"
_FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """An operator as a runtime sees it, whatever its weights: equal ones take the same time.

    Attributes:
        kernel: of a convolution; empty for a matrix product.
        inputs: its input channels; all of them where it has groups of one channel.
        outputs: its output channels.
        units: how many the inputs are of, and the outputs: channels that leave together. One where
            none may leave.
        depthwise: it has as many groups as channels.
        batch: rows of a matrix product, samples of a convolution.
        spatial: size of the images that a convolution reads.
        strides: of a convolution.
        dilations: of a convolution.
        pads: of a convolution.
    """

    kernel: tuple[int, ...]
    inputs: int
    outputs: int
    units: tuple[int, int]
    depthwise: bool = False
    batch: int = 1
    spatial: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()

    @property
    def macs(self) -> float:
        """Multiply-accumulates of one run, nearly: as if nothing was lost at the edges."""
        moved = prod(size / step for size, step in zip(self.spatial, self.strides, strict=True))
        return self.batch * moved * self.weights

    @property
    def weights(self) -> int:
        """How many weights it has."""
        return self.outputs * prod(self.kernel) * (1 if self.depthwise else self.inputs)

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Form":
        """Read what `to_json` wrote."""
        given: Mapping[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in value.items()
        }
        return cls(**given)

    def probe(self, inputs: int, outputs: int) -> tuple[bytes, tuple[int, ...], str]:
        """A model of it at these widths, the shape of its input `x`, and the node's name."""
        if not self.kernel:
            shape: tuple[int, ...] = (self.batch, inputs)
            return probe_models.float_product(shape, (inputs, outputs)), shape, "MatMul_0"
        shape = (self.batch, _BEFORE, *self.spatial)
        weight = (outputs, 1 if self.depthwise else inputs, *self.kernel)
        settings = {"strides": self.strides, "dilations": self.dilations, "pads": self.pads}
        groups = inputs if self.depthwise else 1
        model, node = probe_models.convolution_between(shape, weight, groups, settings)
        return model, shape, node


def _plain(value: Any) -> Json:
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The times of one form.

    Attributes:
        inputs: the widths that were measured, rising; the last is the full one.
        outputs: likewise; the same as the inputs where these go together.
        microseconds: of one run, [inputs][outputs]; of [outputs][1] where both go together.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    microseconds: tuple[tuple[float, ...], ...]

    def at(self, inputs: float, outputs: float) -> float:
        """Microseconds at these widths, or at the next wider ones that were measured."""
        row = min(int(np.searchsorted(self.inputs, inputs - 1e-6)), len(self.inputs) - 1)
        own = self.microseconds[row]
        column = min(int(np.searchsorted(self.outputs, outputs - 1e-6)), len(own) - 1)
        return own[column]

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "microseconds": [list(row) for row in self.microseconds],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Table":
        """Read what `to_json` wrote."""
        return cls(
            inputs=tuple(value["inputs"]),
            outputs=tuple(value["outputs"]),
            microseconds=tuple(tuple(row) for row in value["microseconds"]),
        )


def steps(units: int, channels: int = 1) -> tuple[int, ...]:
    """How many units are worth a look where there are so many, rising: twelve numbers at most.

    Multiples of a power of two, since blocks of channels are; of four channels at least, less where
    there are few.

    Args:
        units: how many there are.
        channels: how many each of them is.
    """
    step = max(1, _LEAST_STEP // channels)
    while step > 1 and units < 4 * step:
        step //= 2
    while units > _STEPS * step:
        step *= 2
    return (*range(step, units, step), units)


def tables(
    forms: Sequence[Form], target: Target, store: Store, *, quiet: Quiet | None = None
) -> dict[Form, Table]:
    """Measure forms, each once a machine, runtime, options and threads; some seconds in all.

    Args:
        forms: what is asked for.
        target: the runtime with its options and threads.
        store: keeps the tables.
        quiet: waits for idle processors first; None takes the least busy as they are.

    Returns:
        A table for each form; none for those with more weights than are worth it.

    Raises:
        MeasurementError: the runtime cannot run such a model.
        ChildFailed: it crashed, or took far too long.
    """
    here = environment.current().fingerprint
    wanted = [form for form in dict.fromkeys(forms) if form.weights <= _MOST_WEIGHTS]
    inputs = {form: _inputs(form, target, here) for form in wanted}
    keys = {form: store.key(_KIND, given) for form, given in inputs.items()}
    missing = [form for form in wanted if store.get_json(keys[form]) is None]
    if missing:
        place = place_now(target.threads) if quiet is None else quiet.processors(target.threads)
        with store.scratch() as folder:
            found = call(
                "lissom.measure.widths:probe",
                {
                    "folder": str(folder.resolve()),
                    "forms": [form.to_json() for form in missing],
                    "target": target.to_json(),
                },
                limits=ChildLimits(seconds=600.0, cpus=place.cpus),
            )
        for form, table in zip(missing, found, strict=True):
            store.put_json(keys[form], table, kind=_KIND, inputs=inputs[form])
    return {form: Table.from_json(store.get_json(keys[form]) or {}) for form in wanted}


def _inputs(form: Form, target: Target, here: str) -> Json:
    return {
        "form": form.to_json(),
        "runtime": target.runtime,
        "options": dict(target.options),
        "threads": target.threads,
        "environment": here,
        "format": _FORMAT,
    }


def probe(*, folder: str, forms: Sequence[Mapping[str, Json]], target: Mapping[str, Json]) -> Json:
    """Child entry: time all forms at all widths, writing models into `folder`; answers tables."""
    place, path = Target.from_json(target), Path(folder) / "probe.onnx"
    asked = [Form.from_json(one) for one in forms]
    grids = planned(asked)
    seen: dict[tuple[int, int, int], list[tuple[float, float]]] = {}
    begun = time.monotonic()
    for look in range(_LOOKS):
        if look and time.monotonic() - begun > _SECONDS:
            break
        for number, (form, grid) in enumerate(zip(asked, grids, strict=True)):
            for inputs, outputs in _points(form, grid):
                own = _timed(form, inputs, outputs, path, place)
                seen.setdefault((number, inputs, outputs), []).append(own)
    return [
        _table(
            form, grid, {key[1:]: own for key, own in seen.items() if key[0] == number}
        ).to_json()
        for number, (form, grid) in enumerate(zip(asked, grids, strict=True))
    ]


Grid = tuple[tuple[int, ...], tuple[int, ...]]


def planned(forms: Sequence[Form]) -> list[Grid]:
    """The widths of each form, so that one look at all of them takes half of the time, or less.

    If there are too many, every second of them is left out, or more: wide steps are safe, since a
    width in between counts as the next wider one.
    """
    full = [
        (_widths(form.inputs, form.units[0]), _widths(form.outputs, form.units[1]))
        for form in forms
    ]
    every = 1
    while True:
        grids = [(thinned(ins, every), thinned(outs, every)) for ins, outs in full]
        spent = sum(
            _POINT_SECONDS + _RUNS * form.macs * _share(form, point) / _MACS_PER_SECOND
            for form, grid in zip(forms, grids, strict=True)
            for point in _points(form, grid)
        )
        if spent <= _SECONDS / 2 or every >= _STEPS:
            return grids
        every *= 2


def _widths(size: int, units: int) -> tuple[int, ...]:
    channels = size // units
    return tuple(count * channels for count in steps(units, channels))


def thinned(widths: tuple[int, ...], every: int) -> tuple[int, ...]:
    """Every so many-th, the last one always."""
    return widths[::-1][::every][::-1]


def _share(form: Form, point: tuple[int, int]) -> float:
    """Of the arithmetic that is left at these widths."""
    inputs = 1.0 if form.depthwise else point[0] / form.inputs
    return inputs * point[1] / form.outputs


def _points(form: Form, grid: Grid) -> list[tuple[int, int]]:
    """Pairs of widths to be timed: all, or those with one of them full.

    Where arithmetic is nearly all of the time, inputs and outputs each take their share of it,
    whatever the other is; and where there is next to none, it makes no difference.
    """
    ins, outs = grid
    if form.depthwise:
        return [(width, width) for width in outs]
    if _CROSSED[0] <= form.macs <= _CROSSED[1]:
        return [(one, other) for one in ins for other in outs]
    return [*((one, outs[-1]) for one in ins), *((ins[-1], other) for other in outs[:-1])]


def _timed(
    form: Form, inputs: int, outputs: int, path: Path, target: Target
) -> tuple[float, float]:
    """Microseconds of the operator, and of what the runtime did around it to change layouts."""
    model, shape, name = form.probe(inputs, outputs)
    path.write_bytes(model)
    runs = node_runs(path, {"x": np.ones(shape, np.float32)}, target, seconds=_RUN_SECONDS)
    meant = attribute(list(runs), read_wiring(path))
    own = others = 0.0
    for node, seconds in zip(meant, runs.values(), strict=True):
        # Of runs that were not disturbed: the mean of the faster half has more than whole
        # microseconds, in which profiles count.
        typical = 1e6 * statistics.fmean(sorted(seconds)[: max(1, len(seconds) // 2)])
        own += typical if node == name else 0.0
        others += typical if node is None else 0.0
    return own, others


def _table(
    form: Form, grid: Grid, seen: Mapping[tuple[int, int], Sequence[tuple[float, float]]]
) -> Table:
    """The shortest times, with the changes of layout that other widths do not need."""
    best = {
        point: (min(own for own, _ in looks), min(others for _, others in looks))
        for point, looks in seen.items()
    }
    least = min(others for _, others in best.values())
    spent = {point: own + others - least for point, (own, others) in best.items()}
    if form.depthwise:
        ins = grid[1]
        rows = [[spent[width, width]] for width in ins]
    else:
        ins = grid[0]
        rows = [[_at(spent, one, other, grid) for other in grid[1]] for one in ins]
    return Table(
        inputs=ins,
        outputs=grid[1],
        microseconds=tuple(tuple(round(each, 3) for each in row) for row in rows),
    )


def _at(spent: Mapping[tuple[int, int], float], one: int, other: int, grid: Grid) -> float:
    """As measured, or in the proportions that each of both widths has where the other is full."""
    if (one, other) in spent:
        return spent[one, other]
    full_in, full_out = grid[0][-1], grid[1][-1]
    whole = max(spent[full_in, full_out], 1e-3)
    return spent[one, full_out] * spent[full_in, other] / whole
