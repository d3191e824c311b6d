"""The clock's benchmark: how often intervals hold the truth, counted on given timings."""

import pytest

from bench import clock
from tests.search.made import timing


def test_intervals_that_hold_the_truth_are_counted():
    timings = [timing(1.0, 0.98, 1.02), timing(1.01, 1.005, 1.015), timing(0.99, 0.97, 1.0)]
    found = clock.against(timings, 1.0)
    assert found["runs"] == 3
    assert found["held"] == 2
    assert found["half_width_median"] == pytest.approx(0.015)
    assert (found["speedup_least"], found["speedup_most"]) == (0.99, 1.01)


def test_busy_states_are_held_against_the_machine_at_rest():
    states = {
        "at rest": {"twin_speedups": [2.9, 3.0, 3.1], "twin_intervals": [[2.8, 3.2]] * 3},
        "all busy": {"twin_speedups": [2.5, 2.6], "twin_intervals": [[2.0, 3.1], [2.4, 2.8]]},
    }
    found = clock.with_truth(states)
    assert found["at rest"]["twin"]["held"] == 3
    assert found["all busy"]["twin"]["truth"] == 3.0
    assert found["all busy"]["twin"]["held"] == 1
    assert clock.with_truth({"at rest": {"itself": 1}}) == {"at rest": {"itself": 1}}


def test_other_processes_end_with_the_state(monkeypatch):
    monkeypatch.setattr(clock, "_START_SECONDS", 0.0)
    with clock.busy(2):
        pass
    with clock.busy(0):
        assert clock.RESULT.name == "clock.json"
