"""Inputs scaled so that those which matter most are rounded finest; runs in a child process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lissom.graph.edit import Edit, ReplaceWeight, edit_from_json, edit_to_json
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.site import Site
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration
from lissom.methods.errand import Errand
from lissom.methods.folding import divided, folds
from lissom.methods.gathering import Between, split
from lissom.methods.naming import naming
from lissom.methods.protocol import Context
from lissom.methods.reading import Array, Reading, flat, readings
from lissom.methods.reconstruction import seen_by
from lissom.numerics.awq import input_factors
from lissom.numerics.grids import Shape
from lissom.numerics.moments import Moments
from lissom.store.hashing import Json

__all__ = ["scaled"]

_ERRAND = Errand(entry="lissom.methods.input_scaling:scale_all", kind="quantize.scaling", format=5)


def scaled(
    model: Model, nodes: Sequence[str], shape: Shape, context: Context, seen: Calibration
) -> tuple[Edit, ...]:
    """Edits after which the model computes the same, from inputs that are easier to round for.

    Args:
        model: the model.
        nodes: the operators that may be touched.
        shape: of the grids; blocks are for matrices only.
        context: its store, progress and scope: what holds a bias or a scale must be inside, too.
        seen: samples to run it on.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    known = _known(model, nodes)
    values = [
        fold.value
        for fold in folds(model, known)
        if not any(context.scope.refusal(model.node(node)) for node in fold.nodes)
    ]
    if not values:
        return ()
    grid = {"bits": shape.bits, "block_size": shape.block_size, "symmetric": shape.symmetric}
    found = _ERRAND.run(
        {"path": model},
        seen,
        context.store,
        {"nodes": list(nodes), "values": values, "grid": grid},
        told=lambda done: context.progress(f"scaled {done} values"),
    )
    return tuple(edit_from_json(one) for one in found["edits"])


def scale_all(
    *,
    path: str,
    nodes: Sequence[str],
    values: Sequence[str],
    grid: Mapping[str, Json],
    calibration: Mapping[str, Json],
) -> Json:
    """Child entry: value by value; answers edits, the last one of each weight."""
    seen = Calibration.from_json(calibration)
    original = model = open_trusted(Path(path))
    store, shape = seen.samples.store, Shape(**grid)
    known = _known(model, nodes)
    found = {fold.value: fold for fold in folds(model, known) if fold.value in values}
    stages = [[node for fold in found.values() for node in fold.readers]]
    moments: dict[str, Moments] = {}
    last: dict[str, ReplaceWeight] = {}
    done = 0
    batches = split(original, stages)
    between = Between(original, batches, seen, Path(path).parent)
    for number in range(len(batches)):
        for node, (pair, *_) in between.moments(number, original).items():
            # Where no bias takes the mean, the layer is rounded for moments about zero.
            moments[node] = seen_by(original, known[node][0], pair, changed=False).every
        whole = [v for v, fold in found.items() if moments.keys() >= set(fold.readers)]
        for value in whole:
            fold = found.pop(value)
            with naming(*fold.readers):
                own = {node: moments.pop(node) for node in fold.readers}
                factors = _factors(model, {node: known[node][0] for node in own}, own, shape)
                edits = list(divided(model, fold, factors, known, store))
            model = perform(model, edits, store)
            last |= {edit.weight: edit for edit in edits}
            done += 1
            report(done)
    return {"edits": [edit_to_json(one) for one in last.values()]}


def _factors(
    model: Model, sites: Mapping[str, Site], moments: Mapping[str, Moments], shape: Shape
) -> Array:
    """What is best to divide a value's channels by, from what each of its readers reads."""
    weights = {node: flat(model, site) for node, site in sites.items()}
    first, site = next(iter(sites.items()))
    channels = site.shape[site.in_axis]
    square = np.diag(moments[first].xx).reshape(channels, -1).mean(axis=1)
    plain = Shape(bits=shape.bits, symmetric=shape.symmetric)  # only matrices have blocks
    return input_factors(
        np.sqrt(square / (moments[first].rows or 1.0)),
        [(weights[node], moments[node].covariance) for node in sites],
        [shape if len(site.shape) == 2 else plain for site in sites.values()],
        repeat=weights[first].shape[1] // channels,
    )


def _known(model: Model, nodes: Sequence[str]) -> dict[str, tuple[Site, Reading]]:
    """Some operators as linear maps."""
    wanted = set(nodes)
    every = readings(model, grouped=True)
    return {node: one for node, one in every.items() if node in wanted}
