"""Progress of a run, as events for whoever watches it: the command line or a callback."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from lissom.search.units import format_seconds

__all__ = ["Event", "Progress", "Stage", "describe", "silent"]

Stage = Literal[
    "load",
    "original",
    "noise",
    "wait",
    "build",
    "verify",
    "latency",
    "memory",
    "quality",
    "certify",
    "explain",
    "done",
]


SAID: Final[Mapping[str, str]] = {
    "noise": "the original against itself",
    "wait": "waiting for other work on this machine to end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One moment of a run.

    Attributes:
        stage: what begins now.
        candidate: the candidate being worked on; empty between candidates.
        index: its place among all candidates of this run, from 1; 0 before the first.
        total: how many candidates the run has.
        elapsed_seconds: since this sitting began.
        remaining_seconds: an estimate of what is left; None until the first candidate is done.
        best: one line on the best so far within the limits; empty until there is one.
        detail: what the method at work says of itself; empty where it says nothing.
    """

    stage: Stage
    candidate: str = ""
    index: int = 0
    total: int = 0
    elapsed_seconds: float = 0.0
    remaining_seconds: float | None = None
    best: str = ""
    detail: str = ""


Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Watch nothing."""
    del event


def describe(event: Event) -> str:
    """Write an event on one line for people."""
    words = []
    if event.total:
        words.append(f"[{event.index}/{event.total}]")
    doing = SAID.get(event.stage, event.stage)
    words.append(f"{event.candidate}: {doing}" if event.candidate else doing)
    words.append(f"| {format_seconds(event.elapsed_seconds)}")
    if event.remaining_seconds is not None:
        words.append(f"(about {format_seconds(event.remaining_seconds)} left)")
    if event.detail:
        words.append(f"| {event.detail}")
    if event.best:
        words.append(f"| best so far: {event.best}")
    return " ".join(words)
