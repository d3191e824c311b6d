"""Ranges of activations by what the layers that read them make of the error, in a child process.

A range is judged by rows that its readers really met: the value is rounded and clipped to it, and
the difference goes through their weights. Errors that the weights do not look at cost nothing then,
and errors that add up over a row count in full, neither of which a histogram can tell.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lissom.graph.extract import extract
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.save import save
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration, fetched, opened
from lissom.methods.errand import Errand
from lissom.methods.reading import Array, Reading, flat, readings, rows
from lissom.numerics.ranges import Range, least_output_error
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["by_output"]

_ROWS = 512  # of each layer, all samples together
_ERRAND = Errand(entry="lissom.methods.output_ranges:judge_all", kind="ranges.output", format=1)


def by_output(
    model: Model,
    readers: Mapping[str, Sequence[str]],
    starts: Mapping[str, Sequence[Range]],
    calibration: Calibration,
    store: Store,
    *,
    bits: int,
) -> dict[str, Range]:
    """The range with the least error at its readers' outputs, for each value that has readers.

    Args:
        model: the model.
        readers: by value the operators that read it as integers; those that cannot be seen as
            products over rows (grouped convolutions) are passed over.
        starts: by value the ranges that the answer shall be no worse than, the widest first.
        calibration: samples to run the model on.
        store: keeps the answer.
        bits: of the integers.

    Returns:
        By value; values without a reader that could be judged are left out.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    known = readings(model)
    nodes = {value: [node for node in own if node in known] for value, own in readers.items()}
    wanted: Json = {
        value: {
            "readings": [known[node][1].to_json() for node in own],
            "starts": [[one.low, one.high] for one in starts[value]],
        }
        for value, own in nodes.items()
        if own
    }
    settings = {"wanted": wanted, "bits": bits}
    found = _ERRAND.run({"path": model}, calibration, store, settings) if wanted else {}
    return {value: Range(low, high) for value, (low, high) in found.items()}


def judge_all(
    *, path: str, wanted: Mapping[str, Json], calibration: Mapping[str, Json], bits: int
) -> Json:
    """Child entry: the ends of the best range of every value."""
    model = open_trusted(Path(path))
    held = Calibration.from_json(calibration)
    readers = {
        value: [Reading.from_json(each) for each in one["readings"]]
        for value, one in wanted.items()
    }
    met = _met(model, [each for own in readers.values() for each in own], held, Path(path).parent)
    known = readings(model)
    found: dict[str, Json] = {}
    for value, own in readers.items():
        pairs = [
            (met[each.node], flat(model, known[each.node][0]).astype(np.float32)) for each in own
        ]
        starts = [Range(low, high) for low, high in wanted[value]["starts"]]
        best = least_output_error(pairs, starts, bits=bits)
        found[value] = [best.low, best.high]
        report(value)
    return found


def _met(
    model: Model, wanted: Sequence[Reading], calibration: Calibration, folder: Path
) -> dict[str, Array]:
    """Rows that operators read, by node: a few of every sample, [rows, inputs] float32."""
    values = list(dict.fromkeys(one.input for one in wanted))
    inner = [value for value in values if value in model.producers]
    path = folder / "part.onnx"
    save(extract(model, inner) if inner else model, path, metadata={})
    each = -(-_ROWS // calibration.count)
    kept: dict[str, list[Array]] = {one.node: [] for one in wanted}
    with opened(path, calibration) as session:
        for number, inputs in enumerate(calibration.feeds()):
            given = fetched(session, inputs, values)
            for one in wanted:
                kept[one.node] += rows(one, given[one.input], None, most=each, seed=number)
    return {node: np.concatenate(parts).astype(np.float32) for node, parts in kept.items()}
