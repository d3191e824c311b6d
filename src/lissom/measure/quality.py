"""Quality of a candidate: its score, and what it lost against the original, with intervals.

With labels the loss is measured, pair by pair. Without, the original is the judge, and two numbers
stand side by side: the disagreement, a hard bound on the loss, and the expected drop, an estimate
whose assumption is stated (see `expected`). Labels of some samples correct it (see `estimate`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from lissom.errors import MeasurementError, SamplesError
from lissom.isolate.child import ChildLimits, call
from lissom.measure.answers import Outlook
from lissom.measure.estimate import Estimate, Trust, corrected_quality, estimate
from lissom.measure.expected import (
    HONEST_KINDS,
    Comparison,
    compare,
    confidence_temperature,
    confidences,
)
from lissom.measure.fitting import Array
from lissom.measure.judge import Judge
from lissom.measure.samples import Part, Samples
from lissom.measure.wording import Grounds, meaning
from lissom.numerics.statistics import mean_interval, paired_interval, wilson
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.hashing import Json, sha256_file

__all__ = [
    "DropKind",
    "Quality",
    "answers_of",
    "compared",
    "judge",
    "quality_of",
    "scores_of",
    "temperature_of",
]

DropKind = Literal["labels", "expected", "bound"]
_FORMAT = 2  # of what is stored; another number forgets older answers
_LIMITS = ChildLimits(seconds=3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a candidate is worth, beside the original.

    Attributes:
        metric: by what it was judged.
        count: how many answers were compared.
        score: in [0, 1]: measured with labels; else the original's quality less the drop, as it is
            known or learned from few labels; 1 less the drop if it is not.
        score_interval: 95%.
        drop: loss of score against the original, absolute (0.01 is one point); may be negative.
        drop_kind: `labels` (measured), `expected` (estimated), `bound` (the disagreement, where no
            honest estimate exists).
        drop_interval: 95%, paired.
        disagreement: how much the answers differ, in [0, 1]; no loss can be larger.
        disagreement_interval: 95%.
        meaning: what these numbers are, in plain words.
    """

    metric: str
    count: int
    score: float
    score_interval: tuple[float, float]
    drop: float
    drop_kind: DropKind
    drop_interval: tuple[float, float]
    disagreement: float
    disagreement_interval: tuple[float, float]
    meaning: str

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Quality":
        """Read what `to_json` wrote."""
        pairs = {name: tuple(value[name]) for name in value if name.endswith("_interval")}
        return cls(**{**value, **pairs})


def judge(
    original: Path,
    candidate: Path,
    samples: Samples,
    part: Part,
    *,
    by: Judge,
    target: Target,
    candidate_target: Target | None = None,
    limits: ChildLimits = _LIMITS,
) -> Quality:
    """Judge a candidate beside the original on a part of the samples.

    Each model runs in a child process, the original once for all candidates. Answers are kept in
    the samples' store, by hash of the model, the part, the runtime and the metric.

    Args:
        original: the file.
        candidate: the file.
        samples: where the part is from.
        part: which samples; those that calibrated the candidate must not be among them.
        by: the metric and what is known of the original.
        target: where both run.
        candidate_target: where the candidate runs, if elsewhere.
        limits: of each child.

    Raises:
        SamplesError: the part is empty, or labels do not fit the answers.
        OptionError: the metric fits no output, or cannot be used.
        MeasurementError: the runtime failed.
        ChildFailed: a child crashed or ran out of time or memory.
    """
    if len(part) == 0:
        raise SamplesError(
            f"there are {samples.count} samples and none is in the {part.name} part; give more"
        )
    ours = answers_of(original, samples, part, by, target, None, limits)
    views = [Outlook.from_json(value) for value in ours["outlooks"]]
    theirs = answers_of(
        candidate, samples, part, by, candidate_target or target, ours["outlooks"], limits
    )
    temperature = temperature_of(ours, views[0], samples, by)
    both = compared(views, ours, theirs, samples, by, temperature)
    grounds = Grounds(quality=quality_of(ours, views[0], samples, by), temperature=temperature)
    mine, its = scores_of(ours, samples), scores_of(theirs, samples)
    scores = None if mine is None or its is None else (mine, its)
    expected: Estimate | None = None
    main = both[views[0].output]
    # A function may give one score for several answers; then its labels speak for themselves.
    if main.drop is not None and (scores is None or len(scores[0]) == len(main.drop)):
        first, second = (
            samples.store.arrays(one["answers"][0]["object"]) for one in (ours, theirs)
        )
        lost = None if scores is None else scores[0] - scores[1]
        trust = Trust(temperature=temperature, quality_known=by.original_quality is not None)
        expected = estimate(first, second, views[0], main, trust, top=_top(by), lost=lost)
        grounds = replace(grounds, labelled=expected.labelled)
    return _quality(views, both, scores, expected, by, grounds)


