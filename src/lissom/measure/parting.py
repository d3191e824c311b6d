"""Where two runtimes part: the first node of a model whose output they do not agree on.

Two runtimes that run one quantized file may fuse it differently, and integers that saturate in one
of them or a rounding that the other leaves out show at the outputs only as another score. Here the
values inside are laid side by side, in the order of the graph. A value that is rounded at once is
compared as the integers that it becomes, so that both runtimes still fuse around it; everything
else as it is. One step of those integers is no difference: runtimes may round halves as they like.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lissom.graph.expose import expose, intermediate_values
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.save import save
from lissom.isolate.child import ChildLimits, call
from lissom.measure.feeds import read_feed, write_feed
from lissom.measure.fitting import Array
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["TOLERANCE", "Parting", "compared_values", "difference", "first_parting"]

TOLERANCE = 0.1
"""The largest difference that is none, relative to a value's range: rounding piles up on the way
through a network, a kernel that saturates or a range that was misread goes far beyond."""

_GROUP = 32  # values that are fetched together
_LIMITS = ChildLimits(seconds=1200.0)
_JOINED = frozenset({"QuantizeLinear", "Relu", "Clip"})  # to the operator that they read, alone
_EXPANDING = "DequantizeLinear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """The first node where two runtimes differ.

    Attributes:
        node: its name.
        op_type: its operator.
        value: its output that differs.
        difference: the largest, relative to the value's range, beyond one step of integers.
    """

    node: str
    op_type: str
    value: str
    difference: float


def first_parting(
    path: Path,
    feeds: Iterable[Mapping[str, Array]],
    one: Target,
    other: Target,
    store: Store,
    *,
    tolerance: float = TOLERANCE,
) -> Parting | None:
    """Run a model in two places on the same feeds and name the first node that differs.

    Args:
        path: the model's file.
        feeds: a few.
        one: where it runs.
        other: where it runs, too.
        store: for scratch.
        tolerance: see `TOLERANCE`.

    Returns:
        None where all values agree: what the runtimes do differently then depends on fusions that
        looking inside prevents, or is below the tolerance.

    Raises:
        ChildFailed: a runtime crashed or did not come to an end.
        MeasurementError: a runtime refused the model or a feed.
        ModelError: the file cannot be read.
    """
    model = open_trusted(path)
    values = compared_values(model)
    with store.scratch() as folder:
        written = []
        for number, feed in enumerate(feeds):
            place = folder / str(number)
            place.mkdir()
            written.append(write_feed(feed, place))
        exposed = (folder / "model.onnx").resolve()
        known = {port.name for port in model.outputs}
        save(expose(model, [v for v in values if v not in known]), exposed, metadata={})
        arguments = {
            "path": str(exposed),
            "feeds": written,
            "values": list(values),
            "targets": [one.to_json(), other.to_json()],
            "tolerance": tolerance,
        }
        found = call("lissom.measure.parting:search", arguments, limits=_LIMITS)
    if found is None:
        return None
    node = model.node(model.producers[found["value"]])
    far = float("inf") if found["difference"] is None else found["difference"]
    return Parting(node=node.name, op_type=node.op_type, value=found["value"], difference=far)


def compared_values(model: Model) -> tuple[str, ...]:
    """The values that are compared, in the order in which they are computed."""
    outputs = {port.name for port in model.outputs}
    inner = set(intermediate_values(model))
    found = []
    for node in model.nodes:
        for value in node.outputs:
            readers = {model.node(name).op_type for name in model.consumers.get(value, ())}
            fused = len(readers) == 1 and readers <= _JOINED
            if value in outputs or (value in inner and node.op_type != _EXPANDING and not fused):
                found.append(value)
    return tuple(found)


def search(
    *,
    path: str,
    feeds: Sequence[Mapping[str, Json]],
    values: Sequence[str],
    targets: Sequence[Mapping[str, Json]],
    tolerance: float,
) -> Json:
    """Child entry: the first value that differs, and by how much (null: infinitely); or null."""
    here, there = (Target.from_json(target) for target in targets)
    with (
        registry.load(here.runtime).open(Path(path), here) as first,
        registry.load(there.runtime).open(Path(path), there) as second,
    ):
        for start in range(0, len(values), _GROUP):
            group = list(values[start : start + _GROUP])
            worst = dict.fromkeys(group, 0.0)
            for paths in feeds:
                feed = read_feed(paths)
                ours, theirs = first.run(feed, group), second.run(feed, group)
                for name in group:
                    worst[name] = max(worst[name], difference(ours[name], theirs[name]))
            for name, far in worst.items():
                if far > tolerance:
                    return {"value": name, "difference": far if np.isfinite(far) else None}
    return None


def difference(ours: Array, theirs: Array) -> float:
    """The largest difference relative to the range of ours, beyond one step where ours is 8 bits.

    Unequal shapes, and NaN or infinity in one only, are infinitely far. Truth values and the wide
    integers of shapes and indices are equal or infinitely far.
    """
    if ours.shape != theirs.shape:
        return float(np.inf)
    if (ours.dtype.kind != "f" and ours.dtype.itemsize > 1) or ours.dtype.kind == "b":
        return 0.0 if np.array_equal(ours, theirs) else float(np.inf)
    step = 0.0 if ours.dtype.kind == "f" else 1.0
    first, second = ours.astype(np.float64), theirs.astype(np.float64)
    odd = ~(np.isfinite(first) & np.isfinite(second))
    if not np.array_equal(first[odd], second[odd], equal_nan=True):
        return float(np.inf)
    first, second = first[~odd], second[~odd]
    if not first.size:
        return 0.0
    beyond = float(max(0.0, np.abs(first - second).max() - step))
    spread = float(max(first.max(), 0.0) - min(first.min(), 0.0))
    return beyond / spread if spread > 0 else beyond
