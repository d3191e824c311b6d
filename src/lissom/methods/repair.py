"""Repair in closed form: what reads fewer channels is fitted anew to what the original gave.

Layer by layer, in the order of the graph: each operator is fitted to the rows that the already
repaired network feeds it, towards what the original's operator gave on the same samples. So later
layers make good what earlier ones lost. Where what an operator gives is added to what goes past it
(a residual sum), it is fitted towards the original's sum, and makes good what that lost, too. The
means of channels that left go into the bias. Which damping to take, a fifth of the samples decides
that the fit does not see. What the fit does not reach is scaled and shifted by channel, in its turn
(`lissom.methods.statistics`).

Source: least squares reconstruction of He, Zhang and Sun, "Channel pruning for accelerating very
deep neural networks", 2017, arXiv:1707.06168, section 3.1, here in sequence and with bias.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from lissom.graph.cutting import WeightCut
from lissom.graph.edit import Edit, RemoveChannels, ReplaceWeight
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.measure.calibration import Calibration
from lissom.methods.errand import Errand
from lissom.methods.gathering import split
from lissom.methods.protocol import Context
from lissom.methods.reading import readings
from lissom.methods.refitting import Task, fitted, targets_of
from lissom.methods.row_weights import normalized
from lissom.methods.stages import last_of_sums, stages_of, sums_of
from lissom.methods.statistics import adjustables, kept_channels, touched
from lissom.methods.survey import judged_by
from lissom.store.hashing import Json
from lissom.store.refs import ArrayRef

__all__ = ["Repair", "refit", "repair"]

_ERRAND = Errand(entry="lissom.methods.repair:repair_all", kind="pruning.repair", format=12)
_NEAR = 0.25
"""Means are held if that leaves an error at most so much larger: the smaller change is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """New weights and biases.

    Attributes:
        edits: to be done after the removal.
        errors: by operator, what is left of the error, as a share of its outputs' variance.
    """

    edits: tuple[Edit, ...]
    errors: Mapping[str, float]


def repair(
    original: Model, removal: RemoveChannels, calibration: Calibration, context: Context
) -> Repair:
    """Fit every operator anew that reads less than it did.

    Args:
        original: before the removal.
        removal: what leaves.
        calibration: samples to run both on.
        context: for its store and progress.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused a model or the samples.
    """
    reduced = perform(original, [removal], context.store)
    others = adjustables(original)
    return refit(
        original,
        reduced,
        _cut_readers(original, removal),
        calibration,
        context,
        kept=_kept_rows(original, removal),
        adjusted={
            node: kept_channels(original, removal, others[node])
            for node in touched(original, removal)
            if node in others
        },
    )


def refit(
    original: Model,
    reduced: Model,
    nodes: Sequence[str],
    calibration: Calibration,
    context: Context,
    *,
    kept: Mapping[str, Sequence[int]] = MappingProxyType({}),
    adjusted: Mapping[str, Sequence[int] | None] = MappingProxyType({}),
) -> Repair:
    """Fit operators of a reduced model to what they gave in the original.

    Args:
        original: before anything left.
        reduced: after it.
        nodes: the operators to fit, which both models have, in the graph's order.
        calibration: samples to run both on.
        context: for its store and progress.
        kept: which outputs are left, of operators that lost some.
        adjusted: operators that are scaled and shifted instead, with the channels left of each.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused a model or the samples.
    """
    sums = last_of_sums(sums_of(original, reduced, nodes, context.shapes_of(original)))
    stages = split(reduced, stages_of(reduced, [*nodes, *adjusted], sums))
    known = readings(original)
    steady = list(normalized(original, [known[node][1] for node in nodes]))
    task: Json = {
        "stages": stages,
        "kept": {node: list(rows) for node, rows in kept.items()},
        "sums": {node: list(behind) for node, behind in sums.items()},
        "adjusted": {node: own and list(own) for node, own in adjusted.items()},
    }
    total = sum(map(len, stages)) * (2 if steady else 1)
    found: Json = {"fits": []}
    if stages:
        found = _ERRAND.run(
            {"original": original, "reduced": reduced},
            calibration,
            context.store,
            {"task": task, "steady": steady},
            told=lambda done: context.progress(f"repaired {done} of {total} layers"),
        )
    return Repair(edits=_edits(found["fits"]), errors=found.get("errors", {}))


def _edits(fits: Sequence[Mapping[str, Json]]) -> tuple[ReplaceWeight, ...]:
    return tuple(
        ReplaceWeight(
            weight=one["weight"], values=ArrayRef.from_json(one["values"]), bias_of=one["bias_of"]
        )
        for one in fits
    )


def _cut_readers(original: Model, removal: RemoveChannels) -> list[str]:
    """The operators whose inputs are cut, in the graph's order."""
    cut = {(one.weight, one.axis) for one in removal.cuts}
    return [
        node for node, (site, _) in readings(original).items() if (site.weight, site.in_axis) in cut
    ]


def _kept_rows(original: Model, removal: RemoveChannels) -> dict[str, list[int]]:
    """Which outputs are left, of operators that lost some."""
    cuts: dict[tuple[str, int], WeightCut] = {(one.weight, one.axis): one for one in removal.cuts}
    found = {}
    for node, (site, _) in readings(original).items():
        one = cuts.get((site.weight, site.out_axis))
        if one is not None:
            stays = np.ones(site.outputs, bool)
            for start, end in one.removed:
                stays[start:end] = False
            found[node] = np.flatnonzero(stays).tolist()
    return found


def repair_all(
    *,
    original: str,
    reduced: str,
    task: Mapping[str, Any],
    steady: Sequence[str],
    calibration: Mapping[str, Json],
) -> Json:
    """Child entry: fit stage by stage; answers where the new weights are stored.

    Where means may stay, everything is fitted with them and without, and the outputs decide.
    """
    held, folder = Calibration.from_json(calibration), Path(original).parent
    model, asked = open_trusted(Path(reduced)), Task(**task)
    targets = targets_of(open_trusted(Path(original)), asked, held, folder)
    edits, errors = fitted(model, asked, targets, held, folder, again=bool(steady))
    if steady:
        held_still = replace(asked, steady=steady)
        still = fitted(model, held_still, targets, held, folder, done=len(errors))
        judge, store = judged_by(open_trusted(Path(original)), held, folder), held.samples.store
        one, other = (judge.error(perform(model, own, store)) for own in (edits, still[0]))
        if other <= (1 + _NEAR) * one:
            edits, errors = still
    fits: list[dict[str, Json]] = [
        {"weight": one.weight, "values": one.values.to_json(), "bias_of": one.bias_of}
        for one in edits
    ]
    return {"fits": fits, "errors": errors}
