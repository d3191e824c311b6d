"""The noise floor of a run, measured before anything is ranked, and what disturbed the timings."""

from collections.abc import Sequence
from typing import Any

from lissom.measure import environment
from lissom.measure.noise import Noise, measure_noise
from lissom.search import assess
from lissom.search.candidate import Candidate
from lissom.search.job import Job
from lissom.store.hashing import sha256_arrays

__all__ = ["noise_notes", "noise_of"]

KIND = "noise"
HIGH = 0.03  # a floor over this is measured again: a busy moment should not stand for a run
NOTICED = 0.05  # of a timing; less is left out of it without a word
STOPPED_SECONDS = 0.1


def noise_of(job: Job) -> Noise:
    """The original timed against itself as candidates will be; once for a run, then remembered.

    It is timed again, twice at most, where the machine was too busy to tell; the least floor holds:
    for what disturbs a candidate's timing, that one's own interval is wider.

    Raises:
        MeasurementError: the runtime cannot load or run it.
        ChildFailed: it crashed the runtime, or took far too long.
    """
    opened = job.opened
    inputs = {
        "run": job.identity(),
        "feed": sha256_arrays(dict(opened.feed)),
        "environment": environment.current().fingerprint,
    }

    def compute() -> dict[str, Any]:
        found = [measured(job)]
        while found[-1].floor > HIGH and len(found) < assess.ATTEMPTS:
            found.append(measured(job))
        return min(found, key=lambda noise: noise.floor).to_json()

    return Noise.from_json(opened.store.remember(KIND, inputs, compute))


def measured(job: Job) -> Noise:
    """The original timed against itself, now."""
    opened = job.opened
    return measure_noise(
        opened.path,
        opened.feed,
        opened.target,
        opened.store,
        seconds=assess.SECONDS,
        quiet=opened.quiet,
    )


def noise_notes(tried: Sequence[Candidate]) -> tuple[str, ...]:
    """Sentences on what disturbed the timings of candidates; none where nothing did."""
    timings = [(one.name, one.timing) for one in tried if one.timing is not None]
    found = []
    shares = [timing.busy for _, timing in timings if timing.busy > NOTICED]
    if shares:
        found.append(
            f"Other work took the processor away while {len(shares)} of {len(timings)} candidates "
            f"were timed, for up to {100 * max(shares):.0f}% of the time: what was waited is left "
            "out or taken out, and where it was taken out the interval is wider for it."
        )
    stopped = sum(timing.load.throttled_seconds for _, timing in timings)
    if stopped > STOPPED_SECONDS:
        found.append(
            f"The container was stopped for {stopped:.1f} s in all while candidates were timed, "
            "for having used up its share of the processors: give it more, and run again."
        )
    cold = [name for name, timing in timings if not timing.candidate.warm]
    if cold:
        found.append(
            f"Still getting faster when it was timed: {', '.join(cold)}. Its latency may be lower "
            "in the long run."
        )
    return tuple(found)
