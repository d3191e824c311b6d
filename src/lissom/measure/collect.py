"""What is kept of a model's answers: small arrays, gathered feed by feed.

A sample costs a few kilobytes however large its outputs are: of distributions the likely classes,
of large maps and vectors of values a fixed random set of positions.
"""

import zlib
from typing import Any

import numpy as np

from lissom.errors import MeasurementError
from lissom.measure.answers import Outlook
from lissom.measure.fitting import Array
from lissom.numerics.sketch import sketch

__all__ = ["Collector", "positions"]

_POSITIONS = 256  # of a map: sampling error is that of the samples long before
_VALUES = 1024


def positions(count: int, limit: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """At most `limit` of `count` positions, sorted; always the same ones."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(count).choice(count, limit, replace=False))


class Collector:
    """Gathers the answers of one output.

    `take` gets the output of each run, samples on the first axis. `arrays` then holds for every
    sample its `lengths` (how many entries it has in the others) and `bad` (its answer is not
    finite), and by kind: `index`, `logp`, `rest`, `classes` of distributions (see `Sketch`);
    `vectors` of embeddings; `values` of the rest.
    """

    def __init__(self, outlook: Outlook, *, keep: int) -> None:
        """Prepare for an output.

        Args:
            outlook: what the output is.
            keep: how many classes of each distribution are kept.
        """
        self.outlook = outlook
        self._keep = keep
        self._parts: dict[str, list[Array]] = {}
        self._classes = 0

    def take(self, rows: Array, told: Array | None = None) -> int:
        """Add the output of one run; answers how many samples it has.

        Args:
            rows: samples on the first axis.
            told: the steps of a sequence that are no padding, [samples, steps]; all by default.
        """
        kind = self.outlook.kind
        if rows.dtype.kind == "f":
            rows = rows.astype(np.float32, copy=False)
            flat = rows.reshape(len(rows), -1)
            # The largest is NaN where any is.
            bad: Array = ~(flat.max(axis=1, initial=-np.inf) < np.inf)
            if bad.any():
                rows = np.where(bad.reshape(-1, *[1] * (rows.ndim - 1)), np.float32(0), rows)
        else:
            bad = np.zeros(len(rows), dtype=bool)
        self._add("bad", bad.astype(np.uint8))
        if kind == "embedding":
            self._add("vectors", rows.reshape(len(rows), -1).astype(np.float32))
            self._add("lengths", np.ones(len(rows), np.int32))
        elif kind in ("regression", "identifiers"):
            self._values(rows)
        else:
            self._distributions(rows, told)
        return len(rows)

    def arrays(self) -> dict[str, Array]:
        """All that was gathered.

        Raises:
            MeasurementError: nothing was, or vectors of several lengths.
        """
        if not self._parts:
            raise MeasurementError(f"output {self.outlook.output!r} gave no answers")
        try:
            found = {name: np.concatenate(parts) for name, parts in self._parts.items()}
        except ValueError as error:
            raise MeasurementError(
                f"output {self.outlook.output!r} changes its width from sample to sample; "
                f"it cannot be judged as {self.outlook.kind}"
            ) from error
        return {**found, "classes": np.asarray([self._classes], np.int64)}

    def _add(self, name: str, part: Array) -> None:
        self._parts.setdefault(name, []).append(part)

    def _values(self, rows: Array) -> None:
        flat = rows.reshape(len(rows), -1)
        flat = flat[:, positions(flat.shape[1], _VALUES)]
        if flat.dtype.kind == "U":
            flat = np.vectorize(_number_of, otypes=[np.int64])(flat)
        self._add("lengths", np.full(len(rows), flat.shape[1], np.int32))
        self._add("values", flat.ravel().astype(np.float64))

    def _distributions(self, rows: Array, told: Array | None) -> None:
        scores = self._scores(rows)
        count, length, self._classes = scores.shape
        lengths, flat = np.full(count, length), scores.reshape(count * length, self._classes)
        if told is not None and self.outlook.kind == "sequence" and told.shape == (count, length):
            lengths, flat = told.sum(axis=1), flat[told.ravel()]
        found = sketch(
            flat,
            keep=self._keep,
            probabilities=self.outlook.probabilities or self.outlook.kind == "binary",
        )
        self._add("lengths", lengths.astype(np.int32))
        self._add("index", found.index)
        self._add("logp", found.logp)
        self._add("rest", found.rest)

    def _scores(self, rows: Array) -> Array:
        """[samples, positions, classes]."""
        kind = self.outlook.kind
        if kind == "binary":
            flat = rows.reshape(len(rows), -1)
            flat = np.clip(flat[:, positions(flat.shape[1], _POSITIONS)], 0.0, 1.0)
            return np.stack([1 - flat, flat], axis=2)
        if kind == "classes":
            return rows.reshape(len(rows), 1, -1)
        last = np.moveaxis(rows, self.outlook.axis, -1)
        scores = last.reshape(len(rows), -1, last.shape[-1])
        if kind == "map":
            scores = scores[:, positions(scores.shape[1], _POSITIONS)]
        return scores


def _number_of(word: str) -> int:
    """A number for a word: equal for equal words."""
    return zlib.crc32(word.encode())
