"""What operators read of channel groups on calibration samples, and what each unit is worth there.

Runs in a child process: covariances are large, what is answered is small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lissom.graph.channels.groups import ChannelGroup
from lissom.graph.edit import ReplaceWeight
from lissom.graph.extract import extract
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import save
from lissom.isolate.child import ChildLimits, call, report
from lissom.measure.calibration import Calibration, fetched, opened
from lissom.measure.output_error import Outputs
from lissom.methods.reading import (
    Array,
    Reading,
    flat,
    readers_of,
    readings,
    replaced,
    rows,
)
from lissom.numerics.moments import Elimination, Moments, eliminate, fit
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["HELD_OUT", "Pair", "Seen", "Worth", "gathered", "judged_by", "survey"]

ROWS = 64
HELD_OUT = 5  # every so many-th sample is not fitted to
_BUFFER = 2048
_STEPS = 64
_DAMPINGS = (1e-2, 1e-1, 1.0)
_PROBES = (0.25, 0.5, 0.75)
_JUDGED = 32  # samples that say what leaving costs at the outputs
_LIMITS = ChildLimits(seconds=3600.0)
_KIND = "pruning.survey"
_FORMAT = 5

Pair: TypeAlias = tuple[Moments, Moments]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What one operator reads of its input columns.

    Attributes:
        mean: of each column.
        second: the mean square of each column.
        variance: of all its outputs together.
    """

    mean: Array
    second: Array
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Worth:
    """What a group's units are worth to those that read them.

    Attributes:
        order: units, the first to leave first.
        costs: the error at the model's outputs, as a share of their variance, after the first, the
            first two, ... have left and their readers were fitted anew; [units - 1]. Measured for
            some numbers of units on samples that the fit did not see, and interpolated.
    """

    order: Array
    costs: Array


