"""Rows of calibration runs, gathered into what they say about operators, in bounded memory.

Every fifth run is held out: fits are not made to it, but chosen by it. Several operators are looked
at in one pass over the samples, as many as fit. Where an operator's square matrix is too large,
rows are kept instead, unless the matrix itself is needed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from lissom.graph.extract import extract
from lissom.graph.model import Model
from lissom.graph.save import spill
from lissom.graph.site import Site
from lissom.measure.calibration import Calibration, fetched, opened
from lissom.methods.reading import Array, Reading, readings, rows
from lissom.methods.row_weights import normalized, read_by, row_weights
from lissom.methods.stages import bias_behind
from lissom.numerics.dual import statistics_for
from lissom.numerics.moments import Moments, Statistics

__all__ = [
    "HELD_OUT",
    "ROWS",
    "Gathering",
    "MomentsPair",
    "Pair",
    "Spool",
    "batches",
    "gathered",
    "gathered_now",
    "is_held_out",
    "runs",
    "split",
    "statistics",
    "too_large",
]

ROWS = 64
"""Rows of one sample at most."""
HELD_OUT = 5
"""Every so many-th run is not fitted to."""
TOGETHER_BYTES = 1 << 28
"""What the statistics of operators that are seen in one pass may take, if there are several."""
ALONE_BYTES = 1 << 28
"""What the square matrices of operators that must be seen together may take; above it, rows are
kept instead."""
SQUARE_BYTES = 1 << 30
"""What the square matrix of an operator may take where no rows can stand for it."""
_BUFFER_ROWS = 2048
_BUFFER_BYTES = 1 << 23

_MOST_ROWS = 8192
"""Rows of an operator over all samples, where its square matrix is needed."""

Pair: TypeAlias = tuple[Statistics, Statistics]
MomentsPair: TypeAlias = tuple[Moments, Moments]
_Kind = TypeVar("_Kind", bound=Statistics)


def is_held_out(number: int) -> bool:
    """Whether a run is not fitted to."""
    return number % HELD_OUT == HELD_OUT - 1


def _share(operators: int) -> int:
    """What each of operators that must be seen together may take for its square matrix."""
    return ALONE_BYTES // max(1, operators)


def too_large(site: Site) -> bool:
    """Whether the square matrix of an operator's inputs takes more than there is room for."""
    inputs = int(np.prod(site.shape)) // max(1, site.outputs)
    return 8 * inputs * inputs > SQUARE_BYTES


def batches(parts: Iterable[Sequence[Site]]) -> Iterator[list[int]]:
    """Numbers of parts that can be looked at in one pass: one at least, else as many as fit.

    Args:
        parts: operators that must be looked at together.
    """
    batch: list[int] = []
    taken = 0
    for number, part in enumerate(parts):
        share = _share(len(part))
        needed = 0
        for site in part:
            inputs = int(np.prod(site.shape)) // max(1, site.outputs)
            square = site.groups * min(8 * inputs * inputs, share)
            needed += 2 * square + 16 * inputs * site.outputs
        if batch and taken + needed > TOGETHER_BYTES:
            yield batch
            batch, taken = [], 0
        batch.append(number)
        taken += needed
    if batch:
        yield batch


def statistics(inputs: int, outputs: int, seed: int, *, together: int = 1) -> Statistics:
    """For an operator of which so many must be seen together: rows if its matrix is too large."""
    return statistics_for(inputs, outputs, _share(together), seed=seed)


class Gathering(Generic[_Kind]):
    """Takes rows of operators run by run."""

    def __init__(self, empty: Callable[[int, int, int], _Kind]) -> None:
        """Prepare.

        Args:
            empty: what takes the rows of an operator, from its inputs, outputs and a seed.
        """
        self._empty = empty
        self._found: dict[str, tuple[_Kind, _Kind]] = {}
        self._buffers: dict[tuple[str, bool], list[tuple[Array, Array, Array]]] = {}

    def add(self, node: str, number: int, x: Array, y: Array, weights: Array | None = None) -> None:
        """Add the rows [rows, inputs] and [rows, outputs] of one operator in one run.

        A run counts as much as any other, however many rows it has: so do its answers.

        Args:
            node: the operator.
            number: of the run.
            x: what it reads.
            y: what it should give.
            weights: how much each row counts, [rows]; None: all the same.
        """
        key = node, is_held_out(number)
        buffer = self._buffers.setdefault(key, [])
        each = np.ones(len(x)) if weights is None else weights
        buffer.append((x, y, each / max(len(x), 1)))
        count = sum(len(some) for some, _, _ in buffer)
        if count >= _BUFFER_ROWS or count * x.shape[1] * x.itemsize >= _BUFFER_BYTES:
            self._flush(key)

    def found(self) -> dict[str, tuple[_Kind, _Kind]]:
        """What was gathered by operator: to fit to, and held out."""
        for key in self._buffers:
            self._flush(key)
        return self._found

    def _flush(self, key: tuple[str, bool]) -> None:
        buffer = self._buffers[key]
        if not buffer:
            return
        x, y, weights = (np.concatenate(parts) for parts in zip(*buffer, strict=True))
        buffer.clear()  # many rows at a time: each call costs
        node, part = key
        if node not in self._found:
            sizes = x.shape[1], y.shape[1]
            self._found[node] = self._empty(*sizes, 0), self._empty(*sizes, 1)
        self._found[node][part].add(x, y, weights)


