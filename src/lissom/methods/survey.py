"""What operators read of channel groups on calibration samples, and what each unit is worth there.

Runs in a child process: covariances are large, what is answered is small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lissom.graph.channels.groups import ChannelGroup
from lissom.graph.edit import ReplaceWeight
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration
from lissom.measure.output_error import ENDLESS, Outputs
from lissom.methods.errand import Errand
from lissom.methods.gathering import HELD_OUT, Pair, batches, gathered
from lissom.methods.reading import (
    Array,
    flat,
    readers_of,
    readings,
    replaced,
)
from lissom.numerics.moments import Elimination, eliminate, fit
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Seen", "Worth", "judged_by", "survey"]

_STEPS = 64
_DAMPINGS = (1e-2, 1e-1, 1.0)
_PROBES = (0.25, 0.5, 0.75)
_JUDGED = 32  # samples that say what leaving costs at the outputs
_ERRAND = Errand(entry="lissom.methods.survey:look", kind="pruning.survey", format=9)


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
        operator reads as rows). Operators of which no row is finite are missing, and so are groups
        that one of them reads.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    known = readings(model)
    read = {group.name: readers_of(group, known) for group in groups}
    systems = {
        name: [[site.node, [each.tolist() for each in columns]] for site, _, columns in own]
        for name, own in read.items()
    }
    nodes = [site.node for own in read.values() for site, _, _ in own]
    settings = {"wanted": list(dict.fromkeys(nodes)), "systems": systems if worth else {}}
    found = _ERRAND.run({"path": model}, calibration, store, settings)
    return _read(store.arrays(found["arrays"]))


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
    wanted: Sequence[str],
    systems: Mapping[str, Json],
) -> Json:
    """Child entry: gather moments, let units leave on paper; answers where arrays are stored."""
    held = Calibration.from_json(calibration)
    model, folder = open_trusted(Path(path)), Path(path).parent
    known = readings(model)
    judge = judged_by(model, held, folder)
    arrays: dict[str, Array] = {}
    # One part after another, whose operators are seen at once: a group, or else an operator.
    parts: list[tuple[str | None, dict[str, list[Array]]]]
    parts = [
        (name, {node: [np.asarray(each) for each in own] for node, own in system})
        for name, system in systems.items()
    ] or [(None, {node: []}) for node in wanted]
    sites = [[known[node][0] for node in columns] for _, columns in parts]
    passes = list(batches(sites))
    read = [
        [known[node][1] for node in dict.fromkeys(n for one in batch for n in parts[one][1])]
        for batch in passes
    ]
    together = [max(len(parts[number][1]) for number in batch) for batch in passes]
    every = gathered(model, read, held, folder, together=together)
    for batch, moments in zip(passes, every, strict=True):
        for node, pair in moments.items():
            arrays |= _looks(node, pair)
        for number in batch:
            name, columns = parts[number]
            if name is not None and moments.keys() >= columns.keys():
                arrays |= _worth(name, model, moments, columns, judge, held.samples.store)
                report(name)
        moments.clear()  # before those of the next pass are gathered
    return {"arrays": held.samples.store.put_arrays(arrays)}


def _looks(node: str, moments: Pair) -> dict[str, Array]:
    """What is stored of one operator."""
    one = moments[0].joined(moments[1])
    return {
        f"{node}/mean": one.mean,
        f"{node}/second": one.second,
        f"{node}/variance": np.asarray([one.variance]),
    }


def _worth(
    name: str,
    model: Model,
    moments: Mapping[str, Pair],
    columns: Mapping[str, list[Array]],
    judge: Outputs,
    store: Store,
) -> dict[str, Array]:
    """What is stored of one group: in which order units leave, and what that costs."""
    order = _eliminated(model, moments, columns).order
    most = len(order) - 1
    counts = sorted({min(most, max(1, round(len(order) * share))) for share in _PROBES})
    errors = []
    for count in counts:
        edits = _without(model, moments, columns, order[:count], store)
        errors.append(min(ENDLESS, judge.error(perform(model, edits, store))))
    return {f"{name}/order": order, f"{name}/costs": interpolated(counts, errors, most)}


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
            moments[node][0],
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
