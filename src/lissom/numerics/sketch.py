"""Sketches of many class distributions: the most likely classes of each, the rest as one level.

What a network says about thousands of classes, at every step of every sample, is too much to keep;
its few likely classes are not, and they carry nearly all of the probability. A sketch can be
re-tempered later, so a temperature can be fitted without running the network again.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sketch", "sketch"]

_FLOOR = -80.0  # log-probability below which classes are not told apart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketch:
    """Distributions of m answers over `classes` classes; the k likeliest of each, likeliest first.

    Attributes:
        index: class numbers, int32 [m, k].
        logp: their log-probabilities, float32 [m, k].
        rest: log-probability of each class that is not listed (their mean), float32 [m].
        classes: how many there are.
    """

    index: NDArray[np.int32]
    logp: NDArray[np.float32]
    rest: NDArray[np.float32]
    classes: int

    def __len__(self) -> int:
        return len(self.index)

    @property
    def top(self) -> NDArray[np.int32]:
        """The answer: the likeliest class of each, [m]."""
        return self.index[:, 0]

    def at(self, temperature: float) -> "Sketch":
        """The same distributions with every log-probability divided by a temperature."""
        logp = self.logp.astype(np.float64) / temperature
        rest = self.rest.astype(np.float64) / temperature
        unlisted = self.classes - self.index.shape[1]
        total = np.exp(logp - logp[:, :1]).sum(axis=1)
        total += unlisted * np.exp(rest - logp[:, 0])
        norm = logp[:, 0] + np.log(total)
        return Sketch(
            index=self.index,
            logp=(logp - norm[:, None]).astype(np.float32),
            rest=(rest - norm).astype(np.float32),
            classes=self.classes,
        )

    def confidence(self, temperature: float) -> NDArray[np.float64]:
        """Probability of the likeliest class at a temperature, [m]."""
        return np.exp(self.at(temperature).logp[:, 0].astype(np.float64))

    def probability(self, classes: NDArray[Any]) -> NDArray[np.float64]:
        """Probability of given classes [m] or [m, s]; same shape."""
        wanted = classes.reshape(len(self), -1)
        found = np.repeat(self.rest[:, None], wanted.shape[1], axis=1).astype(np.float64)
        for place in range(self.index.shape[1]):
            match = self.index[:, place, None] == wanted
            found = np.where(match, self.logp[:, place, None], found)
        return np.asarray(np.exp(found).reshape(classes.shape))

    def rows(self, start: int, end: int) -> "Sketch":
        """Answers start to end, end left out."""
        return Sketch(
            index=self.index[start:end],
            logp=self.logp[start:end],
            rest=self.rest[start:end],
            classes=self.classes,
        )


def sketch(scores: NDArray[Any], *, keep: int, probabilities: bool) -> Sketch:
    """Keep the likeliest classes of each distribution.

    Args:
        scores: [m, classes], logits or log-probabilities (any constant may be added to a row), or
            probabilities.
        keep: how many classes of each.
        probabilities: True if scores are probabilities.
    """
    wide = np.asarray(scores, dtype=np.float32)
    classes = wide.shape[1]
    keep = min(keep, classes)
    # Stable and by class number, so that ties have one answer: that of argmax on the scores.
    part = (
        np.argpartition(wide, classes - keep, axis=1)[:, classes - keep :]
        if keep < classes
        else np.tile(np.arange(classes), (len(wide), 1))
    )
    part.sort(axis=1)
    order = np.argsort(-np.take_along_axis(wide, part, axis=1), axis=1, kind="stable")
    index = _first(np.take_along_axis(part, order, axis=1), wide.argmax(axis=1))
    listed = np.take_along_axis(wide, index, axis=1).astype(np.float64)
    # Only the sum is taken over all classes; logarithms only of the few that are kept.
    if probabilities:
        total = np.maximum(wide, 0).sum(axis=1, dtype=np.float64)[:, None]
        listed = np.log(np.maximum(listed, np.exp(_FLOOR)) / np.maximum(total, np.exp(_FLOOR)))
    else:
        top = wide.max(axis=1, keepdims=True)
        total = np.exp(wide - top).sum(axis=1, dtype=np.float64)[:, None]
        listed = listed - top - np.log(total)
    listed = np.maximum(listed, _FLOOR)
    left = np.maximum(1.0 - np.exp(listed).sum(axis=1), np.exp(_FLOOR))
    rest = np.log(left / max(1, classes - keep))
    return Sketch(
        index=index.astype(np.int32),
        logp=listed.astype(np.float32),
        rest=rest.astype(np.float32),
        classes=classes,
    )


def _first(index: NDArray[Any], answer: NDArray[Any]) -> NDArray[Any]:
    """Put the answer of each row in front: scores that tie after rounding keep argmax's choice."""
    wrong = np.flatnonzero(index[:, 0] != answer)
    for row in wrong:
        places = np.flatnonzero(index[row] == answer[row])
        place = int(places[0]) if len(places) else index.shape[1] - 1
        index[row, 1 : place + 1] = index[row, :place].copy()
        index[row, 0] = answer[row]
    return index