def survey(
    model: Model,
    groups: Sequence[ChannelGroup],
    calibration: Calibration,
    store: Store,
    *,
    worth: bool,
) -> tuple[dict[str, Seen], dict[str, Worth]]:
    """Look at all operators that read some groups.

    Args:
        model: the model.
        groups: its channel groups.
        calibration: samples to run it on.
        store: keeps what was seen.
        worth: also let units leave on paper, by what they cost after refitting.

    Returns:
        By operator what it reads, and by group what its units are worth (of groups that some
        operator reads as rows).

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    inputs: Json = {
        "format": _FORMAT,
        "model": model.fingerprint,
        "calibration": calibration.identity(),
        "groups": [group.name for group in groups],
        "worth": worth,
    }

    def compute() -> Json:
        known = readings(model)
        systems = {
            group.name: [
                [site.node, [each.tolist() for each in columns]]
                for site, _, columns in readers_of(group, known)
            ]
            for group in groups
        }
        nodes = dict.fromkeys(
            site.node for group in groups for site, _, _ in readers_of(group, known)
        )
        with store.scratch() as folder:
            path = (folder / "model.onnx").resolve()
            save(model, path, metadata={})
            arguments = {
                "path": str(path),
                "calibration": calibration.to_json(),
                "wanted": [known[node][1].to_json() for node in nodes],
                "systems": systems if worth else {},
            }
            return call("lissom.methods.survey:look", arguments, limits=_LIMITS)

    return _read(store.arrays(store.remember(_KIND, inputs, compute)["arrays"]))


def _read(arrays: Mapping[str, Array]) -> tuple[dict[str, Seen], dict[str, Worth]]:
    """What `look` stored, by operator and by group."""
    operators = [name.removesuffix("/mean") for name in arrays if name.endswith("/mean")]
    groups = [name.removesuffix("/order") for name in arrays if name.endswith("/order")]
    seen = {
        name: Seen(
            mean=arrays[f"{name}/mean"],
            second=arrays[f"{name}/second"],
            variance=float(arrays[f"{name}/variance"][0]),
        )
        for name in operators
    }
    worth = {
        name: Worth(order=arrays[f"{name}/order"], costs=arrays[f"{name}/costs"]) for name in groups
    }
    return seen, worth


def look(
    *,
    path: str,
    calibration: Mapping[str, Json],
    wanted: Sequence[Mapping[str, Json]],
    systems: Mapping[str, Json],
) -> Json:
    """Child entry: gather moments, let units leave on paper; answers where arrays are stored."""
    held = Calibration.from_json(calibration)
    model, folder = open_trusted(Path(path)), Path(path).parent
    read = [Reading.from_json(one) for one in wanted]
    moments = gathered(model, read, held, folder)
    arrays: dict[str, Array] = {}
    for node, parts in moments.items():
        one = parts[0].joined(parts[1])
        arrays[f"{node}/mean"] = one.x / max(one.rows, 1)
        arrays[f"{node}/second"] = np.diag(one.xx) / max(one.rows, 1)
        arrays[f"{node}/variance"] = np.asarray([one.variance])
    judge = judged_by(model, held, folder)
    for name, system in systems.items():
        columns = {node: [np.asarray(each) for each in own] for node, own in system}
        order = _eliminated(model, moments, columns).order
        most = len(order) - 1
        counts = sorted({min(most, max(1, round(len(order) * share))) for share in _PROBES})
        errors = []
        for count in counts:
            edits = _without(model, moments, columns, order[:count], held.samples.store)
            errors.append(judge.error(perform(model, edits, held.samples.store)))
        arrays[f"{name}/order"] = order
        arrays[f"{name}/costs"] = interpolated(counts, errors, most)
        report(name)
    return {"arrays": held.samples.store.put_arrays(arrays)}


def interpolated(counts: Sequence[int], errors: Sequence[float], most: int) -> Array:
    """Errors for 1 to `most` units from those of some: powers of the count between them.

    Below the first it falls with the power between the first two, at least in proportion.
    """
    x, y = np.log(counts), np.log(np.maximum(np.maximum.accumulate(errors), 1e-12))
    wanted = np.log(np.arange(1, most + 1))
    slopes = np.diff(y) / np.diff(x) if len(x) > 1 else np.ones(1)
    ends = np.clip(slopes[[0, -1]], 1.0, 4.0)
    found = np.interp(wanted, x, y)
    found = np.where(wanted < x[0], y[0] + ends[0] * (wanted - x[0]), found)
    found = np.where(wanted > x[-1], y[-1] + ends[1] * (wanted - x[-1]), found)
    return np.asarray(np.exp(found))


def _eliminated(
    model: Model, moments: Mapping[str, Pair], columns: Mapping[str, list[Array]]
) -> Elimination:
    known = readings(model)
    systems = [
        (
            moments[node][0].covariance,
            flat(model, known[node][0]) / np.sqrt(moments[node][0].variance or 1.0),
            own,
        )
        for node, own in columns.items()
    ]
    return eliminate(systems, steps=_STEPS)


def _without(
    model: Model,
    moments: Mapping[str, Pair],
    columns: Mapping[str, list[Array]],
    units: Array,
    store: Store,
) -> list[ReplaceWeight]:
    """Edits after which no operator uses these units, each fitted anew without them."""
    known = readings(model)
    edits: list[ReplaceWeight] = []
    for node, own in columns.items():
        site, start = known[node][0], flat(model, known[node][0])
        gone = np.concatenate([own[unit] for unit in units])
        stays = np.setdiff1d(np.arange(start.shape[1]), gone)
        fitting, held_out = (part.of_columns(stays) for part in moments[node])
        found = fit(fitting, start[:, stays], held_out, dampings=_DAMPINGS, join=False)
        weight = np.zeros_like(start)
        weight[:, stays] = found.weight
        edits += replaced(model, site, weight, found.bias, store)
    return edits


def judged_by(model: Model, calibration: Calibration, folder: Path) -> Outputs:
    """What says how far other models are from this one: on samples that nothing is fitted to."""
    first = HELD_OUT - 1
    return Outputs(model, calibration, folder, first=first, step=HELD_OUT, most=_JUDGED)


def gathered(
    model: Model, wanted: Sequence[Reading], calibration: Calibration, folder: Path
) -> dict[str, Pair]:
    """Moments of what operators read and give, by node: to fit to, and held out."""
    values = list(dict.fromkeys(v for one in wanted for v in (one.input, one.output)))
    path = folder / "part.onnx"
    save(extract(model, [v for v in values if v in model.producers]), path, metadata={})
    buffers: dict[tuple[str, int], list[list[Array]]] = {}
    found: dict[str, Pair] = {}
    with opened(path, calibration) as session:
        for number, inputs in enumerate(calibration.feeds()):
            given = fetched(session, inputs, values)
            part = int(number % HELD_OUT == HELD_OUT - 1)
            for one in wanted:
                own = rows(one, given[one.input], given[one.output], most=ROWS, seed=number)
                buffer = buffers.setdefault((one.node, part), [])
                buffer.append(own)
                if sum(len(x) for x, _ in buffer) >= _BUFFER:
                    _flush(found, one.node, part, buffer)
    for (node, part), buffer in buffers.items():
        if buffer:
            _flush(found, node, part, buffer)
    return found


def _flush(found: dict[str, Pair], node: str, part: int, buffer: list[list[Array]]) -> None:
    x, y = (np.concatenate(parts) for parts in zip(*buffer, strict=True))
    buffer.clear()
    sizes = x.shape[1], y.shape[1]
    if node not in found:
        found[node] = Moments.empty(*sizes), Moments.empty(*sizes)
    found[node][part].add(x, y)
