"""Rows of calibration runs, gathered into what they say about operators, in bounded memory.

Every fifth run is held out: fits are not made to it, but chosen by it. Where an operator's square
matrix is too large, rows are kept instead. Several operators are looked at in one pass over the
samples, as many as fit.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lissom.graph.extract import extract
from lissom.graph.model import Model
from lissom.graph.save import spill
from lissom.graph.site import Site
from lissom.measure.calibration import Calibration, fetched, opened
from lissom.methods.reading import Array, Reading, readings, rows
from lissom.numerics.dual import statistics_for
from lissom.numerics.moments import Statistics

__all__ = [
    "HELD_OUT",
    "ROWS",
    "Gathering",
    "Pair",
    "Spool",
    "batches",
    "gathered",
    "is_held_out",
    "runs",
    "split",
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
_BUFFER_ROWS = 2048
_BUFFER_BYTES = 1 << 23

Pair: TypeAlias = tuple[Statistics, Statistics]


def is_held_out(number: int) -> bool:
    """Whether a run is not fitted to."""
    return number % HELD_OUT == HELD_OUT - 1


def _share(operators: int) -> int:
    """What each of operators that must be seen together may take for its square matrix."""
    return ALONE_BYTES // max(1, operators)


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
            needed += 2 * min(8 * inputs * inputs, share) + 16 * inputs * site.outputs
        if batch and taken + needed > TOGETHER_BYTES:
            yield batch
            batch, taken = [], 0
        batch.append(number)
        taken += needed
    if batch:
        yield batch


class Gathering:
    """Takes rows of operators run by run."""

    def __init__(self, together: int = 1) -> None:
        """Of operators of which so many must be seen together, and others only if they fit."""
        self._most_bytes = _share(together)
        self._found: dict[str, Pair] = {}
        self._buffers: dict[tuple[str, bool], list[tuple[Array, Array]]] = {}

    def add(self, node: str, number: int, x: Array, y: Array) -> None:
        """Add the rows [rows, inputs] and [rows, outputs] of one operator in one run."""
        key = node, is_held_out(number)
        buffer = self._buffers.setdefault(key, [])
        buffer.append((x, y))
        count = sum(len(each) for each, _ in buffer)
        if count >= _BUFFER_ROWS or count * x.shape[1] * x.itemsize >= _BUFFER_BYTES:
            self._flush(key)

    def found(self) -> dict[str, Pair]:
        """What was gathered by operator: to fit to, and held out."""
        for key in self._buffers:
            self._flush(key)
        return self._found

    def _flush(self, key: tuple[str, bool]) -> None:
        buffer = self._buffers[key]
        if not buffer:
            return
        x, y = (np.concatenate(parts) for parts in zip(*buffer, strict=True))
        buffer.clear()  # many rows at a time: each call costs
        node, part = key
        if node not in self._found:
            sizes = x.shape[1], y.shape[1], self._most_bytes
            self._found[node] = statistics_for(*sizes, seed=0), statistics_for(*sizes, seed=1)
        self._found[node][part].add(x, y)


def gathered(
    model: Model,
    wanted: Sequence[Reading],
    calibration: Calibration,
    folder: Path,
    *,
    together: int = 1,
) -> dict[str, Pair]:
    """What rows say of what operators read and give, by node: to fit to, and held out."""
    values = [value for one in wanted for value in (one.input, one.output)]
    found = Gathering(together)
    for number, given in runs(model, values, calibration, folder):
        for one in wanted:
            x, y = rows(one, given[one.input], given[one.output], most=ROWS, seed=number)
            found.add(one.node, number, x, y)
    return found.found()


def runs(
    model: Model, values: Iterable[str], calibration: Calibration, folder: Path
) -> Iterator[tuple[int, dict[str, Array]]]:
    """Every calibration run's number, and some values of it.

    Args:
        model: what runs.
        values: of its main graph; computed ones and inputs.
        calibration: samples.
        folder: a scratch folder, as for `spill`.
    """
    wanted = list(dict.fromkeys(values))
    if not wanted:
        return
    inner = [name for name in wanted if name in model.producers]
    if not inner:
        for number, inputs in enumerate(calibration.feeds()):
            yield number, {name: inputs[name] for name in wanted}
        return
    path = folder / "part.onnx"
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

    def drop(self, node: str) -> None:
        """Free the disk of what is not read any more."""
        self._path(node).unlink()


def split(model: Model, stages: Iterable[Sequence[str]]) -> list[list[str]]:
    """Stages of operators, by node; those that do not fit into memory together, as several."""
    known = readings(model)
    return [
        [stage[number] for number in batch]
        for stage in stages
        for batch in batches([known[node][0]] if node in known else [] for node in stage)
    ]