def compared(
    views: Sequence[Outlook],
    ours: Json,
    theirs: Json,
    samples: Samples,
    by: Judge,
    temperature: float | None,
) -> dict[str, Comparison]:
    """Each output of both models side by side; an expected drop only of the judged one.

    Args:
        views: the outputs, the judged one first.
        ours: what `answers_of` gave for the original.
        theirs: what it gave for the candidate, on the same part.
        samples: where the part is from.
        by: the metric and what is known of the original.
        temperature: of the original's confidence; None if no expected drop is wanted.

    Raises:
        MeasurementError: the candidate gave another number of answers.
    """
    found: dict[str, Comparison] = {}
    for place, view in enumerate(views):
        mine = samples.store.arrays(ours["answers"][place]["object"])
        its = samples.store.arrays(theirs["answers"][place]["object"])
        if len(mine["bad"]) != len(its["bad"]):
            raise MeasurementError(
                f"output {view.output!r} has {len(its['bad'])} answers in the candidate and "
                f"{len(mine['bad'])} in the original"
            )
        estimated = place == 0 and not _is_labelled(scores_of(ours, samples))
        found[view.output] = compare(
            mine,
            its,
            view,
            temperature=temperature if estimated else None,
            quality=quality_of(ours, view, samples, by) if estimated else None,
            top=_top(by) if place == 0 else 1,
        )
    return found


def answers_of(
    path: Path,
    samples: Samples,
    part: Part,
    by: Judge,
    target: Target,
    outlooks: Sequence[Json] | None,
    limits: ChildLimits = _LIMITS,
    *,
    full: bool = False,
) -> Json:
    """Run one model in a child process, or remember what it answered; see `judging.answer`."""
    inputs: Json = {
        "format": _FORMAT,
        "model": sha256_file(path),
        "part": part.fingerprint,
        "labels": samples.fingerprint if samples.labels else None,
        "metric": by.metric,
        "outlooks": outlooks,
        "target": target.to_json(),
        "version": registry.load(target.runtime).version(),
        **({"full": True} if full else {}),
    }
    arguments = {
        "path": str(path.absolute()),
        "samples": samples.to_json(),
        "part": part.to_json(),
        "target": target.to_json(),
        "metric": by.metric,
        "outlooks": outlooks,
        "full": full,
    }
    entry = "lissom.measure.judging:answer"
    return samples.store.remember("answers", inputs, lambda: call(entry, arguments, limits=limits))


def temperature_of(ours: Json, view: Outlook, samples: Samples, by: Judge) -> float | None:
    """Temperature of the original's confidence; None where it is not used.

    Args:
        ours: what `answers_of` gave for the original.
        view: the judged output.
        samples: where the part is from.
        by: the metric and what is known of the original.
    """
    if _is_labelled(scores_of(ours, samples)) or view.kind not in HONEST_KINDS:
        return None
    quality = quality_of(ours, view, samples, by)
    if quality is None:
        return 1.0
    top = _top(by)
    stored = ours["answers"][0]
    inputs: Json = {"format": _FORMAT, "answers": stored, "quality": quality, "top": top}

    def compute() -> Json:
        arrays = samples.store.arrays(stored["object"])
        return {"temperature": confidence_temperature(arrays, view, quality, top=top)}

    return float(samples.store.remember("temperature", inputs, compute)["temperature"])


