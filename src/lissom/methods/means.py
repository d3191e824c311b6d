"""Means that compression moved, put back: per channel, where a bias or a normalization can take it.

Stage by stage in the order of the graph, since putting one mean back changes all behind it. Runs in
a child process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from lissom.graph.describe import NodeInfo
from lissom.graph.edit import (
    Edit,
    EncodeWeight,
    IntegerEncoding,
    ReplaceWeight,
    edit_from_json,
    edit_to_json,
)
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration
from lissom.methods.errand import Errand
from lissom.methods.passes import Passes
from lissom.methods.protocol import Context
from lissom.methods.reading import Array
from lissom.methods.stages import stages_of
from lissom.methods.survey import judged_by
from lissom.numerics.quantized import quantize_bias
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Holder", "Mended", "holder", "mend", "norm_holder"]

_ERRAND = Errand(entry="lissom.methods.means:mend_all", kind="quantize.means", format=3)
_SAMPLES = 128  # a mean needs few
_LARGEST = 2.0**31 - 1
_WORSE = 1.2  # by less, few samples cannot tell
_FACTORS = (0.25, 4.0)  # of a variance, at most: beyond, a channel was hardly ever alive

Kind = Literal["float", "integers", "new", "new integers", "norm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What can take the change of a mean.

    Attributes:
        node: the operator; gives the value, or reads it if it is a normalization.
        value: whose mean is to be put back.
        twin: the value of the original that it stands for.
        axis: of its channels.
        kind: a float32 bias; 32-bit integers; a bias that is not there yet, in either form; the
            mean and variance of a normalization.
        weights: the bias; the integers and their scale; none; the scales of the input and of the
            weight; mean and variance.
    """

    node: str
    value: str
    twin: str
    axis: int
    kind: Kind
    weights: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What was put back.

    Attributes:
        edits: new biases and statistics.
        shifts: by operator, the root mean square of what its channels' means had moved by, as a
            share of the deviation of the original's values.
        before: the error at the model's outputs as it was, on samples of their own.
        after: the same with the edits.
    """

    edits: tuple[Edit, ...]
    shifts: Mapping[str, float]
    before: float
    after: float

    @property
    def nearer(self) -> bool:
        """Whether the model's answers are hardly further from the original's than they were."""
        return not self.after > _WORSE * self.before


def holder(model: Model, value: str, *, axis: int, channels: int) -> Holder | str:
    """What can take the change of a value's mean, or why nothing can.

    Args:
        model: the compressed model.
        value: what an operator with a bias gives.
        axis: of the channels.
        channels: how many there are; a bias that is one number for all of them can take no means.
    """
    if value not in model.producers:
        return "the value that it gave is not in the model"
    node = model.node(model.producers[value])
    inputs = (*node.inputs, "", "")

    def found(kind: Kind, *weights: str) -> Holder:
        return Holder(
            node=node.name, value=value, twin=value, axis=axis, kind=kind, weights=weights
        )

    if node.op_type == "Add" and not node.domain:
        names = [name for name in node.inputs if _is_own_vector(model, name)]
        if len(names) != 1:
            return "its bias is no float vector"
        return _misfit(model, names[0], channels) or found("float", names[0])
    if node.op_type not in {"Conv", "ConvTranspose", "Gemm"} or node.domain:
        return f"a {node.op_type} gives it, which has no bias"
    if node.attributes.get("beta", 1.0) != 1.0:
        return "its bias has a factor"
    if not inputs[2]:
        read, weight = (_dequantizer(model, name) for name in inputs[:2])
        if read is None or weight is None:
            return found("new")
        scales = read.inputs[1], weight.inputs[1]
        known = all(name in model.weights for name in scales)
        return found("new integers", *scales) if known else "its scales are computed"
    if _is_own_vector(model, inputs[2]):
        return _misfit(model, inputs[2], channels) or found("float", inputs[2])
    source = _dequantizer(model, inputs[2])
    if source is None or model.consumers[inputs[2]] != (node.name,):
        return "its bias is shared or computed"
    integers, scale = source.inputs[:2]
    own = integers in model.weights and model.consumers[integers] == (source.name,)
    if not own or model.weights[integers].dtype != "int32" or scale not in model.weights:
        return "its bias is not held in 32 bits"
    return _misfit(model, integers, channels) or found("integers", integers, scale)


def norm_holder(model: Model, node: NodeInfo) -> Holder | str:
    """The statistics of a batch normalization of the original, or why they cannot be set."""
    kept = model.node(node.name)
    mean, variance = kept.inputs[3:5]
    if not (_is_own_vector(model, mean) and _is_own_vector(model, variance)):
        return "its statistics are shared or computed"
    return Holder(
        node=node.name,
        value=kept.inputs[0],
        twin=node.inputs[0],
        axis=1,
        kind="norm",
        weights=(mean, variance),
    )


def _is_own_vector(model: Model, name: str) -> bool:
    info = model.weights.get(name)
    outside = name in model.captured or name in {port.name for port in model.outputs}
    return (
        info is not None
        and info.dtype == "float32"
        and len(info.shape) == 1
        and len(model.consumers.get(name, ())) == 1
        and not outside
    )


def _misfit(model: Model, bias: str, channels: int) -> str | None:
    """Why a bias cannot be another number for each channel; None if it can."""
    shape = model.weights[bias].shape
    if shape == (channels,):
        return None
    return f"its bias has the shape {list(shape)}, for {channels} channels"


def _dequantizer(model: Model, name: str) -> NodeInfo | None:
    """The node that turns integers into this value."""
    if name not in model.producers:
        return None
    node = model.node(model.producers[name])
    return node if node.op_type == "DequantizeLinear" else None


def mend(
    original: Model, model: Model, holders: Sequence[Holder], context: Context, seen: Calibration
) -> Mended:
    """Put the means back.

    Args:
        original: gives the means.
        model: what was made of it.
        holders: in the compressed model; the original has their values, too.
        context: its store and progress.
        seen: samples to run both on.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused a model or the samples.
    """
    found = _ERRAND.run(
        {"original": original, "model": model},
        seen,
        context.store,
        {"holders": [asdict(one) for one in holders]},
        told=lambda done: context.progress(f"put back {done} of {len(holders)} means"),
    )
    return Mended(
        edits=tuple(edit_from_json(one) for one in found["edits"]),
        shifts=found["shifts"],
        before=found["before"],
        after=found["after"],
    )


def mend_all(
    *,
    original: str,
    model: str,
    holders: Sequence[Mapping[str, Json]],
    calibration: Mapping[str, Json],
) -> Json:
    """Child entry: stage by stage; answers edits, by how much the means had moved, and errors."""
    seen = Calibration.from_json(calibration)
    store = seen.samples.store
    known = {one["node"]: Holder(**{**one, "weights": tuple(one["weights"])}) for one in holders}
    folder = Path(original).parent
    source, untouched = open_trusted(Path(original)), open_trusted(Path(model))
    now = untouched
    twins = [replace(one, value=one.twin) for one in known.values()]
    some = replace(seen, limit=min(seen.limit, _SAMPLES))
    odd: dict[tuple[str, int], Array] = {}
    given = Passes(some, folder).runs(source, [one.value for one in twins])
    wanted = _moments(given, twins, odd, first=True)
    stages, passes = stages_of(now, list(known)), Passes(some, folder, "now")
    edits: list[Edit] = []
    shifts: dict[str, float] = {}
    for number, stage in enumerate(stages):
        looked_at = [known[node] for node in stage]
        left = set(chain.from_iterable(stages[number:]))
        found = _moments(
            passes.runs(
                now,
                [one.value for one in looked_at],
                later={known[node].value for node in left.difference(stage)},
                changing=left,
            ),
            looked_at,
            odd,
        )
        own: list[Edit] = []
        for node in stage:
            (mean, variance), (present, spread) = wanted[node], found[node]
            if mean.shape != present.shape or not np.isfinite(mean + present).all():
                continue  # channels left: its means are those of another value; or it has none
            shifts[node] = float(np.sqrt(((mean - present) ** 2).mean() / (variance.mean() or 1.0)))
            if known[node].kind == "norm":
                factors = np.divide(spread, variance, out=np.ones_like(spread), where=variance > 0)
                own += _statistics(now, known[node], present - mean, factors, store)
            else:
                own += _biases(now, known[node], mean - present, store)
        now = perform(now, own, store)
        edits += own
        report(len(shifts))
    judge = judged_by(source, seen, folder)
    return {
        "edits": [edit_to_json(one) for one in edits],
        "shifts": shifts,
        "before": judge.error(untouched),
        "after": judge.error(now),
    }


def _biases(model: Model, at: Holder, shift: Array, store: Store) -> Iterator[Edit]:
    """Edits that add to a bias."""
    match at.kind:
        case "integers":
            integers, scale = (model.weight(name) for name in at.weights)
            moved = np.rint(integers + shift / scale.astype(np.float64))
            values = np.clip(moved, -_LARGEST, _LARGEST).astype(np.int32)
            yield ReplaceWeight(weight=at.weights[0], values=store.put_array(values))
        case "float":
            values = (model.weight(at.weights[0]) + shift).astype(np.float32)
            yield ReplaceWeight(weight=at.weights[0], values=store.put_array(values))
        case _:
            name = f"{at.node}_bias"
            fresh = shift.astype(np.float32)
            yield ReplaceWeight(weight=name, values=store.put_array(fresh), bias_of=at.node)
            if at.kind == "new integers":
                read, weight = (model.weight(one).astype(np.float64) for one in at.weights)
                encoding = IntegerEncoding.of(quantize_bias(fresh, read * weight), store)
                yield EncodeWeight(
                    weight=name, encoding=encoding, kernel="dequantize", consumers=(at.node,)
                )


def _statistics(
    model: Model, at: Holder, shift: Array, factors: Array, store: Store
) -> Iterator[Edit]:
    """Edits that move the statistics of a normalization as much as its input moved."""
    mean, variance = (model.weight(name) for name in at.weights)
    found = mean + shift, variance * np.clip(factors, *_FACTORS)
    for name, values in zip(at.weights, found, strict=True):
        yield ReplaceWeight(weight=name, values=store.put_array(values.astype(np.float32)))


def _moments(
    runs: Iterable[tuple[int, Mapping[str, Array]]],
    holders: Sequence[Holder],
    odd: dict[tuple[str, int], Array],
    *,
    first: bool = False,
) -> dict[str, tuple[Array, Array]]:
    """Mean and variance of each channel over all runs, by the node that holds them.

    Args:
        runs: every run's number, and the values.
        holders: whose values they are.
        odd: by value of the original and run, the rows that are not finite there, which are left
            out: of what was made of it, too, whatever stands there now.
        first: the runs are the original's; they say which rows are odd.

    Returns:
        [channels] each; NaN where no row is left.
    """
    known = {one.value: one for one in holders}
    counts = dict.fromkeys(known, 0)
    sums: dict[str, list[Array]] = {}
    for number, given in runs:
        for name, array in given.items():
            rows = np.moveaxis(np.atleast_1d(array), known[name].axis, -1)
            rows = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
            at = known[name].twin, number
            if first and not np.isfinite(rows).all():
                odd[at] = ~np.isfinite(rows).all(axis=1)
            if at in odd and len(odd[at]) == len(rows):
                rows = rows[~odd[at]]
            counts[name] += len(rows)
            own = [rows.sum(axis=0), (rows * rows).sum(axis=0)]
            before = sums.get(name)
            if before is not None:
                own = [a + b for a, b in zip(before, own, strict=True)]
            sums[name] = own
    found = {}
    for one in holders:
        mean, square = (total / (counts[one.value] or np.nan) for total in sums[one.value])
        found[one.node] = mean, np.maximum(square - mean**2, 0.0)
    return found
