"""A candidate's file, measured: does it run, how fast, how much memory, how good.

Each number is kept in the store by itself, under what it depends on, and the whole candidate once
it is complete. What is measured are the very bytes that are delivered.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lissom.errors import (
    BrokenPromise,
    ChildFailed,
    LissomError,
    MeasurementError,
    MethodError,
    ModelError,
)
from lissom.measure import environment
from lissom.measure.latency import Latency, Timing, compare_latency, time_model
from lissom.measure.memory import peak_memory
from lissom.measure.parity import Parity, parity
from lissom.measure.profile import operator_times
from lissom.measure.quality import Quality, judge
from lissom.recipe import Recipe
from lissom.runtime.target import Target
from lissom.search import record
from lissom.search.build import Built, placed
from lissom.search.candidate import ORIGINAL, Candidate, OperatorTime
from lissom.search.counting import count_macs, counted_work
from lissom.search.explain import by_operator, integer_share, on_integers, remarks
from lissom.search.job import Job, Opened
from lissom.search.progress import Stage
from lissom.search.proposals import Proposal
from lissom.store.hashing import sha256_arrays

__all__ = [
    "assess",
    "assess_original",
    "explained",
    "failed",
    "recall",
    "target_of",
    "unmeasured_original",
]

KIND: Final = "candidate"
SECONDS: Final = 2.0  # of timing, at most; it ends earlier when the ratio is known to 1%
WIDE: Final = 0.2  # an interval that says too little, relative to the speedup
ATTEMPTS: Final = 3
UNLIKE: Final = frozenset({"goal", "limits", "places", "recipe"})  # of runs that share candidates
KEPT: Final = (MethodError, MeasurementError, ModelError)  # it would fail again

Tell = Callable[[Stage], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What is asked of one file: the file, its hash, where it runs if not where the run does."""

    path: Path
    sha256: str
    opened: Opened
    place: Target | None = None

    @property
    def target(self) -> Target:
        """Where it runs."""
        return self.place or self.opened.target

    def inputs(self) -> dict[str, Any]:
        """What every measurement on this machine depends on."""
        return {
            "model": self.sha256,
            "original": self.opened.facts.sha256,
            "feed": sha256_arrays(dict(self.opened.feed)),
            "target": self.target.to_json(),
            "against": self.opened.target.to_json(),
            "environment": environment.current().fingerprint,
        }

    def remembered(self, kind: str, compute: Callable[[], Any]) -> Any:
        """A measurement from the store, or made now and kept."""
        return self.opened.store.remember(kind, self.inputs(), compute)

    def latency(self) -> Latency:
        """Of the file alone."""
        opened = self.opened
        value = self.remembered(
            "latency",
            lambda: time_model(
                self.path,
                opened.feed,
                self.target,
                opened.store,
                seconds=SECONDS,
                quiet=opened.quiet,
            ).to_json(),
        )
        return Latency.from_json(value)

    def timing(self) -> Timing:
        """Against the original, interleaved; made again if the machine was too busy to tell."""

        def compute() -> dict[str, Any]:
            found = [self.timed()]
            while width(found[-1]) > WIDE and len(found) < ATTEMPTS:
                found.append(self.timed())
            return min(found, key=width).to_json()

        return Timing.from_json(self.remembered("timing", compute))

    def timed(self) -> Timing:
        """Against the original, interleaved, once."""
        opened = self.opened
        return compare_latency(
            opened.path,
            self.path,
            opened.feed,
            opened.target,
            self.target,
            seconds=SECONDS,
            store=opened.store,
            quiet=opened.quiet,
        )

    def parity(self) -> Parity:
        """How near its outputs are to the original's."""
        opened = self.opened
        given = {**self.inputs(), "checks": [sha256_arrays(dict(one)) for one in opened.checks]}

        def compute() -> dict[str, Any]:
            return parity(
                opened.path,
                self.path,
                opened.checks,
                opened.target,
                opened.store,
                other_target=self.target,
            ).to_json()

        return Parity.from_json(opened.store.remember("parity", given, compute))

    def memory_bytes(self) -> int:
        """Growth of peak resident memory."""
        opened = self.opened
        grown: int = self.remembered(
            "memory",
            lambda: peak_memory(self.path, opened.feed, self.target, opened.store),
        )
        return grown

    def operators(self) -> tuple[tuple[OperatorTime, ...], tuple[str, ...]]:
        """From the runtime's own profile: time by operator, and the products on integers."""
        opened = self.opened

        def compute() -> dict[str, Any]:
            nodes = operator_times(
                self.path,
                opened.feed,
                self.target,
                opened.store,
                attributed=True,
                quiet=opened.quiet,
            )
            times = [record.operator_to_json(one) for one in by_operator(nodes)]
            return {"times": times, "integer": list(on_integers(nodes))}

        found = self.remembered("operators that ran", compute)
        return tuple(map(record.operator_from_json, found["times"])), tuple(found["integer"])

    def quality(self, job: Job) -> Quality | None:
        """On the selection part; None without samples. Kept by `judge` itself."""
        opened = self.opened
        if opened.samples is None:
            return None
        part = opened.samples.part("selection")
        return judge(
            opened.path,
            self.path,
            opened.samples,
            part,
            by=job.judge,
            target=opened.target,
            candidate_target=self.target,
        )


