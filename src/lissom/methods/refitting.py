"""Operators fitted stage by stage, in this process: what repair does inside its child.

How the rows are weighted, `lissom.methods.row_weights` says. Where a normalization follows, means
are another matter: fitting them too puts back what is the same in all positions, and what came of
it on a text encoder was no nearer to the original and found fewer partners. So means can be held as
they are (`Task.steady`); which is better, repair decides at the model's outputs.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from lissom.graph.edit import ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.site import Site
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration
from lissom.methods.gathering import ROWS, Gathering, Pair, statistics
from lissom.methods.naming import naming
from lissom.methods.passes import Passes, Spool, runs
from lissom.methods.reading import Reading, flat, readings, replaced, rows
from lissom.methods.row_weights import normalized, read_by, row_weights
from lissom.methods.stages import bias_behind
from lissom.methods.statistics import Runs, adjust, adjustables, keep_targets
from lissom.numerics.moments import fit
from lissom.store.store import Store

__all__ = ["Task", "fitted", "targets_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is fitted, and to what.

    Attributes:
        stages: the operators, as `stages_of` orders them.
        sums: as `sums_of` answers.
        kept: which outputs are left, of operators that lost some.
        adjusted: operators that are scaled and shifted instead, with the channels left of each.
        steady: operators of which only what varies is fitted: the mean of what they give stays.
    """

    stages: Sequence[Sequence[str]]
    sums: Mapping[str, Sequence[str]]
    kept: Mapping[str, Sequence[int]] = field(default_factory=dict)
    adjusted: Mapping[str, Sequence[int] | None] = field(default_factory=dict)
    steady: Collection[str] = ()


def targets_of(original: Model, task: Task, held: Calibration, folder: Path) -> Spool:
    """What the original's operators, or the sums behind them, give: the rows of each run.

    Beside it, how much each row counts, where that differs.

    Args:
        original: the model whose outputs are the target.
        task: the operators that will be fitted.
        held: samples to run it on.
        folder: for files of now.
    """
    known, adjusted = readings(original), task.adjusted
    wanted = [known[node][1] for stage in task.stages for node in stage if node not in adjusted]
    given_by = {
        one.node: task.sums[one.node][0] if one.node in task.sums else one.output for one in wanted
    }
    behind = normalized(original, wanted)
    values = [*(one.input for one in wanted), *given_by.values(), *read_by(behind)]
    found = Spool(folder)
    for number, given in runs(original, values, held, folder):
        for one in wanted:
            weights = row_weights(behind, one, given, ROWS, number)
            if weights is not None:
                found.append(_weights_of(one.node), weights.astype(np.float32))
            y = given[given_by[one.node]]
            taken = rows(one, given[one.input], y, most=ROWS, seed=number)[1]
            taken, own = taken.astype(np.float32), task.kept.get(one.node)
            found.append(one.node, taken if own is None else taken[:, own])
    others = {n: (one, adjusted[n]) for n, one in adjustables(original).items() if n in adjusted}
    keep_targets(original, others, found, held, folder)
    return found


def fitted(
    reduced: Model,
    task: Task,
    targets: Spool,
    held: Calibration,
    folder: Path,
    *,
    done: int = 0,
    again: bool = False,
) -> tuple[list[ReplaceWeight], dict[str, float]]:
    """Fit stage by stage; answers the edits, and what is left of each error.

    Args:
        reduced: the model to fit.
        task: its operators.
        targets: as `targets_of` answers.
        held: samples to run it on.
        folder: for files of now.
        done: operators fitted before, which progress counts too.
        again: whether the targets are needed once more.
    """
    model, store, adjusted = reduced, held.samples.store, task.adjusted
    every: list[ReplaceWeight] = []
    errors: dict[str, float] = {}
    passes = Passes(held, folder, "now")
    for number, stage in enumerate(task.stages):
        now, linear = readings(model), [node for node in stage if node not in adjusted]
        past = {node: task.sums[node][1] for node in linear if node in task.sums}
        passing = partial(
            passes.runs,
            model,
            later=_values(model, task, task.stages[number:]),
            changing=set(chain.from_iterable(task.stages[number:])),
        )
        moments = _moments(model, [now[node][1] for node in linear], past, targets, passing)
        edits: list[ReplaceWeight] = []
        for node in linear:
            steady = node in task.steady
            pair = moments.pop(node, None)
            if pair is None:
                continue  # no row of it is finite: it stays as it is
            with naming(node):
                own, errors[node] = _refitted(model, now[node][0], pair, store, steady=steady)
            edits += own
        set_right = [node for node in stage if node in adjusted]
        more, left = adjust(model, set_right, targets, passing, store)
        for node in () if again else stage:
            targets.drop(node)
            targets.drop(_weights_of(node))
        errors |= left
        edits += more
        model = perform(model, edits, store)
        every += edits
        report(done + len(errors))
    return every, errors


def _refitted(
    model: Model, site: Site, moments: Pair, store: Store, *, steady: bool
) -> tuple[list[ReplaceWeight], float]:
    """The weight and bias of one operator, and what is left of its error."""
    fitting, held_out = moments
    start = flat(model, site)
    found = fit(fitting, start, held_out if held_out.rows else None)
    every = fitting.joined(held_out)
    bias = (start - found.weight) @ every.mean if steady else found.bias
    error = every.error(found.weight, bias) / (every.variance or 1.0)
    return replaced(model, site, found.weight, bias, store), error


def _moments(
    model: Model,
    wanted: Sequence[Reading],
    past: Mapping[str, str],
    targets: Spool,
    passing: Runs,
) -> dict[str, Pair]:
    """Of what the reduced network's operators read, against the targets: to fit, and held out.

    Args:
        model: the reduced network as it is now.
        wanted: the operators.
        past: the value that each one's output is added to, of those with a sum behind them.
        targets: what to fit to.
        passing: gives values of every run.
    """
    values = [*(one.input for one in wanted), *past.values()]
    known = readings(model)
    shifts = {node: bias_behind(model, known[node][0]) for node in past}
    found = Gathering(statistics)
    for number, given in passing(values):
        for one in wanted:
            y = targets.read(one.node, number)
            around = given[past[one.node]] if one.node in past else None
            x, *beside = rows(one, given[one.input], around, most=ROWS, seed=number)
            if beside:
                with np.errstate(invalid="ignore"):  # infinity less infinity is left out
                    y = y - beside[0] - shifts[one.node]
            found.add(one.node, number, x, y, targets.find(_weights_of(one.node), number))
    return found.found()


def _values(model: Model, task: Task, stages: Sequence[Sequence[str]]) -> set[str]:
    """What is looked at in some stages, by the names that it has now."""
    known, others = readings(model), adjustables(model)
    found = set[str]()
    for node in chain.from_iterable(stages):
        if node in task.adjusted:
            found.update({others[node].output} if node in others else ())
            continue
        found.add(known[node][1].input)
        found.update({task.sums[node][1]} if node in task.sums else ())
    return found


def _weights_of(node: str) -> str:
    """The name under which it is kept how much rows count."""
    return f"{node}: weights"
