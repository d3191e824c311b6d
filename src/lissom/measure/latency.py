"""How long one run of a model takes, and how many times faster a candidate is than the original.

In a fresh process, bound to as many processors as the target has threads, warm, with the original
and the candidate interleaved (see `runtime.rounds`): the speedup is the median over rounds of the
ratio within the round. The bytes timed are those of the file given.

Rounds follow one another within milliseconds, so neighbours are alike, and an interval that took
them for independent would be too narrow. They are joined in batches until neighbours no longer
correlate; the interval is the bootstrap's over the batches (batch means: Law, Simulation Modeling
and Analysis, section 9.5.3, here with medians). What differs from one loading of a model to the
next (where its memory lies: half a percent has been seen) is not in such an interval. The models
are therefore loaded anew several times, if that is quick, and the interval widened by what the
loadings differ beyond the noise inside them (a random effect).
"""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lissom.isolate.child import ChildLimits, call
from lissom.measure import environment
from lissom.measure.feeds import read_feed, write_feed
from lissom.measure.pinning import quiet_cpus
from lissom.numerics.statistics import bootstrap_median
from lissom.runtime import registry, rounds
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Latency", "Timing", "batches", "compare_latency", "time_model"]

_TIGHT = 0.01  # half the interval's width, relative, at which more rounds tell nothing new
_LOADINGS = 5
_LEAST_LOADINGS = 3  # fewer say nothing about how loadings differ
_LEAST_ROUNDS = 5
_LEAST_BATCHES = 8  # in all: fewer make a bootstrap of nothing
_WARM_SECONDS = 1.0
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The time of one run, in milliseconds.

    Attributes:
        median_ms: Over all runs.
        p90_ms: Nine of ten runs were at most this long.
        interval_ms: 95% confidence of the median.
        runs: How many runs it rests on.
    """

    median_ms: float
    p90_ms: float
    interval_ms: tuple[float, float]
    runs: int

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "median_ms": self.median_ms,
            "p90_ms": self.p90_ms,
            "interval_ms": list(self.interval_ms),
            "runs": self.runs,
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
    """

    original: Latency
    candidate: Latency
    speedup: float
    speedup_interval: tuple[float, float]
    rounds: int
    environment: str

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "original": self.original.to_json(),
            "candidate": self.candidate.to_json(),
            "speedup": self.speedup,
            "speedup_interval": list(self.speedup_interval),
            "rounds": self.rounds,
            "environment": self.environment,
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
) -> Timing:
    """Time a candidate against the original. Every call measures anew; keeping is the caller's.

    It ends when the speedup is known to 1% (half the interval's width), or when `seconds` of
    timing are spent; loading and warming up come on top.

    Args:
        original: The original's file.
        candidate: The candidate's file.
        feed: What both are fed.
        target: Where the original runs.
        candidate_target: Where the candidate runs (other options or threads); None for the same.
        seconds: How long to time at most.
        store: For a scratch folder only.

    Raises:
        MeasurementError: The runtime cannot load or run one of them.
        ChildFailed: It crashed, or took far too long.
    """
    both = (target, candidate_target or target)
    found = _time((original, candidate), feed, both, seconds=seconds, store=store)
    ratios = [[one / other for one, other in part] for part in found["rounds"]]
    middle, interval = _summary(ratios)
    return Timing(
        original=_latency(found, 0),
        candidate=_latency(found, 1),
        speedup=middle,
        speedup_interval=interval,
        rounds=sum(len(part) for part in ratios),
        environment=environment.current().fingerprint,
    )


def time_model(
    path: Path,
    feed: Mapping[str, np.ndarray],
    target: Target,
    store: Store,
    *,
    seconds: float = 2.0,
) -> Latency:
    """Time one model alone. Every call measures anew.

    Raises:
        MeasurementError: The runtime cannot load or run it.
        ChildFailed: It crashed, or took far too long.
    """
    return _latency(_time((path,), feed, (target,), seconds=seconds, store=store), 0)


