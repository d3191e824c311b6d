"""How much a candidate is expected to lose, judged by what the original itself believes.

Without labels two numbers can be had. The disagreement: how often the answers differ, which bounds
the loss whatever the truth is. And the expected drop: the mean of p(original's answer) -
p(candidate's answer), by the original's own probabilities. It is an estimate; it is right if the
original's confidence is right, so a temperature makes its mean confidence equal its known quality.

Of embeddings the answer is the nearest of the other samples, and p a softmax of similarities. There
the original alone is a poor judge: a candidate's errors are largely its own, so where the two
disagree it is right nearly as often as the original (a sentence encoder whose neighbours change for
20% of the queries loses half a point). So both models together are the judge: p is taken of the
original's similarity plus what the candidate's predicts of it (its linear regression), at the
temperature where that is as sure as the original is right. A candidate that is mere noise predicts
nothing, and the original judges alone.

Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2 (temperature).
Differs: fitted to one known number, the mean, rather than to labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lissom.measure.answers import Outlook
from lissom.measure.fitting import Array
from lissom.numerics.ctc import collapse, line_probability
from lissom.numerics.neighbours import nearest, normalized, regression, similarities
from lissom.numerics.sketch import Sketch
from lissom.numerics.statistics import fit_temperature, softmax

__all__ = [
    "HONEST_KINDS",
    "Comparison",
    "compare",
    "confidence_temperature",
    "confidences",
    "sketch_of",
]

Floats = NDArray[np.float64]
Arrays = Mapping[str, Array]

HONEST_KINDS = frozenset({"classes", "ctc", "sequence", "map", "binary"})
"""Kinds that have a confidence of their own; embeddings need a known quality as well."""

_FIT_SAMPLES = 400  # where confidence is costly; its mean is known well enough then
_SIMILARITY_TEMPERATURES = (1e-4, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Two models' answers to the same samples.

    Attributes:
        disagreement: in [0, 1] for each sample.
        drop: expected loss of score of each sample, in [-1, 1]; None if no honest estimate exists.
    """

    disagreement: Floats
    drop: Floats | None


def confidence_temperature(
    original: Arrays, outlook: Outlook, quality: float, *, top: int = 1
) -> float:
    """The temperature at which the original is as sure, on average, as it is known to be right.

    Not for embeddings, whose temperature `compare` finds for each pair of models.

    Args:
        original: its collected answers.
        outlook: what they are.
        quality: its known quality, in 0 to 1.
        top: how many of the likeliest classes count as its answer.
    """
    limit = _FIT_SAMPLES if outlook.kind == "ctc" else None
    sure = _Confidence(original, outlook, top=top, limit=limit)
    return fit_temperature(
        lambda temperature: float(sure.at(temperature).mean()),
        quality,
        iterations=14 if outlook.kind == "ctc" else 30,
    )


def confidences(original: Arrays, outlook: Outlook, *, top: int = 1) -> Floats:
    """How sure the original is of each of its answers, as it says itself, [samples].

    Args:
        original: its collected answers; not embeddings.
        outlook: what they are.
        top: how many of the likeliest classes count as its answer.
    """
    return _Confidence(original, outlook, top=top).at(1.0)


class _Confidence:
    """A model's confidence in its own answers at any temperature."""

    def __init__(
        self, original: Arrays, outlook: Outlook, *, top: int, limit: int | None = None
    ) -> None:
        self._steps, self._lengths = sketch_of(original), original["lengths"]
        self._top, self._blank = top, outlook.blank or 0
        self._cuts: list[Sketch] = []
        if outlook.kind == "ctc":
            ends = np.cumsum(self._lengths)[:limit]
            starts = ends - self._lengths[:limit]
            self._cuts = [
                self._steps.rows(int(start), int(end))
                for start, end in zip(starts, ends, strict=True)
            ]
            self._lines = [collapse(cut.top, self._blank) for cut in self._cuts]

    def at(self, temperature: float) -> Floats:
        """Of each sample."""
        if self._cuts:
            pairs = zip(self._cuts, self._lines, strict=True)
            each = [
                line_probability(cut.at(temperature), [line], self._blank)[0] for cut, line in pairs
            ]
            return np.asarray(each)
        tempered = self._steps.at(temperature)
        sure = tempered.probability(self._steps.index[:, : self._top]).sum(axis=1)
        return _mean_of(sure, self._lengths)


def compare(
    original: Arrays,
    candidate: Arrays,
    outlook: Outlook,
    *,
    temperature: float | None,
    quality: float | None = None,
    top: int = 1,
) -> Comparison:
    """Set two models' collected answers side by side.

    Args:
        original: the original's.
        candidate: the candidate's, to the same samples in the same order.
        outlook: what they are.
        temperature: of the original's confidence; None if no expected drop is wanted.
        quality: the original's, if known; embeddings have an expected drop only then.
        top: how many of the likeliest classes count as the answer.
    """
    bad = candidate["bad"].astype(bool)
    if outlook.kind == "embedding":
        return _embeddings(original, candidate, quality, bad)
    if outlook.kind in ("regression", "identifiers"):
        exact = outlook.kind == "identifiers"
        return Comparison(disagreement=_errors(original, candidate, bad, exact=exact), drop=None)
    if outlook.kind == "ctc":
        return _lines(original, candidate, outlook.blank or 0, temperature, bad)
    return _choices(original, candidate, temperature, top, bad)


def sketch_of(arrays: Arrays) -> Sketch:
    """The distributions among collected answers."""
    return Sketch(
        index=arrays["index"],
        logp=arrays["logp"],
        rest=arrays["rest"],
        classes=int(arrays["classes"][0]),
    )


