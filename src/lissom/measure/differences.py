"""What a candidate lost against the original on each sample of a part: what certificates rest on.

What the outputs are, and how sure the original may be believed, is settled on another part
beforehand, so nothing here was fitted to the samples that certify.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lissom.errors import MeasurementError, SamplesError
from lissom.measure.answers import AnswerKind, Outlook
from lissom.measure.certificate import Kind
from lissom.measure.judge import Judge
from lissom.measure.quality import (
    DropKind,
    answers_of,
    compared,
    quality_of,
    scores_of,
    temperature_of,
)
from lissom.measure.samples import Part, Samples
from lissom.runtime.target import Target
from lissom.store.hashing import Json

__all__ = ["Differences", "differences"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Differences:
    """The values of each sample, in an order that does not depend on them.

    Attributes:
        labels: the original's score less the candidate's, in [-1, 1], of the samples whose label is
            known; None if none is.
        complete: every sample's label is known.
        expected: expected loss of score under the original's own confidence, in [-1, 1]; None where
            no honest estimate exists, or where labels are known.
        disagreement: in [0, 1]; of several outputs the largest, so no loss of any can be larger.
        answer: what the judged output is read as.
    """

    labels: Floats | None
    complete: bool
    expected: Floats | None
    disagreement: Floats
    answer: AnswerKind

    @property
    def kind(self) -> DropKind:
        """The best that is known: `labels`, else `expected`, else `bound` (the disagreement)."""
        if self.labels is not None:
            return "labels"
        return "bound" if self.expected is None else "expected"

    @property
    def values(self) -> Floats:
        """The values of `kind`."""
        if self.labels is not None:
            return self.labels
        return self.disagreement if self.expected is None else self.expected

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What can be certified of them, the kind that binds first.

        Where every label is known, the drop itself. Else the disagreement, a hard bound (the error
        of plain numbers); beside it what some labels say, and the expected drop.
        """
        if self.complete:
            return ("labels",)
        hard: Kind = "error" if self.answer == "regression" else "bound"
        known: tuple[tuple[Kind, Floats | None], ...] = (
            (hard, self.disagreement),
            ("labels", self.labels),
            ("expected", self.expected),
        )
        return tuple(kind for kind, values in known if values is not None)

    def of(self, kind: Kind) -> Floats:
        """The values of one of `kinds`.

        Raises:
            ValueError: a kind that is not known of them.
        """
        if kind not in self.kinds:
            raise ValueError(f"nothing is known of the kind {kind!r}, only {self.kinds}")
        values = {"labels": self.labels, "expected": self.expected}.get(kind, self.disagreement)
        assert values is not None
        return values

    def assumed(self, kind: Kind) -> str:
        """What must be true beside the usual for a certificate of a kind; empty if nothing."""
        if kind == "labels":
            return "" if self.complete else "labels are known of samples picked at random"
        if self.answer == "embedding":
            return (
                "the nearest one is looked for among samples like these, as many as here, of which "
                "one says little of another"
            )
        return ""


def differences(
    original: Path,
    candidate: Path,
    samples: Samples,
    part: Part,
    *,
    by: Judge,
    target: Target,
    candidate_target: Target | None = None,
    fitted: Part | None = None,
) -> Differences:
    """Set a candidate beside the original, sample by sample.

    Each model runs in a child process; answers are kept in the samples' store (see
    `quality.judge`), so those that a run has judged already are not computed again.

    Args:
        original: the file.
        candidate: the file.
        samples: where the parts are from.
        part: which samples; nothing that led to the candidate may have seen them.
        by: the metric and what is known of the original.
        target: where the original runs.
        candidate_target: where the candidate runs, if elsewhere.
        fitted: the part on which the kinds of the outputs are inferred and the original's
            confidence is fitted; None takes `part` itself.

    Raises:
        SamplesError: a part is empty, or labels do not fit the answers.
        OptionError: the metric fits no output, or cannot be used.
        MeasurementError: the runtime failed.
        ChildFailed: a child crashed or ran out of time or memory.
    """
    for one in (part, fitted):
        if one is not None and len(one) == 0:
            raise SamplesError(
                f"there are {samples.count} samples and none is in the {one.name} part; give more"
            )
    first = answers_of(original, samples, fitted or part, by, target, None)
    outlooks = first["outlooks"]
    ours = first
    if fitted is not None:
        ours = answers_of(original, samples, part, by, target, outlooks, full=True)
    theirs = answers_of(candidate, samples, part, by, candidate_target or target, outlooks)
    views = [Outlook.from_json(value) for value in outlooks]
    temperature = temperature_of(first, views[0], samples, by)
    known = replace(by, original_quality=quality_of(first, views[0], samples, by) or None)
    found = compared(views, ours, theirs, samples, known, temperature)
    labels, complete = _lost(samples, ours, theirs)
    return Differences(
        labels=labels,
        complete=complete,
        expected=None if complete else found[views[0].output].drop,
        disagreement=_largest([one.disagreement for one in found.values()]),
        answer=views[0].kind,
    )


def _lost(samples: Samples, ours: Json, theirs: Json) -> tuple[Floats | None, bool]:
    """Score of the original less the candidate's where a label is known, and whether all are."""
    mine, its = scores_of(ours, samples), scores_of(theirs, samples)
    if mine is None or its is None:
        return None, False
    lost = np.asarray(mine - its, dtype=np.float64)
    known = np.isfinite(lost)
    return (lost[known] if known.any() else None), bool(known.all())


def _largest(each: Sequence[Floats]) -> Floats:
    """The largest disagreement of any output, sample by sample.

    Raises:
        MeasurementError: the outputs have different numbers of answers.
    """
    if len({len(one) for one in each}) > 1:
        raise MeasurementError(
            "the outputs have different numbers of answers, so they cannot be taken together"
        )
    return np.asarray(np.max(np.stack(each), axis=0), dtype=np.float64)
