"""Ceilings with round numbers, for tests that measure nothing."""

from lissom.measure.ceilings import Ceiling, Ceilings, Movement

__all__ = ["CEILINGS"]

CEILINGS = Ceilings(
    products=(
        Ceiling(operator="MatMul", numbers="float32", gflops=100.0, kernel="MatMul"),
        Ceiling(operator="MatMul", numbers="int8", gflops=800.0, kernel="QLinearMatMul"),
        Ceiling(operator="Conv", numbers="float32", gflops=100.0, kernel="Conv"),
        Ceiling(operator="Conv", numbers="int8", gflops=400.0, kernel="QLinearConv"),
    ),
    moves=(
        Movement(size_bytes=10**6, gb_per_second=100.0),
        Movement(size_bytes=10**8, gb_per_second=10.0),
    ),
    node_ms=0.002,
    threads=1,
)
