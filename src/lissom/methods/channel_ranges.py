"""What each channel of some values is on samples: its smallest and largest element, mean, spread.

Runs in a child process, and is remembered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.measure.calibration import Calibration
from lissom.methods.errand import Errand
from lissom.methods.passes import runs
from lissom.methods.reading import Array
from lissom.store.hashing import Json
from lissom.store.refs import ArrayRef
from lissom.store.store import Store

__all__ = ["ChannelRanges", "channel_ranges"]

_ERRAND = Errand(entry="lissom.methods.channel_ranges:watch_all", kind="channel.ranges", format=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelRanges:
    """What was seen of a value, [channels] each.

    Attributes:
        low: the smallest element.
        high: the largest.
        mean: of all.
        deviation: the standard deviation.
    """

    low: Array
    high: Array
    mean: Array
    deviation: Array


def channel_ranges(
    model: Model, axes: Mapping[str, int], calibration: Calibration, store: Store
) -> dict[str, ChannelRanges]:
    """Watch values while a model runs on samples.

    Args:
        model: the model.
        axes: by computed value, the axis of its channels.
        calibration: samples to run it on.
        store: keeps the answer.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    found = _ERRAND.run({"path": model}, calibration, store, {"axes": dict(axes)}) if axes else {}
    arrays = {value: store.array(ArrayRef.from_json(ref)) for value, ref in found.items()}
    return {
        value: ChannelRanges(low=low, high=high, mean=mean, deviation=deviation)
        for value, (low, high, mean, deviation) in arrays.items()
    }


def watch_all(
    *, path: str, axes: Mapping[str, int], calibration: Mapping[str, Json]
) -> dict[str, Json]:
    """Child entry: by value, where its four rows [4, channels] are stored."""
    held = Calibration.from_json(calibration)
    counts = dict.fromkeys(axes, 0)
    sums: dict[str, Array] = {}
    ends: dict[str, Array] = {}
    for _, given in runs(open_trusted(Path(path)), list(axes), held, Path(path).parent):
        for value, array in given.items():
            rows = np.moveaxis(array, axes[value], -1)
            rows = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
            counts[value] += len(rows)
            total = np.stack([rows.sum(axis=0), (rows * rows).sum(axis=0)])
            sums[value] = sums.get(value, 0.0) + total
            end = np.stack([rows.min(axis=0, initial=np.inf), rows.max(axis=0, initial=-np.inf)])
            before = ends.setdefault(value, end)
            ends[value] = np.stack([np.minimum(before[0], end[0]), np.maximum(before[1], end[1])])
    found = {}
    for value, count in counts.items():
        mean, square = sums[value] / max(count, 1)
        deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
        rows = np.stack([*ends[value], mean, deviation])
        found[value] = held.samples.store.put_array(rows).to_json()
    return found
