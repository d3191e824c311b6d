"""Quality of a candidate: its score, and what it lost against the original, with intervals.

With labels the loss is measured, pair by pair. Without, the original is the judge, and two numbers
stand side by side: the disagreement, a hard bound on the loss, and the expected drop, an estimate
whose assumption is stated (see `expected`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lissom.errors import MeasurementError, SamplesError
from lissom.isolate.child import ChildLimits, call
from lissom.measure.answers import Outlook
from lissom.measure.expected import HONEST_KINDS, Comparison, compare, confidence_temperature
from lissom.measure.fitting import Array
from lissom.measure.judge import Judge
from lissom.measure.samples import Part, Samples
from lissom.measure.wording import meaning
from lissom.numerics.statistics import mean_interval, paired_interval, wilson
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.hashing import Json, sha256_file

__all__ = ["DropKind", "Quality", "judge"]

DropKind = Literal["labels", "expected", "bound"]
_FORMAT = 1  # of what is stored; another number forgets older answers
_LIMITS = ChildLimits(seconds=3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a candidate is worth, beside the original.

    Attributes:
        metric: by what it was judged.
        count: how many answers were compared.
        score: in [0, 1]: measured with labels; else the original's known quality less the drop; 1
            less the drop if that is not known.
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
    ours = _answers(original, samples, part, by, target, None, limits)
    views = [Outlook.from_json(value) for value in ours["outlooks"]]
    theirs = _answers(
        candidate, samples, part, by, candidate_target or target, ours["outlooks"], limits
    )
    temperature = _temperature(ours, views[0], samples, by)
    compared = _compared(views, ours, theirs, samples, by, temperature)
    scores: tuple[Array, Array] | None = None
    if ours["scores"] is not None:
        first, second = (
            samples.store.arrays(answers["scores"]["object"])["scores"]
            for answers in (ours, theirs)
        )
        scores = first, second
    return _quality(views, compared, scores, temperature, by)


def _compared(
    views: Sequence[Outlook],
    ours: Json,
    theirs: Json,
    samples: Samples,
    by: Judge,
    temperature: float | None,
) -> dict[str, Comparison]:
    """Each output of both models side by side; an expected drop only of the judged one."""
    compared: dict[str, Comparison] = {}
    for place, view in enumerate(views):
        mine = samples.store.arrays(ours["answers"][place]["object"])
        its = samples.store.arrays(theirs["answers"][place]["object"])
        if len(mine["bad"]) != len(its["bad"]):
            raise MeasurementError(
                f"output {view.output!r} has {len(its['bad'])} answers in the candidate and "
                f"{len(mine['bad'])} in the original"
            )
        estimated = place == 0 and ours["scores"] is None
        compared[view.output] = compare(
            mine,
            its,
            view,
            temperature=temperature if estimated else None,
            quality=by.original_quality if estimated else None,
            top=5 if by.metric == "top5" and place == 0 else 1,
        )
    return compared


def _answers(
    path: Path,
    samples: Samples,
    part: Part,
    by: Judge,
    target: Target,
    outlooks: Sequence[Json] | None,
    limits: ChildLimits,
) -> Json:
    """Run one model, or remember what it answered."""
    inputs: Json = {
        "format": _FORMAT,
        "model": sha256_file(path),
        "part": part.fingerprint,
        "labels": samples.fingerprint if samples.labels else None,
        "metric": by.metric,
        "outlooks": outlooks,
        "target": target.to_json(),
        "version": registry.load(target.runtime).version(),
    }
    arguments = {
        "path": str(path.absolute()),
        "samples": samples.to_json(),
        "part": part.to_json(),
        "target": target.to_json(),
        "metric": by.metric,
        "outlooks": outlooks,
    }
    entry = "lissom.measure.judging:answer"
    return samples.store.remember("answers", inputs, lambda: call(entry, arguments, limits=limits))


def _temperature(ours: Json, view: Outlook, samples: Samples, by: Judge) -> float | None:
    """Temperature of the original's confidence; None where it is not used."""
    quality = by.original_quality
    if ours["scores"] is not None or view.kind not in HONEST_KINDS:
        return None
    if quality is None:
        return 1.0
    top = 5 if by.metric == "top5" else 1
    stored = ours["answers"][0]
    inputs: Json = {"format": _FORMAT, "answers": stored, "quality": quality, "top": top}

    def compute() -> Json:
        arrays = samples.store.arrays(stored["object"])
        return {"temperature": confidence_temperature(arrays, view, quality, top=top)}

    return float(samples.store.remember("temperature", inputs, compute)["temperature"])


def _quality(
    views: Sequence[Outlook],
    compared: Mapping[str, Comparison],
    scores: tuple[Array, Array] | None,
    temperature: float | None,
    by: Judge,
) -> Quality:
    view = views[0]
    main = compared[view.output]
    # Another output that chooses differently more often counts: the bound must hold for all.
    worst = max(compared, key=lambda name: float(compared[name].disagreement.mean()))
    disagreement = compared[worst].disagreement
    differ = float(disagreement.mean())
    kind: DropKind
    if scores is not None:
        kind, drops = "labels", scores[0] - scores[1]
    elif main.drop is not None:
        kind, drops = "expected", main.drop
    else:
        kind, drops = "bound", main.disagreement
    drop = float(drops.mean())
    bounds = _drop_interval(drops, kind)
    if scores is not None:
        score, score_interval = float(scores[1].mean()), _share_interval(scores[1])
    else:
        best = by.original_quality or 1.0
        score = min(1.0, max(0.0, best - drop))
        low, high = (min(1.0, max(0.0, best - bound)) for bound in reversed(bounds))
        score_interval = (low, high)
    return Quality(
        metric=by.metric or ("top1" if view.kind == "classes" else view.kind),
        count=len(drops),
        score=score,
        score_interval=score_interval,
        drop=drop,
        drop_kind=kind,
        drop_interval=bounds,
        disagreement=differ,
        disagreement_interval=_share_interval(disagreement),
        meaning=meaning(view, kind, by, temperature, worst=worst, differ=differ),
    )


def _drop_interval(drops: Array, kind: DropKind) -> tuple[float, float]:
    if kind == "labels":
        return paired_interval(drops)
    if kind == "bound":
        return _share_interval(drops)
    # By its own belief the original's answer is never worse, unless answers are judged otherwise.
    return mean_interval(drops, low=0.0 if drops.min() >= 0 else -1.0, high=1.0)


def _share_interval(values: Array) -> tuple[float, float]:
    """Interval of a mean in [0, 1]: Wilson's for yes and no, else `mean_interval`."""
    if np.isin(values, (0.0, 1.0)).all():
        return wilson(float(values.sum()), len(values))
    return mean_interval(values, low=0.0, high=1.0)
