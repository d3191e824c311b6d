"""Rounds: order, counts, and the ratio of sessions whose times are known."""

import itertools
from collections.abc import Mapping
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


def test_a_round_goes_there_and_back() -> None:
    log: list[str] = []
    sessions = [clockwork(1.0, name="a", log=log), clockwork(2.0, name="b", log=log)]
    every = rounds.interleave(sessions, [{}, {}], [4, 3])
    first = next(every)
    next(every)
    assert log == ["a", "b", "b", "a"] * 2
    assert first == [[1.0] * 4, [2.0] * 4]


@pytest.mark.parametrize(("seconds", "runs"), [(1.0, 2), (0.001, 10), (0.0, 1000), (1e-9, 1000)])
def test_runs_per_round(seconds: float, runs: int) -> None:
    assert rounds.runs_per_round(seconds) == runs


def test_settling_waits_until_times_stop_falling() -> None:
    falling = [0.01 * 0.9**n for n in range(40)]
    session = clockwork(*falling, 0.0001)
    assert rounds.settle(session, {}) == pytest.approx(0.0001)
    assert session.runs > 40


def test_settling_is_bounded() -> None:
    endless = clockwork(*[1.0 / (n + 1) for n in range(5000)])
    rounds.settle(endless, {}, seconds=0.0)
    assert endless.runs <= 10


def test_ratio_ignores_a_few_disturbed_runs() -> None:
    slow = clockwork(*[0.004, 0.004, 0.004, 0.004, 0.9, 0.004, 0.004, 0.7], 0.004)
    fast = clockwork(0.001)
    assert rounds.ratio(slow, fast, ({}, {}), seconds=0.01) == pytest.approx(4.0)
