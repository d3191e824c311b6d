"""Factors that level activations, channel by channel, judged by what rounding then loses.

Runs in a child process: rows of activations are large, what is answered is small. For each group of
channels that matrix products or convolutions read, every share of a grid is tried: the inputs and
the weights of its readers are rounded on paper, and the share with the least error at their outputs
is taken, if it is smaller than without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lissom.graph.extract import extract
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.save import save
from lissom.graph.scaling.groups import Group, Scalable, largest, scalable
from lissom.graph.scaling.labels import Use
from lissom.graph.site import Site
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration, fetched, opened
from lissom.methods.errand import Errand
from lissom.methods.reading import Reading, flat, readings, rows
from lissom.numerics.equalization import migrate, output_error
from lissom.store.hashing import Json
from lissom.store.refs import ArrayRef
from lissom.store.store import Store

__all__ = ["GRID", "Smoothed", "readers", "smoothed"]

GRID = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares that are tried where none is given."""

_ROWS = 512
_ERRAND = Errand(entry="lissom.methods.smoothing:smooth_all", kind="equalize.smoothing", format=2)
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Smoothed:
    """What was chosen.

    Attributes:
        factors: of all channels, [channels + 1].
        alphas: the share of each group, by its place; None where it is better left alone.
        before: what rounding loses of the outputs of each group's readers, summed over them.
        after: likewise with the factors.
    """

    factors: Array
    alphas: Mapping[int, float | None]
    before: Mapping[int, float]
    after: Mapping[int, float]


def readers(
    group: Group, known: Mapping[str, tuple[Site, Reading]]
) -> list[tuple[Use, Site, Reading]]:
    """The operators that read a group as rows of a linear map."""
    return [
        (use, *known[use.node])
        for use in group.read
        if use.matrix and use.node in known and known[use.node][1].input == use.value
    ]


def smoothed(
    found: Scalable,
    shapes: Mapping[str, tuple[int, ...]],
    groups: Sequence[int],
    alpha: float | None,
    calibration: Calibration,
    store: Store,
) -> Smoothed:
    """Choose factors for some groups.

    Args:
        found: the channels of a model.
        shapes: those that they were found with.
        groups: which ones, by their place.
        alpha: the share for all of them; None chooses from the grid.
        calibration: samples to run the model on.
        store: keeps the answer.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    answer = _ERRAND.run(
        {"path": found.model},
        calibration,
        store,
        {"groups": list(groups), "alpha": alpha},
        beside=lambda: {"shapes": {name: list(shape) for name, shape in shapes.items()}},
    )
    said = {int(place): each for place, each in answer["groups"].items()}
    return Smoothed(
        factors=store.array(ArrayRef.from_json(answer["factors"])),
        alphas={place: each[0] for place, each in said.items()},
        before={place: each[1] for place, each in said.items()},
        after={place: each[2] for place, each in said.items()},
    )


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What one operator reads.

    Attributes:
        low: the smallest value of each channel, [channels + 1].
        high: the largest.
        parts: rows, run by run.
    """

    low: Array
    high: Array
    parts: list[Array] = field(default_factory=list)


def smooth_all(
    *,
    path: str,
    shapes: Mapping[str, Sequence[int]],
    groups: Sequence[int],
    alpha: float | None,
    calibration: Mapping[str, Json],
) -> Json:
    """Child entry: choose group by group; answers where the factors are stored, and the errors."""
    held = Calibration.from_json(calibration)
    model = open_trusted(Path(path))
    found = scalable(model, {name: tuple(shape) for name, shape in shapes.items()})
    known = readings(model)
    chosen = {place: readers(found.groups[place], known) for place in groups}
    wanted = [each for own in chosen.values() for each in own]
    seen = _watched(found, wanted, held, Path(path).parent)
    factors = np.ones(found.channels + 1)
    said: dict[str, Json] = {}
    for place, own in chosen.items():
        judge = _Judge(found, found.groups[place], own, seen)
        best, before, after, step = judge.best(
            GRID if alpha is None else (alpha,), choose=alpha is None
        )
        factors[found.groups[place].channels] = step
        said[str(place)] = [best, before, after]
        report(place)
    return {"factors": held.samples.store.put_array(factors).to_json(), "groups": said}


