"""The answer of `verify` as plain lines for a terminal."""

from lissom.report import wording
from lissom.report.verbs import aligned, latency
from lissom.search.verification import Verification

__all__ = ["verification_lines"]

_HEADS = {
    "held": "held: every limit is held",
    "not held": "NOT held",
    "too few samples": "too few samples to tell",
}


def verification_lines(found: Verification) -> list[str]:
    """The verdict and why, the numbers beside those of the run, every certificate, notes."""
    timing = found.timing
    rows = [
        ("verdict", _HEADS[found.verdict]),
        ("model", found.file_name),
        ("against", found.against),
        ("samples", _samples(found)),
        ("latency", latency(timing.candidate)),
        ("original's", latency(timing.original)),
        ("speed", _speed(found)),
        ("size", " instead of ".join(map(wording.size, reversed(found.size_bytes)))),
        ("memory", " instead of ".join(map(wording.size, reversed(found.memory_bytes)))),
    ]
    rows += _quality(found)
    lines = [*aligned(rows), "", *found.reasons]
    sentences = (one.sentence(share=found.share) for one in found.certificates)
    beside = [one for one in sentences if one not in found.reasons]
    lines += ["", "Beside it:", *beside] if beside else []
    return [*lines, "", *found.notes, _place(found)]


def _samples(found: Verification) -> str:
    left_out = f", {found.left_out:,} left out" if found.left_out else ""
    return f"{found.count:,} certify{left_out}"


def _speed(found: Verification) -> str:
    """Here, and in the run."""
    timing = found.timing
    here = wording.times(timing.speedup)
    here += wording.bounds(wording.interval_times(timing.speedup_interval))
    if found.promised_speedup is None:
        return here
    return f"{here}; the run had measured {wording.times(found.promised_speedup)}"


def _quality(found: Verification) -> list[tuple[str, str]]:
    """The measured score and drop where there are labels, else the drop that certificates know."""
    then = ""
    if found.promised_drop is not None:
        then = f"; the run had {wording.drop_points(found.promised_drop)}"
    quality = found.quality
    if quality is not None:
        between = wording.bounds(wording.interval_points(quality.drop_interval))
        return [
            ("drop", wording.drop_points(quality.drop) + between + then),
            ("score", f"{quality.score:.4f} {quality.metric}"),
        ]
    drops = [one for one in found.certificates if one.quantity == "drop"]
    names = {"bound": "differ", "error": "error", "expected": "expected drop", "labels": "drop"}
    rows = [(names[one.kind], wording.drop_points(one.estimate)) for one in drops]
    return [*rows, ("", then.removeprefix("; "))] if then else rows


def _place(found: Verification) -> str:
    """Where both ran."""
    one, other = found.target, found.reference
    threads = wording.counted(one.threads, "thread")
    where = f"on {one.runtime} {found.environment.runtimes.get(one.runtime, '')}, {threads}"
    options = ", ".join(f"{name}={value}" for name, value in one.options)
    where += f" ({options})" if options else ""
    if other != one:
        threads = wording.counted(other.threads, "thread")
        where += f"; the original on {other.runtime}, {threads}"
    return f"{where}; {found.environment.cpu}"