def quality_of(ours: Json, view: Outlook, samples: Samples, by: Judge) -> float | None:
    """The original's quality: as it is known, or learned from few labels; None if neither.

    Args:
        ours: what `answers_of` gave for the original.
        view: the judged output.
        samples: where the part is from.
        by: the metric and what is known of the original.
    """
    scores = scores_of(ours, samples)
    if by.original_quality is not None or scores is None or not np.isfinite(scores).any():
        return by.original_quality
    stored, top = ours["answers"][0], _top(by)
    inputs: Json = {"format": _FORMAT, "answers": stored, "scores": ours["scores"], "top": top}

    def compute() -> Json:
        sure = None
        if view.kind in HONEST_KINDS:
            sure = confidences(samples.store.arrays(stored["object"]), view, top=top)
        return {"quality": corrected_quality(scores, sure)}

    found: float | None = samples.store.remember("quality", inputs, compute)["quality"]
    return found


def scores_of(answers: Json, samples: Samples) -> Array | None:
    """Scores of what `answers_of` gave, NaN where no label is known; None without labels."""
    if answers["scores"] is None:
        return None
    return samples.store.arrays(answers["scores"]["object"])["scores"]


def _is_labelled(scores: Array | None) -> bool:
    """Whether every sample's label is known."""
    return scores is not None and bool(np.isfinite(scores).all())


def _top(by: Judge) -> int:
    return 5 if by.metric == "top5" else 1


def _quality(
    views: Sequence[Outlook],
    compared: Mapping[str, Comparison],
    scores: tuple[Array, Array] | None,
    expected: Estimate | None,
    by: Judge,
    grounds: Grounds,
) -> Quality:
    view = views[0]
    main = compared[view.output]
    # Another output that chooses differently more often counts: the bound must hold for all.
    worst = max(compared, key=lambda name: float(compared[name].disagreement.mean()))
    disagreement = compared[worst].disagreement
    differ = float(disagreement.mean())
    kind: DropKind
    known = np.zeros(0, bool) if scores is None else np.isfinite(scores[0])
    count = len(main.disagreement)
    if expected is not None:
        kind, drop, bounds = "expected", expected.drop, expected.interval
    elif scores is not None and known.any():
        kind, drops, count = "labels", (scores[0] - scores[1])[known], int(known.sum())
        drop, bounds = float(drops.mean()), paired_interval(drops)
    else:
        kind, drop = "bound", float(main.disagreement.mean())
        bounds = _share_interval(main.disagreement)
    if scores is not None and kind == "labels":
        score, score_interval = float(scores[1][known].mean()), _share_interval(scores[1][known])
    else:
        best = grounds.quality or 1.0
        score = min(1.0, max(0.0, best - drop))
        low, high = (min(1.0, max(0.0, best - bound)) for bound in reversed(bounds))
        score_interval = (low, high)
    return Quality(
        metric=by.metric or ("top1" if view.kind == "classes" else view.kind),
        count=count,
        score=score,
        score_interval=score_interval,
        drop=drop,
        drop_kind=kind,
        drop_interval=bounds,
        disagreement=differ,
        disagreement_interval=_share_interval(disagreement),
        meaning=meaning(view, kind, by, grounds, worst=worst, differ=differ),
    )


def _share_interval(values: Array) -> tuple[float, float]:
    """Interval of a mean in [0, 1]: Wilson's for yes and no, else `mean_interval`."""
    if np.isin(values, (0.0, 1.0)).all():
        return wilson(float(values.sum()), len(values))
    return mean_interval(values, low=0.0, high=1.0)