def width(timing: Timing) -> float:
    """Width of a speedup's interval, relative to the speedup."""
    low, high = timing.speedup_interval
    return (high - low) / timing.speedup


def unmeasured_original(job: Job) -> Candidate:
    """The user's own model, with what is known of it without running it."""
    opened = job.opened
    return Candidate(
        name=ORIGINAL,
        title="your model, as it is",
        recipe=Recipe(name=ORIGINAL, seed=job.seed),
        target=opened.target,
        sha256=opened.facts.sha256,
        lossless=True,
        max_relative_error=0.0,
        size_bytes=opened.facts.size_bytes,
        parameters=opened.model.parameters,
    )


def assess_original(job: Job) -> Candidate:
    """Measure the user's own model: what every candidate is held against.

    Raises:
        MeasurementError: the runtime cannot load or run it.
        ChildFailed: it crashed the runtime, or took far too long.
    """
    opened = job.opened
    bare = unmeasured_original(job)
    itself = Proposal(title=bare.title, recipe=bare.recipe)
    known = recall(job, itself)
    if known is not None:
        return known
    started = time.monotonic()
    numbers = Numbers(path=opened.path, sha256=opened.facts.sha256, opened=opened)
    latency = numbers.latency()
    quality = numbers.quality(job)
    if quality is not None:
        # against itself nothing is lost: known, not estimated
        quality = replace(
            quality,
            drop=0.0,
            drop_interval=(0.0, 0.0),
            disagreement=0.0,
            disagreement_interval=(0.0, 0.0),
        )
    measured = replace(
        bare,
        quality=quality,
        timing=Timing(
            original=latency,
            candidate=latency,
            speedup=1.0,
            speedup_interval=(1.0, 1.0),
            rounds=latency.runs,
            environment=environment.current().fingerprint,
        ),
        memory_bytes=numbers.memory_bytes(),
        macs=count_macs(opened.model, opened),
        seconds=round(time.monotonic() - started, 3),
    )
    keep(job, itself, measured)
    return measured


def assess(job: Job, proposal: Proposal, built: Built, tell: Tell) -> Candidate:
    """Verify and measure a candidate's file, and keep the whole.

    Raises:
        MeasurementError: the runtime cannot load or run it.
        ChildFailed: it crashed the runtime, or took far too long.
    """
    opened = job.opened
    started = time.monotonic()
    with placed(opened.store, built.file, built.data_file) as path:
        target = target_of(job, proposal)
        numbers = Numbers(path=path, sha256=built.file.sha256, opened=opened, place=target)
        tell("verify")
        same = numbers.parity()
        tell("latency")
        timing = numbers.timing()
        tell("memory")
        memory_bytes = numbers.memory_bytes()
        tell("quality")
        quality = numbers.quality(job)
    candidate = replace(
        skeleton(job, proposal, built),
        lossless=same.held,
        max_relative_error=finite(same.max_relative_error),
        quality=quality,
        timing=timing,
        memory_bytes=memory_bytes,
        seconds=round(built.seconds + time.monotonic() - started, 3),
    )
    keep(job, proposal, candidate)
    return candidate


