"""Which blocks leave: one after another, the one that costs least for what it saves.

A block is bypassed, the next operators behind it are fitted anew on some samples, and the model's
outputs are compared with the original's on others. Once a block has left, what the rest costs is
measured again, the cheapest first, and only as long as one that was measured for an earlier round
could still be cheaper: costs seldom fall when more is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from lissom.graph.blocks import Block, blocks
from lissom.graph.edit import BypassNodes, edit_from_json, edit_to_json
from lissom.graph.extract import extract
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import save
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration, fetched, opened
from lissom.measure.output_error import ENDLESS
from lissom.methods.errand import Errand
from lissom.methods.gathering import HELD_OUT
from lissom.methods.protocol import Context
from lissom.methods.reading import readings
from lissom.methods.refitting import Task, fitted, targets_of
from lissom.methods.stages import last_of_sums, stages_of, sums_of
from lissom.methods.survey import judged_by
from lissom.store.hashing import Json

__all__ = ["Chosen", "choose", "fittable", "followers"]

_FITTED = 64  # samples that the next operators are fitted to before a block is judged
_STAGES = 2  # of them: what reads the block, and what adds to what goes past it
_WEIGHED = 16  # blocks that are judged; the others change what they are given more than these
_COMPARED = 16  # samples that say how much a block changes what it is given
_LOST = 1.0  # an error that the mean of all answers has, too: nothing is left of them
_COMPARE = Errand(entry="lissom.methods.bypassing:compare", kind="pruning.changes", format=2)
_WEIGH = Errand(entry="lissom.methods.bypassing:weigh", kind="pruning.blocks", format=3)

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A block that leaves.

    Attributes:
        block: in the model that the blocks before it have left.
        error: at the outputs after it, as a share of their variance, with the next operators
            fitted anew.
    """

    block: Block
    error: float


def choose(
    model: Model,
    candidates: Sequence[Block],
    most: int,
    saved: float,
    calibration: Calibration,
    context: Context,
) -> list[Chosen]:
    """Let blocks leave until enough is saved, or the next one would leave nothing of the answers.

    Args:
        model: the model.
        candidates: its blocks that may leave.
        most: so many leave at most.
        saved: multiply-accumulates of one run that are to be saved.
        calibration: samples to run models on.
        context: for its store, shapes and progress.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused a model or the samples.
    """
    changes = _changes(model, candidates, calibration, context)
    able = sorted(candidates, key=lambda one: changes[one.weighted] / one.macs)[:_WEIGHED]
    costs: dict[Key, float] = {}
    waiting = {one.weighted for one in able}
    found: list[Chosen] = []
    current = model
    while len(found) < most and sum(one.block.macs for one in found) < saved:
        left = {one.weighted: one for one in blocks(current, context.shapes_of(current))}
        open_now = [block for key, block in left.items() if key in waiting]
        if not open_now:
            break
        errors = _weighed(model, found, open_now, costs, calibration, context)
        now = found[-1].error if found else 0.0
        each = {key: (error - now) / left[key].macs for key, error in errors.items()}
        best = min(each, key=lambda key: (each[key], changes[key] / left[key].macs))
        if errors[best] >= _LOST:
            break
        costs.update(each)
        waiting.remove(best)
        found.append(Chosen(block=left[best], error=errors[best]))
        current = perform(model, [one.block.edit for one in found], context.store)
        context.progress(f"let block {len(found)} go: {left[best].name}")
    return found


def fittable(model: Model, context: Context) -> list[str]:
    """The operators that may be fitted anew."""
    return [node for node in readings(model) if context.scope.refusal(model.node(node)) is None]


def followers(
    model: Model,
    edits: Sequence[BypassNodes],
    allowed: Sequence[str],
    *,
    stages: int | None = None,
) -> list[str]:
    """The operators behind bypasses that are to be fitted, in the graph's order.

    Args:
        model: after the bypasses.
        edits: the bypasses.
        allowed: operators that may be fitted.
        stages: so many behind each at most: a stage holds those that read nothing of each other.
    """
    known = set(readings(model)) & set(allowed)
    found: set[str] = set()
    for edit in edits:
        behind = {_read_now(edit, edits)}
        own: list[str] = []
        for node in model.nodes:
            if not behind.isdisjoint((*node.inputs, *node.captured)):
                behind.update(node.outputs)
                own += [node.name] if node.name in known else []
        for stage in stages_of(model, own)[:stages]:
            found.update(stage)
    return [name for name in model.node_names if name in found]


def _read_now(edit: BypassNodes, edits: Sequence[BypassNodes]) -> str:
    """The value that is read where a bypass was, which others may have replaced in turn."""
    instead = {one.output: one.input for one in edits}
    value = edit.input
    while value in instead:
        value = instead[value]
    return value


