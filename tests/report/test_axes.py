import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.report.axes import Axis, step, ticks

NUMBER = st.floats(-1e6, 1e6)


def test_places_are_shares_of_the_whole_and_of_the_window() -> None:
    axis = Axis(whole=(0.0, 10.0), window=(2.0, 4.0))
    assert (axis.place(5.0), axis.shown(3.0)) == (0.5, 0.5)
    assert (axis.stretch, axis.shift) == (5.0, -1.0)
    assert axis.inside(2.0)
    assert not axis.inside(4.1)


def test_an_axis_may_run_downwards() -> None:
    axis = Axis(whole=(4.0, 0.0), window=(3.0, 1.0))
    assert axis.place(4.0) == 0.0
    assert axis.place(1.0) == 0.75
    assert (axis.stretch, axis.shift) == (2.0, -0.5)


@pytest.mark.parametrize(
    ("ends", "most", "found"),
    [((0.0, 1.0), 5, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), ((0.9, 3.6), 3, [1.0, 2.0, 3.0]),
     ((-0.13, 0.7), 4, [0.0, 0.25, 0.5]), ((2.0, 2.0), 4, [2.0])],
)  # fmt: skip
def test_round_numbers(ends: tuple[float, float], most: int, found: list[float]) -> None:
    assert ticks(ends, most) == found


def test_zero_has_no_sign() -> None:
    assert [math.copysign(1, one) for one in ticks((-0.2, 0.2), 5) if one == 0] == [1.0]


@given(NUMBER, st.floats(1e-6, 1e6), st.integers(2, 12))
def test_ticks_lie_inside_and_are_few(low: float, span: float, most: int) -> None:
    found = ticks((low, low + span), most)
    size = step(span, most)
    assert len(found) <= most + 1
    assert found == sorted(found)
    assert all(low - 1e-3 * size <= one <= low + span + 1e-3 * size for one in found)
