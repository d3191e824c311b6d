"""Rows of calibration runs, gathered into what they say about operators, in bounded memory.

Every fifth run is held out: fits are not made to it, but chosen by it. Several operators are looked
at in one pass over the samples, as many as fit. Where an operator's square matrix is too large,
rows are kept instead, unless the matrix itself is needed. Rows with NaN or infinity are left out:
nothing can be fitted to them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from lissom.graph.model import Model
from lissom.graph.site import Site
from lissom.measure.calibration import Calibration
from lissom.methods.passes import Passes
from lissom.methods.reading import Array, Reading, readings, rows
from lissom.methods.row_weights import normalized, read_by, row_weights
from lissom.methods.stages import bias_behind
from lissom.numerics.dual import statistics_for
from lissom.numerics.moments import Moments, Statistics

__all__ = [
    "HELD_OUT",
    "ROWS",
    "TOO_LARGE",
    "Between",
    "Gathering",
    "MomentsPair",
    "Pair",
    "batches",
    "gathered",
    "is_held_out",
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
TOO_LARGE = "what its inputs say of each other takes more memory than there is for it"
"""Why nothing is gathered of an operator whose square matrix is too large."""
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
        self._odd: set[str] = set()
        self._buffers: dict[tuple[str, bool], list[tuple[Array, Array, Array]]] = {}

    def add(self, node: str, number: int, x: Array, y: Array, weights: Array | None = None) -> None:
        """Add the rows [rows, inputs] and [rows, outputs] of one operator in one run.

        A run counts as much as any other, however many rows it has: so do its answers. Rows that
        are not finite are left out.

        Args:
            node: the operator.
            number: of the run.
            x: what it reads.
            y: what it should give.
            weights: how much each row counts, [rows]; None: all the same.
        """
        key = node, is_held_out(number)
        each = np.ones(len(x)) if weights is None else weights
        finite = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1) & np.isfinite(each)
        if not finite.all():
            self._odd.add(node)
            x, y, each = x[finite], y[finite], each[finite]
            if not len(x):
                return
        buffer = self._buffers.setdefault(key, [])
        buffer.append((x, y, each / max(len(x), 1)))
        count = sum(len(some) for some, _, _ in buffer)
        if count >= _BUFFER_ROWS or count * x.shape[1] * x.itemsize >= _BUFFER_BYTES:
            self._flush(key)

    def found(self) -> dict[str, tuple[_Kind, _Kind]]:
        """What was gathered by operator: to fit to, and held out.

        Operators of which no row to fit to is finite are missing.
        """
        for key in self._buffers:
            self._flush(key)
        return {
            node: pair
            for node, pair in self._found.items()
            if pair[0].rows or node not in self._odd
        }

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
    parts: Sequence[Sequence[Reading]],
    calibration: Calibration,
    folder: Path,
    *,
    together: Sequence[int] = (),
) -> Iterator[dict[str, Pair]]:
    """What rows say of what operators read and give, by node: to fit to, and held out.

    Operators of which no row to fit to is finite are missing.

    Args:
        model: the network.
        parts: operators that are looked at in one pass over the samples, each after the other.
        calibration: samples.
        folder: a scratch folder, as for `spill`.
        together: for each part, how many operators must be seen at once; one unless told.
    """
    passes = Passes(calibration, folder)
    behind = [normalized(model, wanted) for wanted in parts]
    values = [
        [*(value for one in wanted for value in (one.input, one.output)), *read_by(norms)]
        for wanted, norms in zip(parts, behind, strict=True)
    ]
    for part, wanted in enumerate(parts):
        found = Gathering(partial(statistics, together=together[part] if together else 1))
        later = set(chain.from_iterable(values[part + 1 :]))
        for number, given in passes.runs(model, values[part], later):
            for one in wanted:
                x, y = rows(one, given[one.input], given[one.output], most=ROWS, seed=number)
                weights = row_weights(behind[part], one, given, ROWS, number)
                found.add(one.node, number, x, y, weights)
        yield found.found()


class Between:
    """Moments of what operators read in a network, and should give as they do in the original.

    The network may be the original itself, or one that comes of it, operator by operator.
    """

    def __init__(
        self,
        original: Model,
        parts: Sequence[Sequence[str]],
        calibration: Calibration,
        folder: Path,
        *,
        sums: Mapping[str, Sequence[str]] = MappingProxyType({}),
        changes: bool = False,
    ) -> None:
        """Prepare.

        Args:
            original: gives what operators should give.
            parts: the operators of each pass, which may be others behind it. Of those whose square
                matrix is too large nothing is gathered.
            calibration: samples to run both on.
            folder: a scratch folder, as for `spill`.
            sums: of operators whose output is added to something: the sum, and what it is added
                to. They should give what the original's sum is, less what they are added to now.
            changes: whether the network differs from the original.
        """
        self._original, self._parts, self._sums = original, parts, sums
        known = readings(original, grouped=True)
        self._sites = {node: known[node][0] for part in parts for node in part}
        self._wanted = [
            [known[node][1] for node in part if not too_large(known[node][0])] for part in parts
        ]
        self._most = max(1, -(-_MOST_ROWS // max(calibration.count, 1)))
        self._given = Passes(calibration, folder)
        self._read = Passes(calibration, folder, "now") if changes else self._given
        self._behind = [normalized(original, wanted) for wanted in self._wanted]

    def moments(self, part: int, now: Model) -> dict[str, list[MomentsPair]]:
        """Moments by node and group: to fit to, and held out; parts must come in their order.

        Operators with a group of which no row to fit to is finite are missing.

        Args:
            part: its number.
            now: the network that gives what operators read.
        """
        wanted, sums = self._wanted[part], self._sums
        shifts = {
            one.node: bias_behind(self._original, self._sites[one.node])
            for one in wanted
            if one.node in sums
        }
        most = max((one.groups for one in wanted), default=0)
        groups = [Gathering(_moments) for _ in range(most)]
        for number, given, read in self._runs(part, now):
            for one in wanted:
                value = read[one.input]
                x, y = self._rows(one, value, given[self._target(one)], number)
                if one.node in sums:
                    past = self._rows(one, value, read[sums[one.node][1]], number)[1]
                    with np.errstate(invalid="ignore"):  # infinity less infinity is left out
                        y = y - past - shifts[one.node]
                every = {**given, one.input: value}
                weights = row_weights(self._behind[part], one, every, self._most, number)
                pieces = (np.split(array, one.groups, axis=1) for array in (x, y))
                for group, *own in zip(groups, *pieces, strict=False):  # others have more groups
                    group.add(one.node, number, *own, weights)
        found = [group.found() for group in groups]
        return {
            one.node: [each[one.node] for each in found[: one.groups]]
            for one in wanted
            if all(one.node in each for each in found[: one.groups])
        }

    def _rows(self, one: Reading, x: Array, y: Array, number: int) -> list[Array]:
        return rows(one, x, y, most=self._most, seed=number)

    def _target(self, one: Reading) -> str:
        return self._sums[one.node][0] if one.node in self._sums else one.output

    def _inputs(self, part: int) -> list[str]:
        wanted = self._wanted[part]
        return [
            *(one.input for one in wanted),
            *(self._sums[one.node][1] for one in wanted if one.node in self._sums),
        ]

    def _outputs(self, part: int) -> list[str]:
        return [*map(self._target, self._wanted[part]), *read_by(self._behind[part])]

    def _runs(
        self, part: int, now: Model
    ) -> Iterator[tuple[int, Mapping[str, Array], Mapping[str, Array]]]:
        """Every run's number, and some values of it in one network and in the other."""
        rest = range(part + 1, len(self._parts))
        inputs, outputs = self._inputs(part), self._outputs(part)
        late_in = set(chain.from_iterable(map(self._inputs, rest)))
        late_out = set(chain.from_iterable(map(self._outputs, rest)))
        if self._read is self._given:
            late = late_in | late_out
            for number, given in self._given.runs(now, [*inputs, *outputs], late):
                yield number, given, given
            return
        changing = set(chain.from_iterable(self._parts[part:]))
        first = self._given.runs(self._original, outputs, late_out)
        second = self._read.runs(now, inputs, late_in, changing)
        for (number, given), (_, read) in zip(first, second, strict=True):
            yield number, given, read


def _moments(inputs: int, outputs: int, _: int) -> Moments:
    return Moments.empty(inputs, outputs)


def split(model: Model, stages: Iterable[Sequence[str]]) -> list[list[str]]:
    """Stages of operators, by node; those that do not fit into memory together, as several."""
    known = readings(model, grouped=True)
    return [
        [stage[number] for number in batch]
        for stage in stages
        for batch in batches([known[node][0]] if node in known else [] for node in stage)
    ]