def _changes(
    model: Model, candidates: Sequence[Block], calibration: Calibration, context: Context
) -> dict[Key, float]:
    """How far each block's output is from its input, as a share of the output's variance."""
    pairs: Json = [[one.input, one.output] for one in candidates]
    settings = {"pairs": pairs}
    found = _COMPARE.run({"path": model}, calibration, context.store, settings)["changes"]
    return {one.weighted: value for one, value in zip(candidates, found, strict=True)}


def _weighed(
    model: Model,
    gone: Sequence[Chosen],
    able: Sequence[Block],
    costs: Mapping[Key, float],
    calibration: Calibration,
    context: Context,
) -> dict[Key, float]:
    """The error at the outputs after each of the blocks that could be the cheapest."""
    now = gone[-1].error if gone else 0.0
    order = sorted(able, key=lambda one: costs.get(one.weighted, -np.inf))
    wanted: Json = {
        "gone": [edit_to_json(one.block.edit) for one in gone],
        # What each cost in an earlier round, for a multiply-accumulate: None if it was not tried.
        "tried": [
            {
                "edit": edit_to_json(one.edit),
                "macs": one.macs,
                "cost": costs.get(one.weighted),
            }
            for one in order
        ],
        "allowed": fittable(model, context),
        "now": now,
    }
    found = _WEIGH.run(
        {"path": model},
        calibration,
        context.store,
        wanted,
        beside=lambda: {
            "shapes": {n: list(shape) for n, shape in context.shapes_of(model).items()}
        },
        told=lambda done: context.progress(f"weighed {done}"),
    )
    errors = found["errors"]
    return {one.weighted: error for one, error in zip(order, errors, strict=False)}


def compare(*, path: str, pairs: Sequence[Sequence[str]], calibration: Mapping[str, Json]) -> Json:
    """Child entry: the mean squared difference of pairs of values, against the second's variance.

    Answers one number for each pair.
    """
    held = Calibration.from_json(calibration)
    model, folder = open_trusted(Path(path)), Path(path).parent
    values = list(dict.fromkeys(name for pair in pairs for name in pair))
    part = folder / "part.onnx"
    save(extract(model, [name for name in values if name in model.producers]), part, metadata={})
    sums = np.zeros((len(pairs), 4))
    with opened(part, held) as session:
        for inputs in islice(held.feeds(), _COMPARED):
            given = fetched(session, inputs, values)
            for number, (before, after) in enumerate(pairs):
                y = given[after].astype(np.float64)
                with np.errstate(invalid="ignore"):
                    change = given[before] - y
                finite = np.isfinite(change)  # so are both, or the answer would be no number
                y, change = y[finite], change[finite]
                sums[number] += [y.size, y.sum(), (y * y).sum(), (change * change).sum()]
    count, total, squares, changed = sums.T
    count = np.maximum(count, 1.0)
    spread = np.maximum(squares / count - (total / count) ** 2, 1e-30)
    return {"changes": (changed / count / spread).tolist()}


def weigh(
    *,
    path: str,
    calibration: Mapping[str, Json],
    shapes: Mapping[str, Sequence[int]],
    gone: Sequence[Mapping[str, Json]],
    tried: Sequence[Mapping[str, Json]],
    allowed: Sequence[str],
    now: float,
) -> Json:
    """Child entry: bypass blocks one by one; answers the errors of the first that were tried."""
    held = Calibration.from_json(calibration)
    store = held.samples.store
    model, folder = open_trusted(Path(path)), Path(path).parent
    sizes = {name: tuple(shape) for name, shape in shapes.items()}
    judge, fitting = judged_by(model, held, folder), _fitting(held)
    before = [edit_from_json(one) for one in gone]
    errors: list[float] = []
    cheapest = np.inf
    for number, one in enumerate(tried):
        if one["cost"] is not None and cheapest <= one["cost"]:
            break
        every = (*before, edit_from_json(one["edit"]))
        edits = [edit for edit in every if isinstance(edit, BypassNodes)]
        reduced = perform(model, edits, store)
        nodes = followers(reduced, edits, allowed, stages=_STAGES)
        sums = last_of_sums(sums_of(model, reduced, nodes, sizes))
        stages = stages_of(reduced, nodes, sums)
        task = Task(stages=stages, sums=sums)
        targets = targets_of(model, task, fitting, folder)
        fits = fitted(reduced, task, targets, fitting, folder)[0]
        errors.append(min(ENDLESS, judge.error(perform(reduced, fits, store))))
        cheapest = min(cheapest, (errors[-1] - now) / one["macs"])
        report(f"{number + 1} of {len(tried)} blocks")
    return {"errors": errors}


def _fitting(held: Calibration) -> Calibration:
    """Samples to fit to: those that the outputs are not judged by."""
    indices = [
        index for number, index in enumerate(held.part.indices) if number % HELD_OUT != HELD_OUT - 1
    ][:_FITTED]
    part = replace(held.part, indices=tuple(indices))
    return replace(held, part=part, limit=len(indices))