def _watched(
    found: Scalable,
    wanted: Sequence[tuple[Use, Site, Reading]],
    calibration: Calibration,
    folder: Path,
) -> dict[str, _Seen]:
    """Ranges of every channel, and some rows, of what each operator reads."""
    nothing = np.zeros(found.channels + 1)
    seen = {use.node: _Seen(low=nothing.copy(), high=nothing.copy()) for use, _, _ in wanted}
    values = list(dict.fromkeys(reading.input for _, _, reading in wanted))
    path = folder / "part.onnx"
    save(extract(found.model, [v for v in values if v in found.model.producers]), path, metadata={})
    each = max(1, _ROWS // max(1, calibration.count))
    with opened(path, calibration) as session:
        for number, inputs in enumerate(calibration.feeds()):
            given = fetched(session, inputs, values)
            ends = {name: _ends(found, name, x) for name, x in given.items()}
            for use, _, reading in wanted:
                own = seen[use.node]
                own.low = np.minimum(own.low, ends[reading.input][0])
                own.high = np.maximum(own.high, ends[reading.input][1])
                if sum(map(len, own.parts)) < _ROWS:
                    taken = rows(reading, given[reading.input], None, most=each, seed=number)[0]
                    taken = taken[np.isfinite(taken).all(axis=1)]  # of others nothing can be told
                    own.parts.append(taken[:_ROWS].astype(np.float32))
    return seen


def _ends(found: Scalable, name: str, x: Array) -> tuple[Array, Array]:
    """The smallest and largest value of each channel, zero included."""
    labels, count = found.values[name], found.channels
    x = np.where(np.isfinite(x), x, 0.0)
    low, high = np.minimum(x, 0.0), np.maximum(x, 0.0)
    return -largest(low, labels, count), largest(high, labels, count)


class _Judge:
    """Tries shares for one group."""

    def __init__(
        self,
        found: Scalable,
        group: Group,
        own: Sequence[tuple[Use, Site, Reading]],
        seen: Mapping[str, _Seen],
    ) -> None:
        self._channels, self._group = found.channels, group
        self._parts = [
            (
                np.concatenate(seen[use.node].parts),
                flat(found.model, site),
                _columns(found.model, use, site),
                seen[use.node],
            )
            for use, site, _ in own
        ]
        every = range(len(self._parts))
        peaks = [np.maximum(-self._parts[i][3].low, self._parts[i][3].high) for i in every]
        read = [
            largest(self._parts[i][1], self._parts[i][2][None, :], self._channels) for i in every
        ]
        self._peak = np.max(peaks, axis=0)[group.channels]
        self._read = np.max(read, axis=0)[group.channels]

    def best(
        self, alphas: Sequence[float], *, choose: bool
    ) -> tuple[float | None, float, float, Array]:
        """The share that loses least, what is lost without and with it, and its factors.

        Args:
            alphas: what to try.
            choose: leave the group alone if that loses less; else the first share is taken.
        """
        nothing = np.ones(len(self._group.channels))
        before = self._lost(nothing)
        tried = []
        for alpha in alphas:
            factors = migrate(self._peak, self._read, alpha)
            tried.append((self._lost(factors), alpha, factors))
        after, alpha, factors = min(tried, key=lambda each: each[0])
        if choose and after >= before:
            return None, before, before, nothing
        return alpha, before, after, factors

    def _lost(self, factors: Array) -> float:
        wide = np.ones(self._channels + 1)
        wide[self._group.channels] = factors
        total = 0.0
        for x, weight, columns, seen in self._parts:
            own = wide[columns]
            # Channels of other groups, and places of no channel, count in the range as they are.
            ends = float((seen.low * wide).min()), float((seen.high * wide).max())
            total += output_error(x * own.astype(np.float32), weight / own, ends)
        return total


def _columns(model: Model, use: Use, site: Site) -> Array:
    """The channel of each column of a flat weight."""
    laid: Array = site.canonical(np.broadcast_to(use.labels, model.weights[use.weight].shape))
    columns: Array = laid[0].ravel()
    return columns
