"""How long one run of a model takes, and how many times faster a candidate is than the original.

In a fresh process, bound to as many processors as the target has threads, warm, with the original
and the candidate interleaved (see `runtime.rounds`): the speedup is the median over rounds of the
ratio within the round (see `series` for its interval). The models are loaded anew several times, if
that is quick. The bytes timed are those of the file given.

Where other work took the processor away in the middle of runs, only the rounds count in which it
did not. Where that leaves too few, waiting is taken out of all of them, and the interval is widened
by a share of what was taken out: what an interruption costs beside the waiting is not known.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lissom.isolate.child import ChildLimits, call
from lissom.measure import environment
from lissom.measure.feeds import read_feed, write_feed
from lissom.measure.load import Load, Meter
from lissom.measure.pinning import Quiet, place_now
from lissom.measure.series import summary, undisturbed
from lissom.runtime import registry, rounds
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Latency", "Timing", "compare_latency", "time_model"]

_TIGHT = 0.01  # half the interval's width, relative, at which more rounds tell nothing new
_LOADINGS = 5
_LEAST_LOADINGS = 3  # fewer say nothing about how loadings differ
_LEAST_ROUNDS = 5
_LEAST_OF_MANY = 3  # in each loading
_WARM_SECONDS = 1.0
_DOUBT = 0.2  # of the waiting that was taken out: how far the rest may be off
_SLOW_SECONDS = 0.02  # a run that is longer gets more time, so that there are as many rounds
_SLOW_ROUNDS = 12
_LONGEST = 8  # times the seconds that were given


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The time of one run, in milliseconds.

    Attributes:
        median_ms: Over all runs.
        p90_ms: Nine of ten runs were at most this long.
        interval_ms: 95% confidence of the median.
        runs: How many runs it rests on.
        busy: The share of all its runs' time in which they waited for a processor, 0 to 1.
        warm: Its times had stopped falling when it was timed.
    """

    median_ms: float
    p90_ms: float
    interval_ms: tuple[float, float]
    runs: int
    busy: float = 0.0
    warm: bool = True

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "median_ms": self.median_ms,
            "p90_ms": self.p90_ms,
            "interval_ms": list(self.interval_ms),
            "runs": self.runs,
            "busy": self.busy,
            "warm": self.warm,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Latency":
        """Read what `to_json` wrote."""
        low, high = value["interval_ms"]
        return cls(
            median_ms=value["median_ms"],
            p90_ms=value["p90_ms"],
            interval_ms=(low, high),
            runs=value["runs"],
            busy=value["busy"],
            warm=value["warm"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A candidate timed against the original.

    Attributes:
        original: The original's latency, from the same rounds.
        candidate: The candidate's.
        speedup: Original over candidate: the median over rounds; above 1 is faster.
        speedup_interval: 95% confidence.
        rounds: How many rounds it rests on.
        environment: The fingerprint of the machine and versions.
        load: What the machine did beside it.
    """

    original: Latency
    candidate: Latency
    speedup: float
    speedup_interval: tuple[float, float]
    rounds: int
    environment: str
    load: Load = field(default_factory=Load)

    @property
    def busy(self) -> float:
        """The share of time in which the one that waited more waited for a processor, 0 to 1."""
        return max(self.original.busy, self.candidate.busy)

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "original": self.original.to_json(),
            "candidate": self.candidate.to_json(),
            "speedup": self.speedup,
            "speedup_interval": list(self.speedup_interval),
            "rounds": self.rounds,
            "environment": self.environment,
            "load": self.load.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Timing":
        """Read what `to_json` wrote."""
        low, high = value["speedup_interval"]
        return cls(
            original=Latency.from_json(value["original"]),
            candidate=Latency.from_json(value["candidate"]),
            speedup=value["speedup"],
            speedup_interval=(low, high),
            rounds=value["rounds"],
            environment=value["environment"],
            load=Load.from_json(value["load"]),
        )


def compare_latency(
    original: Path,
    candidate: Path,
    feed: Mapping[str, np.ndarray],
    target: Target,
    candidate_target: Target | None = None,
    *,
    seconds: float = 3.0,
    store: Store,
    quiet: Quiet | None = None,
) -> Timing:
    """Time a candidate against the original. Every call measures anew; keeping is the caller's.

    It ends when the speedup is known to 1% (half the interval's width), or when `seconds` of
    timing are spent; loading and warming up come on top. Models that take more than 20 ms for a run
    get more, up to 8 times as much, for a dozen rounds.

    Args:
        original: The original's file.
        candidate: The candidate's file.
        feed: What both are fed.
        target: Where the original runs.
        candidate_target: Where the candidate runs (other options or threads); None for the same.
        seconds: How long to time at most.
        store: For a scratch folder only.
        quiet: Waits for idle processors first; None takes the least busy as they are.

    Raises:
        MeasurementError: The runtime cannot load or run one of them.
        ChildFailed: It crashed, or took far too long.
    """
    both = (target, candidate_target or target)
    found = _time((original, candidate), feed, both, seconds=seconds, store=store, quiet=quiet)
    ratios = [[one / other for one, other in part] for part in found["rounds"]]
    doubt = max(found["doubt"])
    middle, interval = summary(ratios, doubt=doubt)
    return Timing(
        original=_latency(found, 0),
        candidate=_latency(found, 1),
        speedup=middle,
        speedup_interval=interval,
        rounds=sum(len(part) for part in ratios),
        environment=environment.current().fingerprint,
        load=Load.from_json(found["load"]),
    )


def time_model(
    path: Path,
    feed: Mapping[str, np.ndarray],
    target: Target,
    store: Store,
    *,
    seconds: float = 2.0,
    quiet: Quiet | None = None,
) -> Latency:
    """Time one model alone. Every call measures anew. See `compare_latency`.

    Raises:
        MeasurementError: The runtime cannot load or run it.
        ChildFailed: It crashed, or took far too long.
    """
    return _latency(_time((path,), feed, (target,), seconds=seconds, store=store, quiet=quiet), 0)


def _latency(found: Mapping[str, Json], index: int) -> Latency:
    per_round = [[one[index] * 1e3 for one in part] for part in found["rounds"]]
    doubt = found["doubt"][index]
    median_ms, interval_ms = found["median_ms"][index], summary(per_round, doubt=doubt)[1]
    return Latency(
        median_ms=median_ms,
        p90_ms=max(median_ms, found["p90_ms"][index]),
        interval_ms=(min(interval_ms[0], median_ms), max(interval_ms[1], median_ms)),
        runs=found["runs"][index],
        busy=found["busy"][index],
        warm=found["warm"][index],
    )


def _time(
    paths: Sequence[Path],
    feed: Mapping[str, np.ndarray],
    targets: Sequence[Target],
    *,
    seconds: float,
    store: Store,
    quiet: Quiet | None,
) -> Json:
    threads = max(target.threads for target in targets)
    place = place_now(threads) if quiet is None else quiet.processors(threads)
    with store.scratch() as folder:
        found = call(
            "lissom.measure.latency:time_in_rounds",
            {
                "paths": [str(path.resolve()) for path in paths],
                "feed": write_feed(feed, folder),
                "targets": [target.to_json() for target in targets],
                "seconds": seconds,
            },
            limits=ChildLimits(seconds=600.0 + 10 * _LONGEST * seconds, cpus=place.cpus),
        )
    load = Load.from_json(found["load"])
    before = replace(load, waited_seconds=place.waited_seconds, quiet=place.quiet)
    return {**found, "load": before.to_json()}


def time_in_rounds(
    *,
    paths: Sequence[str],
    feed: Mapping[str, Json],
    targets: Sequence[Mapping[str, Json]],
    seconds: float,
) -> Json:
    """Child entry: time models in rounds, in several loadings.

    Returns:
        See `_told`.
    """
    given = read_feed(feed)
    places = [Target.from_json(target) for target in targets]
    parts: list[list[rounds.Round]] = []
    warm = [True] * len(paths)
    spent = 0.0
    meter = Meter()
    order = list(range(len(paths)))
    for _ in range(_LOADINGS):
        start = time.perf_counter()
        with ExitStack() as stack:
            opened = {
                i: stack.enter_context(
                    registry.load(places[i].runtime).open(Path(paths[i]), places[i])
                )
                for i in order
            }
            sessions = [opened[i] for i in sorted(order)]
            order.reverse()  # who is loaded first lies elsewhere in memory: by turns
            settled = [rounds.settle(each, given, seconds=_WARM_SECONDS) for each in sessions]
            warm = [so_far and one.steady for so_far, one in zip(warm, settled, strict=True)]
            runs = [one.run_seconds for one in settled]
            preparing = time.perf_counter() - start
            if not parts:
                seconds = _enough(seconds, runs)
            # Loading anew must not take longer than the timing itself.
            quick = preparing * _LOADINGS < 3 * seconds
            share = seconds / _LOADINGS if quick else seconds - spent
            counts = [rounds.runs_per_round(run) for run in runs]
            start = time.perf_counter()
            part: list[rounds.Round] = []
            parts.append(part)
            interleaved = rounds.interleave(sessions, [given] * len(sessions), counts)
            next(interleaved)  # meets caches as warming up left them: 2% off has been seen
            for one in interleaved:
                part.append(one)
                passed = time.perf_counter() - start
                if len(part) >= (_LEAST_OF_MANY if quick else _LEAST_ROUNDS) and passed > share:
                    break
            spent += time.perf_counter() - start
        if spent >= seconds * 0.95 or (len(parts) >= _LEAST_LOADINGS and _is_tight(parts)):
            break
    return {**_told(parts), "warm": warm, "load": meter.load().to_json()}


def _enough(seconds: float, runs: Sequence[float]) -> float:
    """How long to time: longer than was said where that would be a few rounds of slow models."""
    if max(runs) <= _SLOW_SECONDS:
        return seconds
    wanted = _SLOW_ROUNDS * rounds.round_seconds(runs)
    return max(seconds, min(_LONGEST * seconds, wanted))


def _told(parts: Sequence[Sequence[rounds.Round]]) -> dict[str, Json]:
    """What a child answers of its rounds.

    Returns:
        `rounds`: for each loading, for each round that counts, the typical seconds of a run of each
        model; and for each model `median_ms`, `p90_ms` and `runs` of these rounds, `busy` (the
        share of time that it waited for a processor, in all rounds) and `doubt` (by what share its
        times may be off, for the waiting that was taken out of them).
    """
    kept = undisturbed([[one.waits for one in part] for part in parts], rounds.DISTURBED)
    every = [one for part in parts for one in part]
    busy = [statistics.fmean(waits) for waits in zip(*(one.waits for one in every), strict=True)]
    if kept is not None:
        parts = [[part[i] for i in use] for part, use in zip(parts, kept, strict=True)]
        every = [one for part in parts for one in part]
    runs = [[run for one in every for run in one.seconds[index]] for index in range(len(busy))]
    medians = [statistics.median(each) for each in runs]
    if kept is None:
        medians = [
            statistics.median(each) for each in zip(*(one.typical for one in every), strict=True)
        ]
    return {
        "rounds": [[one.typical for one in part] for part in parts if part],
        "median_ms": [median * 1e3 for median in medians],
        "p90_ms": [float(np.quantile(each, 0.9)) * 1e3 for each in runs],
        "runs": [len(each) for each in runs],
        "busy": busy,
        "doubt": [0.0 if kept is not None else _DOUBT * share for share in busy],
    }


def _is_tight(parts: Sequence[Sequence[rounds.Round]]) -> bool:
    """Whether the first model's time over the last's (or its time alone) is known to 1%."""
    found = _told(parts)
    alone = len(found["runs"]) == 1
    values = [[one[0] if alone else one[0] / one[-1] for one in part] for part in found["rounds"]]
    doubt = max(found["doubt"])
    middle, (low, high) = summary(values, doubt=doubt)
    return high - low < 2 * _TIGHT * middle
