"""Gaps between promise and machine, each with its reason."""

import pytest

from lissom.measure.kernels import CONVERSION, CONVOLUTION, ELEMENTWISE, MATRIX
from lissom.measure.roofline import Roof
from lissom.search.candidate import Gap, OperatorTime, Reason
from lissom.search.gaps import OTHERS, gaps
from lissom.search.promise import Part, Promise
from tests.measure.made import CEILINGS


def part(
    family: str,
    before: float,
    promised: float,
    *,
    compute: float = 0.0,
    memory: float = 0.0,
    integer: bool = False,
    expanded: bool = False,
) -> Part:
    return Part(
        family=family,
        before_ms=before,
        promised_ms=promised,
        roof=Roof(compute_ms=compute, memory_ms=memory),
        macs=1000,
        integer=integer,
        expanded=expanded,
    )


def ran(op_type: str, ms: float, count: int = 1) -> OperatorTime:
    return OperatorTime(op_type=op_type, count=count, milliseconds=ms, share=0.0)


def found(parts: list[Part], before: list[OperatorTime], after: list[OperatorTime]) -> list[Gap]:
    latency_ms = sum(one.milliseconds for one in after)
    return list(gaps(Promise(parts=tuple(parts), ceilings=CEILINGS), before, after, latency_ms))


def reason(one: Part, before: str, after: OperatorTime, others: float = 1.0) -> Gap:
    """The gap of one family beside something that stays as it was."""
    rest = part("Rest", others, others)
    rows = found(
        [one, rest],
        [ran(before, one.before_ms), ran("Rest", others)],
        [after, ran("Rest", others)],
    )
    return next(row for row in rows if row.operator == one.family)


def test_a_promise_that_was_kept() -> None:
    gap = reason(part(CONVOLUTION, 4.0, 1.0, integer=True), "Conv", ran("QLinearConv", 1.05))
    assert gap.reason == "none"
    assert "as promised" in gap.words
    better = reason(part(CONVOLUTION, 4.0, 1.0, integer=True), "Conv", ran("QLinearConv", 0.5))
    assert "less than" in better.words


@pytest.mark.parametrize(
    ("one", "before", "after", "expected", "words"),
    [
        (
            part(CONVOLUTION, 4.0, 1.0, compute=0.5, memory=0.2, integer=True),
            "Conv", ran("QLinearConv", 2.0), "width", "25% of the ceilings",
        ),
        (
            part(MATRIX, 4.0, 0.5, compute=0.1, memory=1.5, integer=True),
            "Gemm", ran("QGemm", 2.0), "bandwidth", "1.5 ms of 2 ms",
        ),
        (
            part(CONVOLUTION, 4.0, 1.0, integer=True),
            "Conv", ran("ConvInteger", 20.0, 7), "unfused", "without the fast integer kernel",
        ),
        (
            part(CONVOLUTION, 4.0, 4.0, expanded=True),
            "Conv", ran("FusedConv", 8.0), "unfused", "expanded in every run",
        ),
        (
            part(MATRIX, 4.0, 1.0, expanded=True),
            "Gemm", ran("Gemm", 4.1), "unfused", "as many bytes move as ever",
        ),
        (
            part(CONVOLUTION, 4.0, 4.0),
            "Conv", ran("FusedConv", 8.0), "unfused", "did not choose for the original",
        ),
        (
            part(ELEMENTWISE, 0.2, 0.1),
            "Add", ran("Add", 0.5, 100), "overhead", "5 µs each",
        ),
        (
            part(ELEMENTWISE, 0.2, 0.1),
            "Add", ran("Add", 1.5, 3), "unfused", "3 nodes ran by themselves (3 Add)",
        ),
        (
            part(ELEMENTWISE, 0.2, 0.1),
            "Add", ran("QLinearAdd", 1.5), "conversion", "back to integers",
        ),
        (
            part(ELEMENTWISE, 1.0, 0.4, memory=0.9),
            "Add", ran("Add", 1.0), "bandwidth", "at the bandwidth",
        ),
        (
            part(ELEMENTWISE, 1.0, 1.0, memory=0.1),
            "Add", ran("Add", 2.0), "unfused", "for what took 1 ms before",
        ),
    ],
)  # fmt: skip
def test_reasons(one: Part, before: str, after: OperatorTime, expected: Reason, words: str) -> None:
    gap = reason(one, before, after)
    assert gap.reason == expected
    assert words in gap.words
    assert gap.words.endswith(".")


def test_conversions_that_the_original_does_not_have() -> None:
    rows = found(
        [part(CONVOLUTION, 4.0, 1.0, integer=True)],
        [ran("Conv", 4.0)],
        [ran("QLinearConv", 1.0), ran("QuantizeLinear", 0.6, 5), ran("DequantizeLinear", 0.4, 5)],
    )
    gap = next(row for row in rows if row.operator == CONVERSION)
    assert (gap.reason, gap.count, gap.before_ms, gap.promised_ms) == ("conversion", 10, 0, 0)
    assert "5 QuantizeLinear and 5 DequantizeLinear take 1 ms" in gap.words
    assert [row.operator for row in rows] == [CONVOLUTION, CONVERSION]


def test_small_families_stand_together() -> None:
    rows = found(
        [part(CONVOLUTION, 4.0, 4.0), part("Shape", 0.01, 0.01), part("Slice", 0.01, 0.01)],
        [ran("Conv", 4.0), ran("Shape", 0.01), ran("Slice", 0.01)],
        [ran("Conv", 4.0), ran("Shape", 0.01), ran("Tile", 0.02)],
    )
    assert [row.operator for row in rows] == [CONVOLUTION, OTHERS]
    assert rows[1].before_ms == pytest.approx(0.02)
    assert rows[1].after_ms == pytest.approx(0.03)
    assert rows[1].reason == "none"


def test_what_is_gone_is_said_so() -> None:
    gap = reason(part("Gelu", 1.0, 0.0), "Gelu", ran("MatMul", 0.5))
    assert gap.reason == "none"
    assert gap.words == "Nothing of the 1 ms is left."
    assert gap.count == 1


def test_the_candidate_s_profile_is_scaled_to_its_latency() -> None:
    promise = Promise(parts=(part(CONVOLUTION, 4.0, 1.0, integer=True),), ceilings=CEILINGS)
    # the profile was made while the machine was busy: twice the time
    rows = gaps(promise, [ran("Conv", 8.0)], [ran("QLinearConv", 2.0)], 1.0)
    assert rows[0].after_ms == pytest.approx(1.0)
    assert rows[0].reason == "none"


def test_products_that_stayed_float_are_named() -> None:
    rows = found(
        [
            part(CONVOLUTION, 4.0, 1.0, compute=0.5, integer=True),
            part(CONVOLUTION, 1.0, 1.0, compute=0.5),
        ],
        [ran("Conv", 5.0, 2)],
        [ran("QLinearConv", 2.0), ran("Conv", 2.0)],
    )
    assert rows[0].reason == "width"
    assert "; products that took 1 ms before stayed float." in rows[0].words