def gathered(
    model: Model,
    wanted: Sequence[Reading],
    calibration: Calibration,
    folder: Path,
    *,
    together: int = 1,
) -> dict[str, Pair]:
    """What rows say of what operators read and give, by node: to fit to, and held out."""
    behind = normalized(model, wanted)
    values = [value for one in wanted for value in (one.input, one.output)]
    found = Gathering(partial(statistics, together=together))
    for number, given in runs(model, [*values, *read_by(behind)], calibration, folder):
        for one in wanted:
            x, y = rows(one, given[one.input], given[one.output], most=ROWS, seed=number)
            found.add(one.node, number, x, y, row_weights(behind, one, given, ROWS, number))
    return found.found()


def gathered_now(
    original: Model,
    now: Model,
    wanted: Sequence[Reading],
    calibration: Calibration,
    folder: Path,
    *,
    sums: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, list[MomentsPair]]:
    """Moments of what operators read in one model, and should give, by node and group.

    Args:
        original: gives what they should give.
        now: gives what they read; may be the same.
        wanted: the operators.
        calibration: samples to run both on.
        folder: a scratch folder, as for `spill`.
        sums: of operators whose output is added to something: the sum, and what it is added to.
            They should give what the original's sum is, less what they are added to now.
    """
    known = readings(original, grouped=True)
    shifts = {node: bias_behind(original, known[node][0]) for node in sums}
    targets = {one.node: sums[one.node][0] if one.node in sums else one.output for one in wanted}
    inputs = [one.input for one in wanted] + [past for _, past in sums.values()]
    most = max(1, -(-_MOST_ROWS // max(calibration.count, 1)))
    groups = [Gathering(_moments) for _ in range(max((one.groups for one in wanted), default=0))]
    behind = normalized(original, wanted)
    outputs = [*targets.values(), *read_by(behind)]
    both = _both(original, outputs, now, inputs, calibration, folder)
    for number, given, read in both:
        for one in wanted:
            value = read[one.input]
            x, y = rows(one, value, given[targets[one.node]], most=most, seed=number)
            if one.node in sums:
                past = rows(one, value, read[sums[one.node][1]], most=most, seed=number)[1]
                y = y - past - shifts[one.node]
            weights = row_weights(behind, one, {**given, one.input: value}, most, number)
            parts = (np.split(array, one.groups, axis=1) for array in (x, y))
            for group, *own in zip(groups, *parts, strict=False):  # others have more groups
                group.add(one.node, number, *own, weights)
    found = [group.found() for group in groups]
    return {one.node: [each[one.node] for each in found[: one.groups]] for one in wanted}


def _moments(inputs: int, outputs: int, _: int) -> Moments:
    return Moments.empty(inputs, outputs)


def _both(
    original: Model,
    outputs: Sequence[str],
    now: Model,
    inputs: Sequence[str],
    calibration: Calibration,
    folder: Path,
) -> Iterator[tuple[int, dict[str, Array], dict[str, Array]]]:
    """Every run's number, and some values of it in one model and in another, perhaps the same."""
    if now is original:
        for number, given in runs(now, [*inputs, *outputs], calibration, folder):
            yield number, given, given
        return
    first = runs(original, outputs, calibration, folder)
    second = runs(now, inputs, calibration, folder, name="now.onnx")
    for (number, given), (_, read) in zip(first, second, strict=True):
        yield number, given, read


def runs(
    model: Model,
    values: Iterable[str],
    calibration: Calibration,
    folder: Path,
    *,
    name: str = "part.onnx",
) -> Iterator[tuple[int, dict[str, Array]]]:
    """Every calibration run's number, and some values of it.

    Args:
        model: what runs.
        values: of its main graph; computed ones and inputs.
        calibration: samples.
        folder: a scratch folder, as for `spill`.
        name: of the file there, of which several runs at a time need one each.
    """
    wanted = list(dict.fromkeys(values))
    if not wanted:
        return
    inner = [name for name in wanted if name in model.producers]
    if not inner:
        for number, inputs in enumerate(calibration.feeds()):
            yield number, {name: inputs[name] for name in wanted}
        return
    path = folder / name
    spill(extract(model, inner), path)
    with opened(path, calibration) as session:
        for number, inputs in enumerate(calibration.feeds()):
            yield number, fetched(session, inputs, wanted)


class Spool:
    """Rows on disk by operator and run, written in order and read back one by one: float32."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
        self._ends: dict[str, int] = {}

    def _path(self, node: str) -> Path:
        return self._folder / f"rows-{list(self._places).index(node)}"

    def append(self, node: str, values: Array) -> None:
        """Add what one more run gave."""
        places = self._places.setdefault(node, [])
        data = np.ascontiguousarray(values, dtype=np.float32)
        start = self._ends.get(node, 0)
        with self._path(node).open("ab") as stream:
            stream.write(data.tobytes())
        places.append((start, data.shape))
        self._ends[node] = start + data.nbytes

    def read(self, node: str, number: int) -> Array:
        """What a run gave."""
        start, shape = self._places[node][number]
        count = int(np.prod(shape))
        found = np.fromfile(self._path(node), np.float32, count=count, offset=start)
        return found.reshape(shape)

    def find(self, node: str, number: int) -> Array | None:
        """What a run gave; None if nothing was added under that name."""
        return self.read(node, number) if node in self._places else None

    def drop(self, node: str) -> None:
        """Free the disk of what is not read any more, if there is any."""
        if node in self._places:
            self._path(node).unlink()


def split(model: Model, stages: Iterable[Sequence[str]]) -> list[list[str]]:
    """Stages of operators, by node; those that do not fit into memory together, as several."""
    known = readings(model, grouped=True)
    return [
        [stage[number] for number in batch]
        for stage in stages
        for batch in batches([known[node][0]] if node in known else [] for node in stage)
    ]
