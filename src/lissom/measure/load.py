"""What else this machine does while something is timed.

Other programs take processor time, a hypervisor may give it to other guests, and a container that
has used up its share is stopped for a while. All three make times longer without a word.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lissom.store.hashing import Json

__all__ = ["Load", "Meter"]

_GROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu"))  # version 2, version 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the machine did beside a measurement.

    Attributes:
        others: The share of all processors' time that went to others, 0 to 1: other processes, and
            other guests of the machine.
        throttled_seconds: How long the container was stopped for having used up its share.
        waited_seconds: How long was waited, before, for a quiet machine.
        quiet: The processors that were chosen were idle when it began.
    """

    others: float = 0.0
    throttled_seconds: float = 0.0
    waited_seconds: float = 0.0
    quiet: bool = True

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "others": self.others,
            "throttled_seconds": self.throttled_seconds,
            "waited_seconds": self.waited_seconds,
            "quiet": self.quiet,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Load":
        """Read what `to_json` wrote."""
        return cls(
            others=value["others"],
            throttled_seconds=value["throttled_seconds"],
            waited_seconds=value["waited_seconds"],
            quiet=value["quiet"],
        )


class Meter:
    """Looks at the processors when it is made, and says what others did since."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._own = time.process_time()
        self._times = processor_times()
        self._throttled = throttled_seconds()

    def shares(self) -> dict[int, float]:
        """The share of its time that each processor worked since, for whomever; 0 to 1."""
        now = processor_times()
        found = {}
        for cpu, (busy, whole) in self._times.items():
            later = now.get(cpu, (busy, whole))
            spent = later[1] - whole
            found[cpu] = min(1.0, max(0.0, (later[0] - busy) / spent)) if spent > 0 else 0.0
        return found

    def load(self) -> Load:
        """What others did since, this process's own work left out."""
        shares = self.shares()
        passed = max(1e-9, time.perf_counter() - self._start)
        own = (time.process_time() - self._own) / passed
        return Load(
            others=min(1.0, max(0.0, (sum(shares.values()) - own) / max(1, len(shares)))),
            throttled_seconds=max(0.0, throttled_seconds() - self._throttled),
        )


def processor_times() -> dict[int, tuple[float, float]]:
    """For each processor by its number: seconds of work, and seconds in all, since the start.

    Time that a hypervisor gave to other guests is work: of others.
    """
    import psutil

    every = psutil.cpu_times(percpu=True)
    numbers = _numbers()
    if len(numbers) != len(every):
        numbers = list(range(len(every)))
    found = {}
    for number, times in zip(numbers, every, strict=True):
        idle = times.idle + getattr(times, "iowait", 0.0)
        guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        whole = sum(times) - guest  # a guest's time is in the user's already
        found[number] = (whole - idle, whole)
    return found


def _numbers() -> list[int]:
    """The numbers of the processors that are switched on; they need not follow one another."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    words = (line.split()[0] for line in lines if line.startswith("cpu"))
    return [int(word[3:]) for word in words if word[3:].isdigit()]


def throttled_seconds() -> float:
    """How long this container was stopped, in all, for having used up its share; 0 if unknown."""
    for group in _GROUPS:
        try:
            lines = (group / "cpu.stat").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        said = dict(line.split() for line in lines if len(line.split()) == 2)
        if "throttled_usec" in said:
            return int(said["throttled_usec"]) * 1e-6
        if "throttled_time" in said:
            return int(said["throttled_time"]) * 1e-9
    return 0.0
