"""This machine as it is now: what it has, what of that this process may use, and who is busy."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lissom.runtime import cores
from lissom.store.hashing import Json

__all__ = ["Busy", "Machine", "busiest", "free_bytes", "look"]

_INFO = Path("/proc/cpuinfo")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # control groups, version 2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # version 1
)
_LOOK_SECONDS = 0.3
_LEAST_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is, and what this process may use.

    Attributes:
        logical: Logical processors of the machine.
        usable: Those that this process may run on.
        physical: How many threads can run at once without sharing a core, within the share that a
            container was granted.
        quota: Processors' worth of time that the container may use; None where nothing limits it.
        memory_bytes: The machine's memory.
        available_bytes: Of it, what can be had now.
        limit_bytes: The container's limit on memory; None without one.
        guest: Whether it is a virtual machine; None where the system does not tell.
        governor: How the system chooses the processor's clock; empty where it does not tell.
    """

    logical: int
    usable: int
    physical: int
    quota: float | None
    memory_bytes: int
    available_bytes: int
    limit_bytes: int | None
    guest: bool | None
    governor: str

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "logical": self.logical,
            "usable": self.usable,
            "physical": self.physical,
            "quota": self.quota,
            "memory_bytes": self.memory_bytes,
            "available_bytes": self.available_bytes,
            "limit_bytes": self.limit_bytes,
            "guest": self.guest,
            "governor": self.governor,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """A process that uses the processor.

    Attributes:
        name: As the system calls it.
        processors: How many processors' time it uses, as 0.5 or 2.
    """

    name: str
    processors: float

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {"name": self.name, "processors": self.processors}


def look() -> Machine:
    """Look at this machine now."""
    import psutil

    memory = psutil.virtual_memory()
    logical = os.cpu_count() or 1
    limit = memory_limit()
    return Machine(
        logical=logical,
        usable=len(cores.logical()),
        physical=cores.physical(),
        quota=cores.quota(),
        memory_bytes=int(memory.total),
        available_bytes=int(memory.available),
        limit_bytes=limit if limit is not None and limit < memory.total else None,
        guest=guest(),
        governor=said(_GOVERNOR),
    )


def busiest(most: int = 3) -> tuple[Busy, ...]:
    """The processes that use the processor most just now, this one left out; it takes a moment."""
    import psutil

    before: Mapping[int, float] = {one.pid: used(one) for one in psutil.process_iter()}
    start = time.perf_counter()
    time.sleep(_LOOK_SECONDS)
    passed = max(1e-9, time.perf_counter() - start)
    found = []
    for one in psutil.process_iter(["name"]):
        share = (used(one) - before.get(one.pid, float("inf"))) / passed
        if one.pid != os.getpid() and share > _LEAST_SHARE:
            found.append(Busy(name=one.info["name"] or "?", processors=round(share, 2)))
    return tuple(sorted(found, key=lambda one: -one.processors)[:most])


def used(process: object) -> float:
    """Seconds of processor time that a process has used; 0 if it is gone or not ours to ask."""
    import psutil

    if not isinstance(process, psutil.Process):
        return 0.0
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def free_bytes(folder: Path) -> int:
    """Free space where a folder lies, or will lie: that of the nearest one that exists.

    Raises:
        OSError: The system does not tell.
    """
    import psutil

    place = folder.resolve()
    while not place.exists() and place != place.parent:
        place = place.parent
    return int(psutil.disk_usage(str(place)).free)


def memory_limit() -> int | None:
    """The container's limit on memory; None without one, or where it is not told."""
    for path in _MEMORY_LIMITS:
        text = said(path)
        if text:
            return int(text) if text.isdigit() else None
    return None


def guest() -> bool | None:
    """Whether this is a virtual machine, as its processor tells; None where it does not."""
    text = said(_INFO)
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return "hypervisor" in flags.split() if flags else None


def said(path: Path) -> str:
    """What a file of the system says; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
