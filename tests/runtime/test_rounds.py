"""Rounds: order, counts, drift, warming up and waiting, of sessions whose times are known."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from lissom.runtime import rounds
from lissom.runtime.protocol import Session


class Clockwork:
    """A session that takes as long as it is told."""

    def __init__(self, name: str, seconds: list[float], log: list[str]) -> None:
        self.name, self.log = name, log
        self.seconds = itertools.chain(seconds, itertools.repeat(seconds[-1]))
        self.runs = 0

    def time(self, feeds: Mapping[str, np.ndarray], count: int) -> list[float]:
        self.log.append(self.name)
        self.runs += count
        return [next(self.seconds) for _ in range(count)]


def clockwork(*seconds: float, name: str = "a", log: list[str] | None = None) -> Any:
    return cast(Session, Clockwork(name, list(seconds), [] if log is None else log))


Spent = rounds.Spent
LOOK = rounds._spent


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """These sessions' times are made up: what this machine really waited must not go with them."""
    monkeypatch.setattr(rounds, "_spent", dict)


def test_a_round_goes_there_and_back() -> None:
    log: list[str] = []
    sessions = [clockwork(1.0, name="a", log=log), clockwork(2.0, name="b", log=log)]
    every = rounds.interleave(sessions, [{}, {}], [4, 3])
    first = next(every)
    next(every)
    assert log == ["a", "b", "b", "a"] * 2
    assert first.seconds == [[1.0] * 4, [2.0] * 4]
    assert first.typical == [1.0, 2.0]


def test_a_clock_that_slows_down_does_not_touch_the_ratio() -> None:
    """A processor that gets hot: every run takes a little longer than the one before."""
    heat = itertools.count()

    def hot(run_seconds: float) -> Any:
        class Hot:
            def time(self, feeds: Mapping[str, np.ndarray], count: int) -> list[float]:
                return [run_seconds * (1 + 0.001 * next(heat)) for _ in range(count)]

        return Hot()

    sessions = [hot(0.003), hot(0.001)]
    found = list(itertools.islice(rounds.interleave(sessions, [{}, {}], [4, 4]), 100))
    ratios = [one.typical[0] / one.typical[1] for one in found]
    assert found[-1].typical[0] > 1.5 * found[0].typical[0]
    assert ratios == pytest.approx([3.0] * 100, rel=1e-3)


def test_waiting_is_counted_for_the_one_that_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock of waiting answers what the system would have said."""
    looks = iter([0.0, 0.0, 0.0, 1.5, 1.5, 1.5, 1.5, 2.0])  # before and after a, b, b, a
    ran = itertools.count()
    monkeypatch.setattr(
        rounds, "_spent", lambda: {"1": Spent(next(ran), next(looks)), "2": Spent(0.5, 99.0)}
    )
    sessions = [clockwork(2.0), clockwork(1.0)]
    one = next(rounds.interleave(sessions, [{}, {}], [2, 2]))
    assert one.waits == [0.125, 0.75]
    assert one.typical == [1.75, 0.25]


def test_only_the_thread_that_computes_is_held_up() -> None:
    """A second thread that gets no processor waits all the time, and delays nothing."""
    before = {"worker": Spent(1.0, 5.0), "caller": Spent(2.0, 3.0)}
    after = {"worker": Spent(1.1, 8.0), "caller": Spent(4.0, 3.25)}
    assert rounds._held_up(before, after) == 0.25
    assert rounds._held_up(after, after) == 0.0
    assert rounds._held_up({}, {}) == 0.0


def test_a_thread_that_begins_or_ends_in_between_counts_from_nothing() -> None:
    before = {"ended": Spent(3.0, 3.0), "kept": Spent(1.0, 1.0)}
    assert rounds._held_up(before, {"kept": Spent(2.0, 1.5), "begun": Spent(9.0, 0.125)}) == 0.125


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="Linux counts waiting")
def test_this_system_counts_waiting() -> None:
    found = LOOK()
    assert found.keys() >= {str(os.getpid())}
    assert all(one.ran > 0 and one.waited >= 0 for one in found.values())


def test_a_system_that_does_not_count_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rounds, "_TASKS", str(tmp_path / "absent"))
    monkeypatch.setattr("time.perf_counter", lambda: 7.0)
    monkeypatch.setattr("time.process_time", lambda: 5.0)
    monkeypatch.setattr("sys.platform", "darwin")
    assert LOOK() == {"all": Spent(5.0, 2.0)}
    monkeypatch.setattr("sys.platform", "win32")
    assert LOOK() == {}


@pytest.mark.parametrize(("seconds", "runs"), [(1.0, 2), (0.001, 10), (0.0, 1000), (1e-9, 1000)])
def test_runs_per_round(seconds: float, runs: int) -> None:
    assert rounds.runs_per_round(seconds) == runs


def test_settling_waits_until_times_stop_falling() -> None:
    falling = [0.01 * 0.9**n for n in range(40)]
    session = clockwork(*falling, 0.0001)
    warmth = rounds.settle(session, {})
    assert warmth.steady
    assert warmth.run_seconds == pytest.approx(0.0001)
    assert session.runs > 40


def test_settling_sees_a_step_down_after_a_level_stretch() -> None:
    """As when a kernel is compiled, or a clock is raised, a while after the first runs."""
    session = clockwork(*[0.01] * 6, 0.004)
    warmth = rounds.settle(session, {})
    assert warmth.run_seconds == 0.004
    assert warmth.steady


def test_settling_ends_soon_where_there_is_nothing_to_wait_for() -> None:
    noisy = clockwork(*np.random.default_rng(0).uniform(0.0099, 0.0101, 500))
    assert rounds.settle(noisy, {}).steady
    assert noisy.runs == 1 + 4 * 2


def test_settling_is_bounded_and_says_so() -> None:
    endless = clockwork(*[1.0 / (n + 1) for n in range(5000)])
    assert not rounds.settle(endless, {}, seconds=0.0).steady
    assert endless.runs == 3
    slow = clockwork(2.0)
    assert rounds.settle(slow, {}, seconds=0.0) == rounds.Warmth(run_seconds=2.0, steady=True)
    assert slow.runs == 3


def test_a_round_takes_as_long_as_its_runs() -> None:
    assert rounds.round_seconds([0.1, 0.001]) == pytest.approx(2 * 0.1 + 10 * 0.001)


def test_ratio_ignores_a_few_disturbed_runs() -> None:
    slow = clockwork(*[0.004] * 12, 0.9, *[0.004] * 3, 0.7, 0.004)
    fast = clockwork(0.001)
    assert rounds.ratio(slow, fast, ({}, {}), seconds=0.01) == pytest.approx(4.0)