def batches(parts: Sequence[Sequence[float]]) -> list[float]:
    """Join neighbouring values in batches, by their median, until batches do not correlate.

    Args:
        parts: Values in the order of time; a batch never spans two parts.

    Returns:
        The batches' medians: the values themselves if neighbours are independent; never fewer than
        8, where there are as many values.
    """
    kept = [list(part) for part in parts if part]
    size = 1
    while True:
        joined = [_joined(part, size) for part in kept]
        count = sum(map(len, joined))
        fewer = sum(max(1, len(part) // (2 * size)) for part in kept)
        if fewer < _LEAST_BATCHES or _correlation(joined) < 2 / math.sqrt(count):
            return [value for part in joined for value in part]
        size *= 2


def _joined(part: Sequence[float], size: int) -> list[float]:
    whole = max(1, len(part) // size)
    return [float(np.median(piece)) for piece in np.array_split(np.asarray(part), whole)]


def _correlation(parts: Sequence[Sequence[float]]) -> float:
    """How much neighbours are alike: the lag-1 autocorrelation of their ranks, over all parts.

    Ranks, so that one interrupted run does not hide it.
    """
    flat = np.asarray([value for part in parts for value in part])
    ranks = flat.argsort().argsort() - (flat.size - 1) / 2
    ends = np.cumsum([len(part) for part in parts])[:-1]
    pairs = ranks[:-1] * ranks[1:]
    within = np.ones(pairs.size, bool)
    within[ends - 1] = False
    square = float(np.mean(ranks**2))
    return float(np.mean(pairs[within])) / square if within.any() and square else 0.0


def _summary(parts: Sequence[Sequence[float]]) -> tuple[float, tuple[float, float]]:
    """The median of all values and its 95% interval: over batches, widened by loadings (parts).

    Times and their ratios are positive, so the interval is found among their logarithms.
    """
    logs = [[math.log(value) for value in part] for part in parts]
    low, high = bootstrap_median(batches(logs), seed=_SEED)
    middle = float(np.median([value for part in logs for value in part]))
    between = _between_parts(logs)
    # Batches of unequal size may put the plain median a hair outside.
    below = math.hypot(max(0.0, middle - low), between)
    above = math.hypot(max(0.0, high - middle), between)
    return math.exp(middle), (math.exp(middle - below), math.exp(middle + above))


def _between_parts(parts: Sequence[Sequence[float]]) -> float:
    """Half a 95% interval's width that is due to how loadings differ, beyond the noise in each.

    The variance of the parts' medians, less what their own noise explains (variance components by
    the analysis of variance), over their number, times Student's t. Zero for fewer than three.
    """
    if len(parts) < _LEAST_LOADINGS:
        return 0.0
    from scipy.special import stdtrit

    medians = [statistics.median(part) for part in parts]
    inside = []
    for part in parts:
        low, high = bootstrap_median(batches([part]), seed=_SEED)
        inside.append(((high - low) / 3.92) ** 2)
    beyond = max(0.0, statistics.variance(medians) - statistics.fmean(inside))
    return float(stdtrit(len(parts) - 1, 0.975)) * math.sqrt(beyond / len(parts))


def _latency(found: Mapping[str, Json], index: int) -> Latency:
    per_round = [[one[index] * 1e3 for one in part] for part in found["rounds"]]
    median_ms, interval_ms = found["median_ms"][index], _summary(per_round)[1]
    return Latency(
        median_ms=median_ms,
        p90_ms=found["p90_ms"][index],
        interval_ms=(min(interval_ms[0], median_ms), max(interval_ms[1], median_ms)),
        runs=found["runs"][index],
    )


def _time(
    paths: Sequence[Path],
    feed: Mapping[str, np.ndarray],
    targets: Sequence[Target],
    *,
    seconds: float,
    store: Store,
) -> Json:
    cpus = quiet_cpus(max(target.threads for target in targets))
    with store.scratch() as folder:
        return call(
            "lissom.measure.latency:time_in_rounds",
            {
                "paths": [str(path.resolve()) for path in paths],
                "feed": write_feed(feed, folder),
                "targets": [target.to_json() for target in targets],
                "seconds": seconds,
            },
            limits=ChildLimits(seconds=600.0 + 10 * seconds, cpus=cpus),
        )


def time_in_rounds(
    *,
    paths: Sequence[str],
    feed: Mapping[str, Json],
    targets: Sequence[Mapping[str, Json]],
    seconds: float,
) -> Json:
    """Child entry: time models in rounds, in several loadings.

    Returns:
        `rounds`: for each loading, for each round, the median seconds of a run of each model; and
        over all runs, for each model, `median_ms`, `p90_ms` and `runs`.
    """
    given = read_feed(feed)
    places = [Target.from_json(target) for target in targets]
    parts: list[list[list[float]]] = []
    every: list[list[float]] = [[] for _ in paths]
    spent = 0.0
    for _ in range(_LOADINGS):
        start = time.perf_counter()
        with ExitStack() as stack:
            sessions = [
                stack.enter_context(registry.load(place.runtime).open(Path(path), place))
                for path, place in zip(paths, places, strict=True)
            ]
            warm = [rounds.settle(each, given, seconds=_WARM_SECONDS) for each in sessions]
            preparing = time.perf_counter() - start
            counts = [rounds.runs_per_round(run) for run in warm]
            # Loading anew must not take longer than the timing itself.
            quick = preparing * _LOADINGS < 3 * seconds
            share = seconds / _LOADINGS if quick else seconds - spent
            start = time.perf_counter()
            part: list[list[float]] = []
            parts.append(part)
            for times in rounds.interleave(sessions, [given] * len(sessions), counts):
                part.append([statistics.median(run) for run in times])
                for runs, more in zip(every, times, strict=True):
                    runs.extend(more)
                if len(part) >= _LEAST_ROUNDS and time.perf_counter() - start > share:
                    break
            spent += time.perf_counter() - start
        if spent >= seconds * 0.95 or (len(parts) >= _LEAST_LOADINGS and _is_tight(parts)):
            break
    return {
        "rounds": parts,
        "median_ms": [statistics.median(runs) * 1e3 for runs in every],
        "p90_ms": [float(np.quantile(runs, 0.9)) * 1e3 for runs in every],
        "runs": [len(runs) for runs in every],
    }


def _is_tight(parts: Sequence[Sequence[Sequence[float]]]) -> bool:
    """Whether the first model's time over the last's (or its time alone) is known to 1%."""
    alone = len(parts[0][0]) == 1
    values = [[one[0] if alone else one[0] / one[-1] for one in part] for part in parts]
    middle, (low, high) = _summary(values)
    return high - low < 2 * _TIGHT * middle
