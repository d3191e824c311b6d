"""Which processors a timed child is bound to: the least busy ones, one for each physical core.

Unbound, a thread moves between processors and takes its caches along; bound to a busy one, or to
two halves of one core, it measures the neighbour.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["choose", "quiet_cpus"]

_LOOK_SECONDS = 0.1
_TOPOLOGY = Path("/sys/devices/system/cpu")


def quiet_cpus(count: int) -> tuple[int, ...] | None:
    """Choose `count` processors by their load just now; None where there is nothing to choose.

    None also when this process may not use that many, or the system cannot bind.
    """
    import psutil

    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < count:
        return None
    busy = psutil.cpu_percent(interval=_LOOK_SECONDS, percpu=True)
    load = {cpu: busy[cpu] if cpu < len(busy) else 0.0 for cpu in allowed}
    return choose(count, allowed, load, {cpu: _core(cpu) for cpu in allowed})


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


def _core(cpu: int) -> str:
    path = _TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list"
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)  # Not told: each counts as a core of its own.
