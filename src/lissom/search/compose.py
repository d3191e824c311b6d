"""A result put together from what a run has so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lissom.measure.environment import Environment
from lissom.measure.noise import Noise
from lissom.search.candidate import Candidate
from lissom.search.front import CLOSE, choose, front
from lissom.search.job import Job
from lissom.search.noise import noise_notes
from lissom.search.places import in_words
from lissom.search.result import Choice, DataFacts, ModelFacts, NotTried, Result
from lissom.search.units import format_percent, format_points

__all__ = ["Found", "compose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a run found so far.

    Attributes:
        original: the user's model, measured.
        tried: the candidates, failed ones too.
        left_out: recipes that were not tried.
        seconds: of work, over all sittings.
        finished: nothing is left to do.
        noise: of the clock; None where nothing was timed.
    """

    original: Candidate
    tried: Sequence[Candidate]
    left_out: Sequence[NotTried]
    seconds: float
    finished: bool
    noise: Noise | None = None


def compose(
    job: Job,
    environment: Environment,
    found: Found,
    *,
    folder: Path | None = None,
) -> Result:
    """Answer the front and the choice as they are now.

    Args:
        job: what the run works on.
        environment: of this machine.
        found: what was found so far.
        folder: where the run's files lie; None when nothing is written.
    """
    original = steadied(found.original, found.tried)
    every = [original, *found.tried]
    choice = choose(every, job.limits)
    reason = why_nothing(job, found)
    if reason and choice.met and choice.name == original.name:
        choice = Choice(name=choice.name, met=True, reasons=(reason,))
    kept = "" if choice.name == original.name else choice.name
    return Result(
        model=model_facts(job),
        data=data_facts(job),
        original=original,
        candidates=tuple(found.tried),
        front=tuple(c.name for c in front(every, job.limits.goal, keep=kept)),
        choice=choice,
        limits=job.limits,
        target=job.opened.target,
        environment=environment,
        seed=job.seed,
        not_tried=tuple(found.left_out),
        notes=(
            *job.opened.notes,
            *remarks(job),
            *whereabouts(job, every, choice),
            *noise_notes(found.tried),
        ),
        noise=found.noise,
        seconds=round(found.seconds, 3),
        finished=found.finished,
        folder=folder,
    )


def whereabouts(job: Job, every: Sequence[Candidate], choice: Choice) -> tuple[str, ...]:
    """Where the chosen one runs, if that is not where the original was measured."""
    chosen = next(one for one in every if one.name == choice.name)
    here, there = in_words(job.opened.target), in_words(chosen.target)
    if here == there:
        return ()
    return (
        f"{chosen.name} was measured on {there}, and the original on {here}: run it so. "
        "result.json holds all options, and lissom measure reads them from there.",
    )


def why_nothing(job: Job, found: Found) -> str:
    """Why there was nothing to choose from; empty if there was, or if the run has just begun."""
    if job.opened.model.already_quantized:
        return "The model is already quantized: it is returned unchanged."
    if found.tried or not found.left_out or not found.finished:
        return ""
    reasons = dict.fromkeys(one.reason for one in found.left_out)
    return f"The original is returned: nothing was worth a try ({'; '.join(reasons)})."


def steadied(original: Candidate, tried: Sequence[Candidate]) -> Candidate:
    """The original with the middle one of all the latencies that it was measured to have.

    It was timed alone once, and again beside every candidate; a machine that was busy at one of
    these moments should not speak for all.
    """
    if original.timing is None:
        return original
    found = [original.timing.candidate]
    found += [one.timing.original for one in tried if one.timing is not None]
    middle = sorted(found, key=lambda latency: latency.median_ms)[(len(found) - 1) // 2]
    return replace(original, timing=replace(original.timing, original=middle, candidate=middle))


def model_facts(job: Job) -> ModelFacts:
    """What the report says of the user's file."""
    opened = job.opened
    return ModelFacts(
        file_name=opened.path.name,
        sha256=opened.facts.sha256,
        size_bytes=opened.facts.size_bytes,
        producer=opened.facts.producer,
        opset=opened.facts.opset,
        already_quantized=opened.facts.already_quantized,
        history=opened.model.history,
        notes=opened.model.notes,
    )


def data_facts(job: Job) -> DataFacts | None:
    """What the report says of the samples."""
    samples = job.opened.samples
    if samples is None:
        return None
    return DataFacts(
        fingerprint=samples.fingerprint,
        count=samples.count,
        labels=samples.labels,
        calibration=len(samples.part("calibration")),
        selection=len(samples.part("selection")),
        certification=len(samples.part("certification")),
    )


def remarks(job: Job) -> tuple[str, ...]:
    """Sentences that hold for the whole run."""
    found = []
    limits = job.limits
    if job.opened.samples is None:
        found.append(
            "Quality was not measured: no samples were given, so nothing but a lossless candidate "
            "is called within a drop limit. Where no limit was named, what is chosen gives outputs "
            f"that differ by at most {format_percent(CLOSE)} of their range on generated inputs; "
            "give samples (--data) to have quality judged."
        )
    elif limits.max_drop is not None and len(job.opened.samples.part("certification")) == 0:
        found.append("The drop is not certified: too few samples to keep some aside for it.")
    if limits.default_drop and limits.max_drop is not None:
        found.append(
            f"No limit on the drop was named: {format_points(limits.max_drop)} were taken."
        )
    return tuple(found)
