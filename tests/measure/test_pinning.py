"""Choosing processors: quiet ones, one for each core."""

import os

import pytest

from lissom.measure.pinning import choose, quiet_cpus

CORES = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
IDLE = dict.fromkeys(range(4), 0.0)


@pytest.mark.parametrize(
    ("count", "load", "wanted"),
    [
        (1, IDLE, (3,)),
        (2, IDLE, (2, 3)),
        (4, IDLE, (0, 1, 2, 3)),
        (3, IDLE, (1, 2, 3)),
        (1, IDLE | {3: 90.0}, (2,)),
        (2, {0: 0.0, 1: 50.0, 2: 0.0, 3: 90.0}, (1, 2)),
        (1, {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}, (3,)),
    ],
)
def test_choice(count: int, load: dict[int, float], wanted: tuple[int, ...]) -> None:
    assert choose(count, range(4), load, CORES) == wanted


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no pinning on this system")
def test_this_machine() -> None:
    allowed = os.sched_getaffinity(0)
    chosen = quiet_cpus(1)
    assert chosen is not None
    assert set(chosen) <= allowed
    assert quiet_cpus(len(allowed) + 1) is None
