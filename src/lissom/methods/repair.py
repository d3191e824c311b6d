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
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lissom.graph.cutting import WeightCut
from lissom.graph.edit import Edit, RemoveChannels, ReplaceWeight
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import spill
from lissom.graph.site import Site
from lissom.isolate.child import ChildLimits, call, report
from lissom.measure.calibration import Calibration
from lissom.methods.gathering import ROWS, Gathering, Pair, Spool, runs, split, statistics
from lissom.methods.protocol import Context
from lissom.methods.reading import Reading, flat, readings, replaced, rows
from lissom.methods.stages import bias_behind, stages_of, sums_of
from lissom.methods.statistics import (
    adjust,
    adjustables,
    keep_targets,
    kept_channels,
    touched,
)
from lissom.numerics.moments import fit
from lissom.store.hashing import Json
from lissom.store.refs import ArrayRef
from lissom.store.store import Store

__all__ = ["Repair", "fitted", "refit", "repair"]

_LIMITS = ChildLimits(seconds=3600.0)
_KIND = "pruning.repair"
_FORMAT = 6


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
    store = context.store
    stages = split(reduced, stages_of(reduced, [*nodes, *adjusted]))
    inputs: Json = {
        "format": _FORMAT,
        "original": original.fingerprint,
        "reduced": reduced.fingerprint,
        "nodes": list(nodes),
        "calibration": calibration.identity(),
    }

    def compute() -> Json:
        with store.scratch() as folder:
            paths = [(folder / f"{name}.onnx").resolve() for name in ("original", "reduced")]
            for model, path in zip((original, reduced), paths, strict=True):
                spill(model, path)
            arguments = {
                "original": str(paths[0]),
                "reduced": str(paths[1]),
                "stages": stages,
                "kept": {node: list(rows) for node, rows in kept.items()},
                "sums": sums_of(original, reduced, nodes, context.shapes_of(original)),
                "adjusted": {node: own and list(own) for node, own in adjusted.items()},
                "calibration": calibration.to_json(),
            }
            total = sum(map(len, stages))
            return call(
                "lissom.methods.repair:repair_all",
                arguments,
                limits=_LIMITS,
                on_report=lambda done: context.progress(f"repaired {done} of {total} layers"),
            )

    found = store.remember(_KIND, inputs, compute) if stages else {"fits": []}
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
    stages: Sequence[Sequence[str]],
    kept: Mapping[str, Sequence[int]],
    sums: Mapping[str, Sequence[str]],
    adjusted: Mapping[str, Sequence[int] | None],
    calibration: Mapping[str, Json],
) -> Json:
    """Child entry: fit stage by stage; answers where the new weights are stored."""
    held = Calibration.from_json(calibration)
    edits, errors = fitted(
        open_trusted(Path(original)),
        open_trusted(Path(reduced)),
        stages,
        sums,
        held,
        Path(original).parent,
        kept=kept,
        adjusted=adjusted,
    )
    fits: list[dict[str, Json]] = [
        {"weight": one.weight, "values": one.values.to_json(), "bias_of": one.bias_of}
        for one in edits
    ]
    return {"fits": fits, "errors": errors}


def fitted(
    original: Model,
    reduced: Model,
    stages: Sequence[Sequence[str]],
    sums: Mapping[str, Sequence[str]],
    held: Calibration,
    folder: Path,
    *,
    kept: Mapping[str, Sequence[int]] = MappingProxyType({}),
    adjusted: Mapping[str, Sequence[int] | None] = MappingProxyType({}),
) -> tuple[list[ReplaceWeight], dict[str, float]]:
    """Fit stage by stage in this process; answers the edits, and what is left of each error.

    Args:
        original: the model whose outputs are the target.
        reduced: the model to fit.
        stages: its operators, as `stages_of` orders them.
        sums: as `sums_of` answers.
        held: samples to run both on.
        folder: for files of now.
        kept: which outputs are left, of operators that lost some.
        adjusted: operators that are scaled and shifted instead, with the channels left of each.
    """
    model, store = reduced, held.samples.store
    known = readings(original)
    wanted = [known[node][1] for stage in stages for node in stage if node not in adjusted]
    given_by = {n: each[0] for n, each in sums.items()}
    targets = _targets(original, wanted, given_by, kept, held, folder)
    others = {n: (one, adjusted[n]) for n, one in adjustables(original).items() if n in adjusted}
    keep_targets(original, others, targets, held, folder)
    del original, known  # as large as a model
    every: list[ReplaceWeight] = []
    errors: dict[str, float] = {}
    for stage in stages:
        now, linear = readings(model), [node for node in stage if node not in adjusted]
        past = {node: sums[node][1] for node in linear if node in sums}
        moments = _moments(model, [now[node][1] for node in linear], past, targets, held, folder)
        edits: list[ReplaceWeight] = []
        for node in linear:
            own, errors[node] = _refitted(model, now[node][0], moments.pop(node), store)
            edits += own
        set_right = [node for node in stage if node in adjusted]
        more, left = adjust(model, set_right, targets, held, folder)
        for node in stage:
            targets.drop(node)
        errors |= left
        edits += more
        model = perform(model, edits, store)
        every += edits
        report(len(errors))
    return every, errors


def _refitted(
    model: Model, site: Site, moments: Pair, store: Store
) -> tuple[list[ReplaceWeight], float]:
    """The weight and bias of one operator, and what is left of its error."""
    fitting, held_out = moments
    found = fit(fitting, flat(model, site), held_out if held_out.rows else None)
    every = fitting.joined(held_out)
    error = every.error(found.weight, found.bias) / (every.variance or 1.0)
    return replaced(model, site, found.weight, found.bias, store), error


def _targets(
    model: Model,
    wanted: Sequence[Reading],
    sums: Mapping[str, str],
    kept: Mapping[str, Sequence[int]],
    calibration: Calibration,
    folder: Path,
) -> Spool:
    """What the original's operators, or the sums behind them, give: the rows of each run."""
    given_by = {one.node: sums.get(one.node, one.output) for one in wanted}
    values = list(dict.fromkeys([one.input for one in wanted] + list(given_by.values())))
    found = Spool(folder)
    for number, given in runs(model, values, calibration, folder):
        for one in wanted:
            y = given[given_by[one.node]]
            taken = rows(one, given[one.input], y, most=ROWS, seed=number)[1]
            own = kept.get(one.node)
            found.append(one.node, taken if own is None else taken[:, own])
    return found


def _moments(
    model: Model,
    wanted: Sequence[Reading],
    past: Mapping[str, str],
    targets: Spool,
    calibration: Calibration,
    folder: Path,
) -> dict[str, Pair]:
    """Of what the reduced network's operators read, against the targets: to fit, and held out.

    Args:
        model: the reduced network as it is now.
        wanted: the operators.
        past: the value that each one's output is added to, of those with a sum behind them.
        targets: what to fit to.
        calibration: samples.
        folder: for files of now.
    """
    values = list(dict.fromkeys([one.input for one in wanted] + list(past.values())))
    known = readings(model)
    shifts = {node: bias_behind(model, known[node][0]) for node in past}
    found = Gathering(statistics)
    for number, given in runs(model, values, calibration, folder):
        for one in wanted:
            y = targets.read(one.node, number)
            around = given[past[one.node]] if one.node in past else None
            x, *beside = rows(one, given[one.input], around, most=ROWS, seed=number)
            if beside:
                y = y - beside[0] - shifts[one.node]
            found.add(one.node, number, x, y)
    return found.found()
