"""Timing models against each other in rounds, so that what disturbs one disturbs the others.

A round runs each model a few times, one model after another, there and back (A B B A). What is
compared is compared within a round: load that comes and goes, or a clock that slowly changes, then
touches both sides alike. The protocol of every latency that Lissom reports, and of its probes.

What other processes take does not touch both sides alike: a run longer than the scheduler's time
slice is interrupted, a shorter one mostly is not. So each model's runs come with the time in which
they stood and waited for a processor, as the system counts it.
"""

import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lissom.runtime.protocol import Session

__all__ = [
    "DISTURBED",
    "Round",
    "Warmth",
    "interleave",
    "ratio",
    "round_seconds",
    "runs_per_round",
    "settle",
]

Feeds = Mapping[str, np.ndarray]

DISTURBED = 0.01
"""Where runs stood still for more than this share of their time, their median says too little."""

_ROUND_SECONDS = 0.01
_WINDOW_SECONDS = 0.02
_MOST_RUNS = 1000
_SETTLED = 0.98
_STEADY_WINDOWS = 3  # that bring nothing more: a step down may come after a level stretch
_TASKS = "/proc/self/task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmth:
    """How warming up ended.

    Attributes:
        run_seconds: Of one run: the last window's median.
        steady: Times had stopped falling when it ended; False if they fell until its time was over.
    """

    run_seconds: float
    steady: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round: for each session, in the order given.

    Attributes:
        seconds: Of every run.
        waits: The share of these runs' time in which they waited for a processor, 0 to 1; of the
            thread that computed most.
    """

    seconds: list[list[float]]
    waits: list[float]

    @property
    def typical(self) -> list[float]:
        """Seconds of one run of each: medians; where any waited, means without the waiting.

        The same for all: of short runs few are interrupted, so that their median is that of a
        machine at rest, while caches that others have filled are in the times of long ones.
        """
        if max(self.waits) <= DISTURBED:
            return [statistics.median(runs) for runs in self.seconds]
        each = zip(self.seconds, self.waits, strict=True)
        return [statistics.fmean(runs) * (1 - wait) for runs, wait in each]


def settle(session: Session, feeds: Feeds, *, seconds: float = 1.0) -> Warmth:
    """Run until the times no longer fall.

    Windows of runs (of 20 ms, two runs at least; one, if a tenth of `seconds` is less) are compared
    by their medians: three in a row of which none is 2% faster than the best before them end it. No
    more start after `seconds`; at least two are run.
    """
    deadline = time.perf_counter() + seconds
    first = session.time(feeds, 1)[0]  # it allocates: it only says how long a window is
    fewest = 1 if first > seconds / 10 else 2
    window = max(fewest, min(_MOST_RUNS, round(_WINDOW_SECONDS / max(first, 1e-7))))
    windows: list[float] = []
    idle = 0
    while idle < _STEADY_WINDOWS:
        last = statistics.median(session.time(feeds, window))
        idle = idle + 1 if windows and last > _SETTLED * min(windows) else 0
        windows.append(last)
        if len(windows) > 1 and time.perf_counter() > deadline:
            break
    return Warmth(run_seconds=windows[-1], steady=idle > 0)


def runs_per_round(run_seconds: float) -> int:
    """How many runs make a round of 10 ms, in which the clock and a switch of tasks are small."""
    return max(2, min(_MOST_RUNS, round(_ROUND_SECONDS / max(run_seconds, 1e-7))))


def round_seconds(run_seconds: Sequence[float]) -> float:
    """How long a round of these models takes."""
    return sum(2 * _half(runs_per_round(run)) * run for run in run_seconds)


def interleave(
    sessions: Sequence[Session], feeds: Sequence[Feeds], counts: Sequence[int]
) -> Iterator[Round]:
    """Time rounds without end.

    Args:
        sessions: Warm sessions.
        feeds: What each is fed.
        counts: How many runs each has in a round: at least two, half of them on the way there,
            half on the way back.
    """
    there = list(range(len(sessions)))
    while True:
        seconds: list[list[float]] = [[] for _ in sessions]
        waited = [0.0] * len(sessions)
        for index in (*there, *reversed(there)):
            before = _spent()
            runs = sessions[index].time(feeds[index], _half(counts[index]))
            waited[index] += _held_up(before, _spent())
            seconds[index] += runs
        shares = (
            min(0.95, wait / max(sum(runs), 1e-9))
            for wait, runs in zip(waited, seconds, strict=True)
        )
        yield Round(seconds=seconds, waits=list(shares))


def ratio(
    first: Session, second: Session, feeds: tuple[Feeds, Feeds], *, seconds: float = 0.25
) -> float:
    """How many times faster the second is than the first: the median over rounds.

    A quick look for a probe, without an interval. At least five rounds.
    """
    warm = [settle(first, feeds[0], seconds=seconds), settle(second, feeds[1], seconds=seconds)]
    counts = [runs_per_round(each.run_seconds) for each in warm]
    deadline = time.perf_counter() + seconds
    ratios = []
    for one in interleave((first, second), feeds, counts):
        mine, theirs = one.typical
        ratios.append(mine / theirs)
        if len(ratios) >= 5 and time.perf_counter() > deadline:
            break
    return statistics.median(ratios)


def _half(count: int) -> int:
    return -(-count // 2)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one thread so far: `ran` on a processor, `waited` when it could have run."""

    ran: float
    waited: float


def _spent() -> dict[str, Spent]:
    """What each thread of this process has spent.

    Linux counts the waiting. Where it does not, all time off the processor counts, which is the
    same thing for a run that one thread computes; nothing is seen of the waiting of several.
    Windows counts processor time too coarsely: there nothing is known, and nothing is answered.
    """
    found = {}
    for task in os.listdir(_TASKS) if os.path.isdir(_TASKS) else ():
        # Looked at often, between runs: pathlib would take several times as long.
        try:
            with open(f"{_TASKS}/{task}/schedstat", "rb", buffering=0) as file:
                ran, waited, _ = file.read().split()
        except (OSError, ValueError):
            continue  # a thread that has just ended, or a system that does not count
        if int(ran):
            found[task] = Spent(int(ran) * 1e-9, int(waited) * 1e-9)
    if found or sys.platform == "win32":
        return found
    ran = time.process_time()
    return {"all": Spent(ran, time.perf_counter() - ran)}


def _held_up(before: Mapping[str, Spent], after: Mapping[str, Spent]) -> float:
    """By how many seconds the wait grew of the thread that computed most meanwhile.

    Not of the one that waited longest: a second thread that does not get a processor holds nobody
    up, because the first does its work.
    """
    most = Spent(0.0, 0.0)
    for name, now in after.items():
        then = before.get(name, Spent(0.0, 0.0))
        grown = Spent(now.ran - then.ran, now.waited - then.waited)
        most = max(most, grown, key=lambda one: one.ran)
    return max(0.0, most.waited)
