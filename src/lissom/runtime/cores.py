"""How many processor cores this process may use: physical ones, within its share of the machine."""

import math
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["logical", "physical", "quota"]

_TOPOLOGY = Path("/sys/devices/system/cpu")
_GROUP = Path("/sys/fs/cgroup/cpu.max")
_OLD_GROUP = Path("/sys/fs/cgroup/cpu")


def logical() -> tuple[int, ...]:
    """The numbers of the logical processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def physical() -> int:
    """How many runs of a thread can go on at once without sharing a core: at least 1.

    Two halves of one core count once; a share of the machine that is granted to a container
    counts as so many whole processors.
    """
    if sys.platform == "darwin":
        count = _mac_cores()
    else:
        count = len({_siblings(cpu) for cpu in logical()})
    granted = quota()
    return max(1, count if granted is None else min(count, math.floor(granted)))


def quota() -> float | None:
    """How many processors' time the container may use; None where nothing limits it."""
    try:
        if _GROUP.exists():
            most, period = _GROUP.read_text(encoding="ascii").split()
        else:
            most, period = (
                (_OLD_GROUP / f"cpu.cfs_{name}_us").read_text(encoding="ascii").strip()
                for name in ("quota", "period")
            )
        return None if most in {"max", "-1"} else int(most) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None  # no control groups here, or of another form: nothing is known to limit it


def _siblings(cpu: int) -> str:
    """A name of the physical core that a logical processor belongs to."""
    path = _TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list"
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)  # not told: each counts as a core of its own


def _mac_cores() -> int:
    said = subprocess.run(
        ["/usr/sbin/sysctl", "-n", "hw.physicalcpu"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return int(said) if said.isdigit() else os.cpu_count() or 1
