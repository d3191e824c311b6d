"""Certificates for the front: the limits, tested on samples that took part in nothing before.

The order of the tests is fixed on the selection part, from the most to the least promising; then
the candidates are tested on the certification part until one is not held (`measure.certificate`).
With labels the drop itself is tested. Without, there are two sequences, each with its own
confidence: the share of answers that differ, which no loss can exceed, and the expected drop, which
rests on the original's own confidence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lissom.errors import ChildFailed, InputError, MeasurementError
from lissom.measure.certificate import Certificate, Kind, certify, measured, promise
from lissom.measure.differences import Differences, differences
from lissom.measure.latency import Timing
from lissom.search.build import placed
from lissom.search.candidate import Candidate
from lissom.search.front import choose, front
from lissom.search.job import Job
from lissom.search.limits import Limits

__all__ = ["certified", "measured_limits"]

UNTESTED: Final = (MeasurementError, ChildFailed, InputError)

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A candidate with what it lost on the certification part; or why that is not known."""

    candidate: Candidate
    lost: Differences | None = None
    failed: str = ""


def certified(job: Job, candidates: Sequence[Candidate], told: Tell) -> list[Candidate]:
    """Answer the candidates with certificates: those on the front, and the one to be chosen.

    Args:
        job: what the run works on; its limits are what is certified.
        candidates: the original and all that were tried, measured.
        told: called with the name of each candidate whose answers are looked at.
    """
    names = {one.name for one in front(candidates, job.limits.goal)}
    names.add(choose(candidates, replace(job.limits, certified=False)).name)
    rivals = [one for one in candidates if one.name in names and one.failed is None]
    proven: dict[str, list[Certificate]] = {one.name: [] for one in candidates}
    remarks: dict[str, str] = {}
    samples, limit = job.opened.samples, job.limits.max_drop
    if samples is not None and limit is not None and len(samples.part("certification")) > 0:
        judged = [one for one in rivals if not one.is_original and one.quality is not None]
        tested = [_looked_at(job, one, told) for one in judged]
        for kind, order in sequences(tested, limit).items():
            lost = [one.lost for one in order if one.lost is not None]
            besides = lost[0].assumed(kind) if lost else ""
            made = certify([one.of(kind) for one in lost], limit, kind=kind, besides=besides)
            for each, certificate in zip(order, made, strict=True):
                proven[each.candidate.name].append(certificate)
        remarks = {each.candidate.name: each.failed for each in tested if each.failed}
    for one in candidates:
        if one.name in names or one.is_original:
            proven[one.name] += measured_limits(
                job.limits, one.timing, one.size_bytes, one.memory_bytes
            )
    return [
        replace(
            one,
            certificates=tuple(proven[one.name]),
            remarks=(*one.remarks, *([remarks[one.name]] if one.name in remarks else [])),
        )
        for one in candidates
    ]


def _looked_at(job: Job, candidate: Candidate, told: Tell) -> Tested:
    """Run the original and a candidate on the certification part, or remember their answers."""
    opened = job.opened
    assert opened.samples is not None
    assert candidate.file is not None
    told(candidate.name)
    try:
        with placed(opened.store, candidate.file, candidate.data_file) as path:
            lost = differences(
                opened.path,
                path,
                opened.samples,
                opened.samples.part("certification"),
                by=job.judge,
                target=opened.target,
                candidate_target=candidate.target,
                fitted=opened.samples.part("selection"),
            )
    except UNTESTED as error:
        reason = " ".join(str(error).split())
        return Tested(candidate=candidate, failed=f"It could not be certified: {reason}")
    return Tested(candidate=candidate, lost=lost)


def sequences(tested: Sequence[Tested], limit: float) -> dict[Kind, list[Tested]]:
    """The orders of the tests, one for each kind of value, by the selection part alone.

    An order ends before a candidate whose values are not known.

    Args:
        tested: candidates that were judged on the selection part.
        limit: of the drop.
    """
    kinds = next((one.lost.kinds for one in tested if one.lost is not None), ())
    found: dict[Kind, list[Tested]] = {}
    for kind in kinds:
        order = sorted(tested, key=lambda one: _surety(one.candidate, kind, limit))
        ends = (i for i, one in enumerate(order) if one.lost is None or kind not in one.lost.kinds)
        found[kind] = order[: next(ends, len(order))]
    return found


def _surety(one: Candidate, kind: Kind, limit: float) -> tuple[float, str]:
    """A sort key: the most promising first, equal ones by name."""
    quality = one.quality
    assert quality is not None
    drop, upper = quality.drop, quality.drop_interval[1]
    if kind in ("bound", "error"):
        drop, upper = quality.disagreement, quality.disagreement_interval[1]
    return -promise(drop, upper, limit), one.name


def measured_limits(
    limits: Limits, timing: Timing | None, size_bytes: int | None, memory_bytes: int | None
) -> list[Certificate]:
    """Certificates of the limits that the machine tells; none of what was not measured.

    Args:
        limits: of the run.
        timing: the candidate's, against the original.
        size_bytes: of the file, with external data.
        memory_bytes: growth of peak resident memory.
    """
    found = []
    if limits.max_latency_ms is not None and timing is not None:
        latency = timing.candidate
        found.append(
            measured(
                "latency",
                latency.median_ms,
                limits.max_latency_ms,
                interval=latency.interval_ms,
                count=latency.runs,
            )
        )
    if limits.max_size_bytes is not None and size_bytes is not None:
        found.append(measured("size", size_bytes, limits.max_size_bytes))
    if limits.max_memory_bytes is not None and memory_bytes is not None:
        found.append(measured("memory", memory_bytes, limits.max_memory_bytes))
    return found
