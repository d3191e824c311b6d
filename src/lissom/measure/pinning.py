"""Which processors a timed child is bound to, and when: idle ones, one for each physical core.

Unbound, a thread moves between processors and takes its caches along; bound to a busy one, or to
two halves of one core, it measures the neighbour. Where all are busy, it is worth some waiting.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lissom.measure.load import Meter

__all__ = ["BUSY", "FIRST_SECONDS", "Place", "Quiet", "choose", "core", "place_now", "quiet_cpus"]

BUSY = 0.2
"""A processor is busy when others use more than this share of it."""

FIRST_SECONDS = 10.0
"""What is waited for idle processors from the beginning on, at most."""

_LOOK_SECONDS = 0.2
_PAUSE_SECONDS = 0.5
_SHARE = 0.1
_TOPOLOGY = Path("/sys/devices/system/cpu")

Told = Callable[[Literal["wait", "latency"]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something may be timed now.

    Attributes:
        cpus: The processors to bind it to; None where there is nothing to choose.
        waited_seconds: How long was waited for them.
        quiet: They are idle.
    """

    cpus: tuple[int, ...] | None
    waited_seconds: float
    quiet: bool


def silent(moment: str) -> None:
    """Hear nothing of waiting."""
    del moment


class Quiet:
    """Chooses idle processors, and waits for them: for a bounded time in all its life.

    It waits while the processors that it would choose are busy, some seconds in all and a tenth of
    the time since it was made: a machine that never rests makes a run a tenth longer, not more.

    Args:
        told: Called with "wait" when waiting begins, and with "latency" when it ends and timing can
            begin.
        first_seconds: What it may wait from the beginning on; None for ten.
    """

    def __init__(self, told: Told = silent, *, first_seconds: float | None = None) -> None:
        self._told = told
        self._first = FIRST_SECONDS if first_seconds is None else first_seconds
        self._born = time.monotonic()
        self._spent = 0.0

    @property
    def patience(self) -> float:
        """Seconds that it would still wait now."""
        return self._first + _SHARE * (time.monotonic() - self._born) - self._spent

    def processors(self, count: int) -> Place:
        """The `count` least busy processors, one for each physical core, when they are idle.

        Or when patience ends, and then `quiet` says no.
        """
        waited = 0.0
        while True:
            began = time.monotonic()
            cpus, load = least_busy(count)
            if load <= BUSY or self.patience <= 0:
                break
            if not waited:
                self._told("wait")
            time.sleep(_PAUSE_SECONDS)
            passed = time.monotonic() - began
            waited += passed
            self._spent += passed
        if waited:
            self._told("latency")
        return Place(cpus=cpus, waited_seconds=round(waited, 3), quiet=load <= BUSY)


def least_busy(count: int) -> tuple[tuple[int, ...] | None, float]:
    """The least busy processors of those that this process may use, and the busiest one's load.

    None for the processors where this process may not use that many, or the system cannot bind: it
    will put the threads on those that are idle by itself.
    """
    meter = Meter()
    time.sleep(_LOOK_SECONDS)
    load = meter.shares()
    binds = hasattr(os, "sched_getaffinity")
    allowed = sorted(os.sched_getaffinity(0) if binds else load)
    rising = sorted(load.get(cpu, 0.0) for cpu in allowed)
    if not binds or len(allowed) < count:
        return None, max(rising[:count], default=0.0)
    percent = {cpu: 100 * load.get(cpu, 0.0) for cpu in allowed}
    chosen = choose(count, allowed, percent, {cpu: core(cpu) for cpu in allowed})
    return chosen, max(load.get(cpu, 0.0) for cpu in chosen)


def place_now(count: int) -> Place:
    """The least busy processors as they are, without waiting."""
    cpus, load = least_busy(count)
    return Place(cpus=cpus, waited_seconds=0.0, quiet=load <= BUSY)


def quiet_cpus(count: int) -> tuple[int, ...] | None:
    """Choose `count` processors by their load just now; None where there is nothing to choose.

    None also when this process may not use that many, or the system cannot bind.
    """
    return least_busy(count)[0]


def choose(
    count: int, allowed: Sequence[int], load: Mapping[int, float], core: Mapping[int, str]
) -> tuple[int, ...]:
    """Choose the least busy of the allowed processors, a second of one core only if cores run out.

    Args:
        count: How many; at most `len(allowed)`.
        allowed: Processor numbers.
        load: Each one's load in percent.
        core: A name of the physical core that each belongs to.
    """
    # Ties go to the highest number: interrupts and other programs start from the lowest.
    ranked = sorted(allowed, key=lambda cpu: (round(load[cpu] / 10), -cpu))
    chosen: list[int] = []
    for distinct in (True, False):
        for cpu in ranked:
            taken = {core[other] for other in chosen}
            fresh = cpu not in chosen and not (distinct and core[cpu] in taken)
            if fresh and len(chosen) < count:
                chosen.append(cpu)
    return tuple(sorted(chosen))


def core(cpu: int) -> str:
    """A name of the physical core that a processor belongs to: the same for all of its halves."""
    path = _TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list"
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)  # Not told: each counts as a core of its own.