def _mean_of(values: Floats, lengths: Array) -> Floats:
    """Mean over each sample's entries: [entries] to [samples]; 0 for a sample without any."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    sums = np.bincount(owner, weights=values, minlength=len(lengths))
    return np.asarray(sums / np.maximum(lengths, 1))


def _aligned(values: Array, lengths: Array, wanted: Array, bad: NDArray[np.bool_]) -> Array:
    """The candidate's entries where the original has its own; -1 where it has none."""
    if np.array_equal(lengths, wanted) and not bad.any():
        return values
    filled = np.full((int(wanted.sum()), *values.shape[1:]), -1, dtype=values.dtype)
    source, target = np.cumsum(lengths) - lengths, np.cumsum(wanted) - wanted
    for i in range(len(wanted)):
        if lengths[i] == wanted[i] and not bad[i]:
            filled[target[i] : target[i] + wanted[i]] = values[source[i] : source[i] + wanted[i]]
    return filled


def _choices(
    original: Arrays, candidate: Arrays, temperature: float | None, top: int, bad: Array
) -> Comparison:
    steps, lengths = sketch_of(original), original["lengths"]
    ours = steps.index[:, :top]
    theirs = _aligned(candidate["index"][:, :top], candidate["lengths"], lengths, bad)
    differ = (np.sort(ours, axis=1) != np.sort(theirs, axis=1)).any(axis=1)
    drop = None
    if temperature is not None:
        tempered = steps.at(temperature)
        believed = np.where(theirs < 0, 0.0, tempered.probability(theirs))
        loss = tempered.probability(ours).sum(axis=1) - believed.sum(axis=1)
        # Sums of the same classes in another order differ in the last bit.
        drop = _mean_of(np.where(differ, loss, 0.0), lengths)
    return Comparison(disagreement=_mean_of(differ.astype(np.float64), lengths), drop=drop)


def _lines(
    original: Arrays, candidate: Arrays, blank: int, temperature: float | None, bad: Array
) -> Comparison:
    steps = sketch_of(original)
    ends, others = np.cumsum(original["lengths"]), np.cumsum(candidate["lengths"])
    differ, drop = np.zeros(len(ends)), np.zeros(len(ends))
    for i, (end, other) in enumerate(zip(ends, others, strict=True)):
        cut = steps.rows(int(end - original["lengths"][i]), int(end))
        theirs = candidate["index"][int(other - candidate["lengths"][i]) : int(other), 0]
        ours, read = collapse(cut.top, blank), collapse(theirs, blank)
        if ours == read and not bad[i]:
            continue
        differ[i] = 1.0
        if temperature is not None:
            mine, its = line_probability(cut.at(temperature), [ours, read], blank)
            drop[i] = mine - (0.0 if bad[i] else its)
    return Comparison(disagreement=differ, drop=None if temperature is None else drop)


def _embeddings(
    original: Arrays, candidate: Arrays, quality: float | None, bad: Array
) -> Comparison:
    ours, theirs = normalized(original["vectors"]), normalized(candidate["vectors"])
    if len(ours) < 2:
        return Comparison(disagreement=bad.astype(np.float64), drop=None)
    mine, its = nearest(ours), np.where(bad, -1, nearest(theirs))
    differ = mine != its
    if quality is None:
        return Comparison(disagreement=differ.astype(np.float64), drop=None)
    # The product of joined rows is the sum of both models' similarities.
    weight = np.float32(np.sqrt(max(0.0, regression(ours, theirs))))
    both = np.concatenate([ours, weight * theirs], axis=1)
    temperature = _similarity_temperature(both, quality)
    drop = np.zeros(len(ours))
    for block, similarity in similarities(both):
        rows = np.arange(len(similarity))
        believed = softmax(similarity / temperature)
        kept = np.where(its[block] < 0, 0.0, believed[rows, its[block]])
        drop[block] = believed[rows, mine[block]] - kept
    return Comparison(disagreement=differ.astype(np.float64), drop=drop)


def _similarity_temperature(vectors: NDArray[np.float32], quality: float) -> float:
    found = np.concatenate([block for _, block in similarities(vectors, _FIT_SAMPLES)])

    def confidence(temperature: float) -> float:
        return float(softmax(found / temperature).max(axis=1).mean())

    return fit_temperature(confidence, quality, bounds=_SIMILARITY_TEMPERATURES)


def _errors(original: Arrays, candidate: Arrays, bad: Array, *, exact: bool) -> Floats:
    """Error of each sample's values, in [0, 1].

    Exact values: the share that differ. Others: the root of the mean squared error, over the spread
    of the original's values (their standard deviation from sample to sample, position by position
    where samples are alike; of all values where there is only one sample).
    """
    ours, lengths = original["values"], original["lengths"]
    theirs = candidate["values"]
    same = (candidate["lengths"] == lengths) & ~bad.astype(bool)
    if not np.array_equal(candidate["lengths"], lengths):
        theirs = _aligned(theirs, candidate["lengths"], lengths, np.asarray(~same))
    if exact:
        return np.where(same, _mean_of((ours != theirs).astype(np.float64), lengths), 1.0)
    squared = _mean_of((ours - theirs) ** 2, lengths)
    error = np.sqrt(squared) / max(_spread(ours, lengths), 1e-12)
    return np.where(same, np.minimum(1.0, error), 1.0)


def _spread(values: Array, lengths: Array) -> float:
    if len(lengths) >= 3 and len(set(lengths.tolist())) == 1:
        table: NDArray[Any] = values.reshape(len(lengths), -1)
        spread = float(np.sqrt(table.var(axis=0, ddof=1).mean()))
        if spread > 0:
            return spread
    centred = float(values.std())
    return centred if centred > 0 else float(np.abs(values).max(initial=0.0))
