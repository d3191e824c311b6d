"""Timing models against each other in rounds, so that what disturbs one disturbs the others.

A round runs each model a few times, one model after another, there and back (A B B A). What is
compared is compared within a round: load that comes and goes, or a clock that slowly changes, then
touches both sides alike. The protocol of every latency that Lissom reports, and of its probes.
"""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lissom.runtime.protocol import Session

__all__ = ["interleave", "ratio", "runs_per_round", "settle"]

Feeds = Mapping[str, np.ndarray]

_ROUND_SECONDS = 0.01
_MOST_RUNS = 1000
_SETTLED = 0.97


def settle(session: Session, feeds: Feeds, *, seconds: float = 1.0) -> float:
    """Run until the times no longer fall, and answer the last ones' median, in seconds.

    Windows of runs are compared: a window that is not 3% faster than the best before ends it. At
    least two windows run (one, if the time is spent), and no more start after `seconds`.
    """
    deadline = time.perf_counter() + seconds
    best = session.time(feeds, 1)[0]  # the first run allocates: it only says how long a window is
    window = max(2, min(_MOST_RUNS, round(0.02 / max(best, 1e-7))))
    best = last = float("inf")
    for number in range(100):
        last = statistics.median(session.time(feeds, window))
        if (number and last > _SETTLED * best) or time.perf_counter() > deadline:
            break
        best = min(best, last)
    return last


def runs_per_round(run_seconds: float) -> int:
    """How many runs make a round of 10 ms, in which the clock and a switch of tasks are small."""
    return max(2, min(_MOST_RUNS, round(_ROUND_SECONDS / max(run_seconds, 1e-7))))


def interleave(
    sessions: Sequence[Session], feeds: Sequence[Feeds], counts: Sequence[int]
) -> Iterator[list[list[float]]]:
    """Time rounds without end: for each round, the seconds of every run of each session.

    Args:
        sessions: Warm sessions.
        feeds: What each is fed.
        counts: How many runs each has in a round: at least two, half of them on the way there,
            half on the way back.
    """
    there = list(range(len(sessions)))
    while True:
        times: list[list[float]] = [[] for _ in sessions]
        for index in (*there, *reversed(there)):
            half = -(-counts[index] // 2)
            times[index] += sessions[index].time(feeds[index], half)
        yield times


def ratio(
    first: Session, second: Session, feeds: tuple[Feeds, Feeds], *, seconds: float = 0.25
) -> float:
    """How many times faster the second is than the first: the median over rounds.

    A quick look for a probe, without an interval. At least five rounds.
    """
    run = [settle(first, feeds[0], seconds=seconds), settle(second, feeds[1], seconds=seconds)]
    counts = [runs_per_round(duration) for duration in run]
    deadline = time.perf_counter() + seconds
    ratios = []
    for times in interleave((first, second), feeds, counts):
        ratios.append(statistics.median(times[0]) / statistics.median(times[1]))
        if len(ratios) >= 5 and time.perf_counter() > deadline:
            break
    return statistics.median(ratios)
