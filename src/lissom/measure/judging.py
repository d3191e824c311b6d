"""In a child process: run a model on a part of the samples and keep its answers, small.

The original and every candidate go through the same function, so nothing differs but the model.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from lissom.errors import MeasurementError
from lissom.isolate.child import report
from lissom.measure.answers import Outlook, infer, outlook_for, primary, rows_of
from lissom.measure.collect import Collector
from lissom.measure.fitting import Array
from lissom.measure.judge import Judge
from lissom.measure.samples import Feed, Part, Samples
from lissom.measure.scoring import scorer_for
from lissom.runtime import registry
from lissom.runtime.protocol import Session
from lissom.runtime.target import Target
from lissom.store.hashing import Json

__all__ = ["answer"]

_KEEP = {"classes": 32, "ctc": 16, "sequence": 16, "map": 8, "binary": 2}  # of the original
_KEEP_OTHERS = {"classes": 32, "binary": 2}  # of a candidate: how far its scores moved
_PROBES = 16  # runs from which the kinds of the outputs are inferred,
_PROBE_ELEMENTS = 4_000_000  # and when to stop before
_REPORT_EVERY = 50
_MASK = re.compile(r"mask", re.IGNORECASE)


def answer(
    path: str,
    samples: Mapping[str, Json],
    part: Mapping[str, Json],
    target: Mapping[str, Json],
    metric: str | None,
    outlooks: Sequence[Mapping[str, Json]] | None,
    *,
    full: bool = False,
) -> dict[str, Json]:
    """Run a model on a part and put its answers into the samples' store.

    Args:
        path: the model.
        samples: `Samples.to_json`.
        part: `Part.to_json`.
        target: `Target.to_json`.
        metric: see `Judge`.
        outlooks: what the outputs are, the judged one first; None to infer it (the original).
        full: keep as much of each answer as the original's needs, though `outlooks` are given.

    Returns:
        `outlooks`; `answers`, one stored object for each of them; `scores`, a stored object, or
        None without labels.

    Raises:
        SamplesError: labels do not fit the answers.
        OptionError: the metric fits no output, or cannot be used.
        MeasurementError: the runtime failed, or the part is empty.
    """
    aim, opened, chosen = Target.from_json(target), Samples.from_json(samples), Part.from_json(part)
    judge = Judge(metric=metric)
    with registry.load(aim.runtime).open(Path(path), aim, lean=True) as session:
        if outlooks is None:
            views = _outlooks(session, opened, chosen, judge)
        else:
            views = [Outlook.from_json(value) for value in outlooks]
        if outlooks is None or full:
            keep = [_KEEP.get(view.kind, 1) for view in views]
        else:
            keep = [_KEEP_OTHERS.get(view.kind, 1) for view in views]
        scorer = scorer_for(judge, views[0], labels=opened.labels)
        collectors = [Collector(view, keep=k) for view, k in zip(views, keep, strict=True)]
        scores: list[Array] = []
        for feed, outputs in _runs(session, opened, chosen, len(chosen)):
            told = _told(feed)
            for collector in collectors:
                out = outputs[collector.outlook.output]
                collector.take(rows_of(out, len(feed.indices), feed.batch), told)
            if scorer is not None:
                scores.append(scorer(outputs, feed))
    store = opened.store
    kept = store.put_arrays({"scores": np.concatenate(scores)}) if scores else None
    return {
        "outlooks": [view.to_json() for view in views],
        "answers": [{"object": store.put_arrays(each.arrays())} for each in collectors],
        "scores": {"object": kept} if kept else None,
    }


def _runs(
    session: Session, samples: Samples, part: Part, limit: int
) -> Iterator[tuple[Feed, dict[str, Array]]]:
    """Each feed of a part with the model's outputs."""
    done = 0
    for feed in samples.feeds(part, limit=limit):
        yield feed, session.run(feed.inputs)
        before, done = done, done + len(feed.indices)
        if done // _REPORT_EVERY > before // _REPORT_EVERY:
            report({"samples": done, "of": limit})


def _told(feed: Feed) -> Array | None:
    """Which steps of a feed are no padding, [samples, steps], by its mask; None without one."""
    for name, value in feed.inputs.items():
        if _MASK.search(name) and value.ndim == 2 and value.dtype.kind in "biu":
            kept = value[: len(feed.indices)] if feed.batch > 1 else value
            return np.asarray(kept != 0)
    return None


def _outlooks(session: Session, samples: Samples, part: Part, judge: Judge) -> list[Outlook]:
    """Infer what the outputs are from the first runs; the judged one comes first.

    Of the others only those that make a choice are kept, to be compared with the original's.
    """
    seen: dict[str, list[Array]] = {}
    elements = 0
    for feed, outputs in _runs(session, samples, part, _PROBES * samples.group):
        for name, out in outputs.items():
            seen.setdefault(name, []).append(rows_of(out, len(feed.indices), feed.batch))
            elements += out.size
        if elements > _PROBE_ELEMENTS:
            break
    if not seen:
        raise MeasurementError(f"the {part.name} part holds no samples; give more of them")
    views = [infer(name, outs) for name, outs in seen.items()]
    if judge.metric is None or judge.is_function:
        judged = primary(views)
    else:
        ranks = {name: _rank(outs[0]) for name, outs in seen.items()}
        judged = outlook_for(judge.metric, views, ranks)
    plain = ("regression", "identifiers", "embedding")
    others = [v for v in views if v.output != judged.output and v.kind not in plain]
    return [judged, *others]


def _rank(out: Array) -> int:
    """Number of axes, trailing ones of size 1 left out."""
    shape = out.shape
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return len(shape)
