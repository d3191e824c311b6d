"""Choosing processors: quiet ones, one for each core, and waiting for them for a bounded time."""

import os
from collections.abc import Iterable

import pytest

from lissom.measure import pinning as module
from lissom.measure.pinning import Place, Quiet, choose, core, place_now, quiet_cpus

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
    assert place_now(len(allowed) + 1).cpus is None
    assert all(str(cpu) in core(cpu) or "-" in core(cpu) for cpu in allowed)


class Machine:
    """A machine whose load is told, with a clock of its own that only sleeping moves."""

    def __init__(self, patch: pytest.MonkeyPatch, loads: Iterable[float]) -> None:
        self.now = 100.0
        rest = iter(loads)
        patch.setattr(module.time, "monotonic", lambda: self.now)
        patch.setattr(module.time, "sleep", self.sleep)
        patch.setattr(module, "least_busy", lambda count: ((count,), next(rest)))

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_quiet_machine_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, [module.BUSY])
    told: list[str] = []
    assert Quiet(told.append).processors(1) == Place(cpus=(1,), waited_seconds=0.0, quiet=True)
    assert told == []


def test_waiting_ends_when_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, [0.9, 0.5, 0.3, 0.1])
    told: list[str] = []
    place = Quiet(told.append, first_seconds=10.0).processors(2)
    assert place == Place(cpus=(2,), waited_seconds=1.5, quiet=True)
    assert told == ["wait", "latency"]
    assert machine.now == 101.5


def test_waiting_is_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, iter(lambda: 1.0, None))
    quiet = Quiet(first_seconds=4.0)
    first = quiet.processors(1)
    assert not first.quiet
    assert 4.0 <= first.waited_seconds <= 5.0
    assert quiet.processors(1).waited_seconds == 0.0
    machine.now += 20.0
    assert 2.0 <= quiet.processors(1).waited_seconds <= 3.0


@pytest.mark.parametrize(("count", "busiest"), [(1, 0.1), (2, 0.3), (9, 0.9)])
def test_where_the_system_cannot_bind_it_finds_idle_processors_itself(
    monkeypatch: pytest.MonkeyPatch, count: int, busiest: float
) -> None:
    class Loaded:
        def shares(self) -> dict[int, float]:
            return {0: 0.9, 1: 0.1, 2: 0.3}

    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(module, "Meter", Loaded)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    assert module.least_busy(count) == (None, busiest)


def test_who_is_not_waited_for_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, [0.9])
    assert place_now(1) == Place(cpus=(1,), waited_seconds=0.0, quiet=False)
