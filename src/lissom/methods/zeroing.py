"""Zeros put into the weights of operators on calibration samples; runs in a child process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lissom.graph.edit import Edit, ReplaceWeight
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration
from lissom.methods.errand import Errand
from lissom.methods.gathering import Pair, gathered, split
from lissom.methods.naming import naming
from lissom.methods.reading import Array, flat, readings, replaced
from lissom.numerics.sparsity import sparsify
from lissom.store.hashing import Json
from lissom.store.refs import ArrayRef
from lissom.store.store import Store

__all__ = ["Zeroed", "zeroed"]

_ERRAND = Errand(entry="lissom.methods.zeroing:zero_all", kind="pruning.zeros", format=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeroed:
    """Weights with zeros.

    Attributes:
        edits: that put them in place.
        weights: how many there are.
        zeros: how many of them are zero.
        untouched: operators none of whose weights became zero.
        unseen: operators left alone, since what they read or give on the samples is not finite.
    """

    edits: tuple[Edit, ...]
    weights: int
    zeros: int
    untouched: tuple[str, ...]
    unseen: tuple[str, ...] = ()

    @property
    def packed_bytes(self) -> int:
        """What they take as one bit for each weight, and float32 for each that is left."""
        return -(-self.weights // 8) + 4 * (self.weights - self.zeros)


def zeroed(
    model: Model,
    nodes: Sequence[str],
    settings: Mapping[str, Json],
    calibration: Calibration,
    store: Store,
) -> Zeroed:
    """Zero and correct the weights of some operators.

    Args:
        model: the model.
        nodes: the operators.
        settings: `ratio`, `threshold`, `pattern` and `criterion` of `sparsify`.
        calibration: samples to run it on.
        store: keeps the answer.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    settings = {"nodes": list(nodes), "settings": dict(settings)}
    found = _ERRAND.run({"path": model}, calibration, store, settings)
    edits = tuple(
        ReplaceWeight(
            weight=one["weight"], values=ArrayRef.from_json(one["values"]), bias_of=one["bias_of"]
        )
        for one in found["edits"]
    )
    return Zeroed(
        edits=edits,
        weights=found["weights"],
        zeros=found["zeros"],
        untouched=tuple(found["untouched"]),
        unseen=tuple(found["unseen"]),
    )


def zero_all(
    *,
    path: str,
    nodes: Sequence[str],
    settings: Mapping[str, Json],
    calibration: Mapping[str, Json],
) -> Json:
    """Child entry: zero operator by operator; answers where the new weights are stored."""
    held = Calibration.from_json(calibration)
    model = open_trusted(Path(path))
    known = readings(model)
    edits: list[dict[str, Json]] = []
    untouched: list[str] = []
    unseen: list[str] = []
    weights = zeros = 0
    stages = split(model, [nodes])
    read = [[known[node][1] for node in stage] for stage in stages]
    every = gathered(model, read, held, Path(path).parent)
    for stage, moments in zip(stages, every, strict=True):
        for node in stage:
            site, pair = known[node][0], moments.pop(node, None)
            if pair is None:
                unseen.append(node)
                continue
            before = flat(model, site)
            with naming(node):
                after, bias = _zeroed(before, pair, settings)
            weights += after.size
            zeros += int((after == 0).sum())
            if np.array_equal(after, before):
                untouched.append(node)
                continue
            edits += [
                {"weight": one.weight, "values": one.values.to_json(), "bias_of": one.bias_of}
                for one in replaced(model, site, after, bias, held.samples.store)
            ]
            report(node)
    counts = {"weights": weights, "zeros": zeros}
    return {"edits": edits, **counts, "untouched": untouched, "unseen": unseen}


def _zeroed(before: Array, moments: Pair, settings: Mapping[str, Json]) -> tuple[Array, Array]:
    """A weight with zeros, and its bias."""
    every = moments[0].joined(moments[1])
    after = sparsify(before, every, **settings)
    return after, every.mean_y - after @ every.mean