def failed(
    job: Job, proposal: Proposal, built: Built | None, error: LissomError, *, seconds: float
) -> Candidate:
    """A candidate that could not be made or measured, with the reason; kept if it will last."""
    words = " ".join(str(error).split())
    candidate = replace(
        skeleton(job, proposal, built),
        failed=words or type(error).__name__,
        seconds=round(seconds, 3),
    )
    if (isinstance(error, KEPT) and not isinstance(error, BrokenPromise)) or (
        isinstance(error, ChildFailed) and error.kind == "crashed"
    ):
        keep(job, proposal, candidate)
    return candidate


def skeleton(job: Job, proposal: Proposal, built: Built | None) -> Candidate:
    """What is known of a candidate before it is measured."""
    bare = Candidate(
        name=proposal.name,
        title=proposal.title,
        recipe=proposal.recipe,
        target=target_of(job, proposal),
    )
    if built is None:
        return bare
    data_bytes = 0 if built.data_file is None else built.data_file.size_bytes
    return replace(
        bare,
        steps=built.steps,
        file=built.file,
        data_file=built.data_file,
        sha256=built.file.sha256,
        size_bytes=built.file.size_bytes + data_bytes,
        macs=built.macs,
        parameters=built.parameters,
    )


def target_of(job: Job, proposal: Proposal) -> Target:
    """Where a candidate runs."""
    return job.opened.target if proposal.place is None else proposal.place.target


def finite(error: float) -> float | None:
    """An error that JSON can say; None for one beyond all bounds."""
    return error if math.isfinite(error) else None


def recall(job: Job, proposal: Proposal) -> Candidate | None:
    """The candidate if it was measured, or failed for good, before; None otherwise."""
    store = job.opened.store
    found = store.get_json(store.key(KIND, inputs(job, proposal)))
    return None if found is None else record.from_json(found)


def keep(job: Job, proposal: Proposal, candidate: Candidate) -> None:
    """Keep a whole candidate in the store."""
    store = job.opened.store
    given = inputs(job, proposal)
    store.put_json(store.key(KIND, given), record.to_json(candidate), kind=KIND, inputs=given)


def inputs(job: Job, proposal: Proposal) -> dict[str, Any]:
    """All that a measured candidate depends on: the run, but for its limits, and the machine."""
    opened = job.opened
    identity = job.identity()
    return {
        **{key: identity[key] for key in identity if key not in UNLIKE},
        "name": proposal.name,
        "title": proposal.title,
        "place": target_of(job, proposal).to_json(),
        "steps": proposal.recipe.to_json(),
        "feed": sha256_arrays(dict(opened.feed)),
        "environment": environment.current().fingerprint,
    }


def explained(job: Job, candidate: Candidate, original: Candidate) -> Candidate:
    """Add time by operator, what ran on integers, and what arithmetic does not explain."""
    opened = job.opened
    if candidate.file is None:
        return candidate
    try:
        with placed(opened.store, candidate.file, candidate.data_file) as path:
            numbers = Numbers(
                path=path, sha256=candidate.sha256, opened=opened, place=candidate.target
            )
            operators, names = numbers.operators()
            share = integer_share(counted_work(opened), names)
    except (ChildFailed, MeasurementError, ModelError) as error:
        note = f"Time by operator could not be had: {' '.join(str(error).split())}"
        return replace(candidate, remarks=(*candidate.remarks, note))
    interval = candidate.speedup_interval
    slower = interval is not None and interval[1] < 1
    words = remarks(original.operators, operators, slower=slower)
    return replace(
        candidate,
        operators=operators,
        integer_macs_share=share,
        remarks=(*candidate.remarks, *words),
    )
