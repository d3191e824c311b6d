"""The roofline: which of the two bounds binds, and what that says of a measured time."""

import pytest

from lissom.graph.cost import Work
from lissom.measure.roofline import Roof, limit_of, roof_of
from tests.measure.made import CEILINGS

WORK = Work(macs=50_000_000, weight_bytes=10**6, activation_bytes=10**6)


def test_arithmetic_and_bytes() -> None:
    roof = roof_of(WORK, "Gemm", CEILINGS, held_bytes=10**8)
    assert roof.compute_ms == pytest.approx(1.0)
    assert roof.memory_ms == pytest.approx(0.1 + 0.01)  # all weights are streamed in every run
    assert roof.least_ms == pytest.approx(1.0)


def test_other_numbers_have_another_ceiling() -> None:
    roof = roof_of(WORK, "Conv", CEILINGS, held_bytes=10**6, numbers="int8")
    assert roof.compute_ms == pytest.approx(0.25)
    assert roof.memory_ms == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("compute_ms", "memory_ms", "measured_ms", "expected"),
    [
        (1.0, 0.2, 1.2, "compute"),
        (0.2, 1.0, 1.2, "bandwidth"),
        (0.001, 0.001, 0.005, "overhead"),
        (0.1, 0.1, 1.0, "width"),
    ],
)
def test_limits(compute_ms: float, memory_ms: float, measured_ms: float, expected: str) -> None:
    roof = Roof(compute_ms=compute_ms, memory_ms=memory_ms)
    assert limit_of(roof, measured_ms, 0.002) == expected
