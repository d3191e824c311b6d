"""Candidates with given numbers, for tests that decide or write and measure nothing."""

from lissom.measure.latency import Latency, Timing
from lissom.measure.quality import Quality
from lissom.recipe import Recipe
from lissom.runtime.target import Target
from lissom.search.candidate import ORIGINAL, Candidate

__all__ = ["MB", "candidate", "original", "quality", "timing"]

MB = 10**6


def quality(drop: float) -> Quality:
    """Measured on labels, with an interval of 0.2 points to either side."""
    return Quality(
        metric="top1",
        count=1000,
        score=0.9 - drop,
        score_interval=(0.88 - drop, 0.92 - drop),
        drop=drop,
        drop_kind="labels",
        drop_interval=(drop - 0.002, drop + 0.002),
        disagreement=abs(drop),
        disagreement_interval=(0.0, abs(drop) + 0.002),
        meaning="measured on labels",
    )


def timing(speedup: float, low: float | None = None, high: float | None = None) -> Timing:
    """Against an original of 2 ms; without ends the interval is 1% to either side."""
    mine = 2 / speedup
    return Timing(
        original=Latency(median_ms=2.0, p90_ms=2.2, interval_ms=(1.9, 2.1), runs=100),
        candidate=Latency(
            median_ms=mine, p90_ms=1.1 * mine, interval_ms=(0.95 * mine, 1.05 * mine), runs=100
        ),
        speedup=speedup,
        speedup_interval=(low or 0.99 * speedup, high or 1.01 * speedup),
        rounds=100,
        environment="here",
    )


def candidate(
    name: str,
    *,
    drop: float | None = 0.0,
    speed: tuple[float, float, float] | None = (1.0, 1.0, 1.0),
    size: int | None = 8 * MB,
    memory: int | None = 20 * MB,
    lossless: bool = False,
    failed: str | None = None,
) -> Candidate:
    """A candidate with these numbers; `speed` is the ratio and its interval."""
    return Candidate(
        name=name,
        title=f"the {name} one",
        recipe=Recipe(name=name.partition("@")[0]),
        target=Target(),
        quality=None if drop is None else quality(drop),
        timing=None if speed is None else timing(*speed),
        size_bytes=size,
        memory_bytes=memory,
        lossless=lossless,
        failed=failed,
    )


def original() -> Candidate:
    return candidate(ORIGINAL, lossless=True)
