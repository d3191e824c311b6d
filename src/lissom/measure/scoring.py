"""Scores against labels: top-1, top-5, or a function of the user's."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lissom.errors import OptionError, SamplesError
from lissom.measure.answers import Outlook, rows_of
from lissom.measure.fitting import Array
from lissom.measure.judge import Judge
from lissom.measure.labels import known
from lissom.measure.samples import Feed

__all__ = ["Scorer", "scorer_for"]

Scorer: TypeAlias = Callable[[Mapping[str, Array], Feed], NDArray[np.float64]]
"""From one run's outputs and its feed (with labels) to a score in [0, 1] for each answer; NaN where
its label is not known."""


def scorer_for(judge: Judge, outlook: Outlook, *, labels: bool) -> Scorer | None:
    """How labels are used: None if there are none.

    Args:
        judge: the metric.
        outlook: the output that is judged.
        labels: whether the samples have labels.

    Raises:
        OptionError: a function without labels, one that cannot be imported, or labels that the
            metric has no use for.
    """
    if judge.metric is not None and judge.is_function:
        if not labels:
            raise OptionError(
                f"metric {judge.metric!r} is a function of labels and the samples have none; "
                "give --labels, or leave the metric out to be judged against the original"
            )
        return _function_scorer(judge.metric, outlook.output)
    if not labels:
        return None
    if outlook.kind != "classes":
        raise OptionError(
            f"output {outlook.output!r} is read as {outlook.kind} ({outlook.why}), and labels are "
            "compared with class scores only; name a function (--metric package.module:function), "
            "or leave the labels out"
        )
    top = 5 if judge.metric == "top5" else 1

    def score(outputs: Mapping[str, Array], feed: Feed) -> NDArray[np.float64]:
        rows = rows_of(outputs[outlook.output], len(feed.indices), feed.batch)
        return _hits(rows.reshape(len(rows), -1), feed, top)

    return score


def _hits(scores: Array, feed: Feed, top: int) -> NDArray[np.float64]:
    """1 where the label is among the `top` largest scores, else 0, NaN where unknown; [rows]."""
    labels = np.asarray(feed.labels).reshape(-1)
    where = f"sample {feed.indices[0]}"
    if labels.dtype.kind not in "biu" or len(labels) != len(scores):
        raise SamplesError(
            f"{where}: {len(labels)} labels of type {labels.dtype.name} for {len(scores)} answers; "
            "give one whole number, the class, for each (-1 where it is not known)"
        )
    unknown = labels.astype(np.int64) == -1
    if labels[~unknown].min(initial=0) < 0 or labels.max() >= scores.shape[1]:
        raise SamplesError(
            f"{where}: label {int(labels.max())} for {scores.shape[1]} classes; "
            "classes are numbered from 0, and -1 is a label that is not known"
        )
    wide = scores.astype(np.float64)
    own = wide[np.arange(len(labels)), labels.astype(np.int64)][:, None]
    # Ties go to the lower class number, as argmax does.
    earlier = np.arange(scores.shape[1]) < labels.reshape(-1, 1)
    ahead = (wide > own) | ((wide == own) & earlier)
    right = np.isfinite(own[:, 0]) & (ahead.sum(axis=1) < top)
    return np.where(unknown, np.nan, right.astype(np.float64))


def _function_scorer(metric: str, output: str) -> Scorer:
    module, _, name = metric.partition(":")
    try:
        function: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise OptionError(f"metric {metric!r} cannot be imported: {error}") from error

    def score(outputs: Mapping[str, Array], feed: Feed) -> NDArray[np.float64]:
        labels = np.asarray(feed.labels)
        told = np.asarray([known(np.asarray(label)) for label in labels])
        if not told.any():
            rows = rows_of(outputs[output], len(feed.indices), feed.batch)
            return np.full(len(rows), np.nan)
        asked, rows_told = outputs, np.flatnonzero(told)
        if not told.all():
            labels = labels[rows_told]
            asked = {
                name: out[rows_told] if out.ndim and len(out) == feed.batch else out
                for name, out in outputs.items()
            }
        found = np.asarray(function(asked, labels), dtype=np.float64).reshape(-1)
        if found.size < len(labels):
            raise OptionError(
                f"metric {metric!r} gave {found.size} scores for {len(labels)} samples; "
                "it must give one for each"
            )
        # Copies that fill up a fixed batch do not count.
        found = found[: len(labels)] if feed.batch > 1 else found
        if not (np.isfinite(found).all() and found.min() >= 0.0 and found.max() <= 1.0):
            raise OptionError(
                f"metric {metric!r} gave scores from {found.min()} to {found.max()}; "
                "they must lie in 0 to 1, higher being better"
            )
        if told.all():
            return found
        scores = np.full(len(told), np.nan)
        scores[rows_told] = found
        return scores

    return score
