"""Gaps and ladders as they are written, in the shape that is published."""

from dataclasses import replace

from pydantic import TypeAdapter

from lissom.report.promised import GapEntry, RungEntry, gaps, ladder
from lissom.search.candidate import Gap, Rung
from tests.search.made import candidate

GAP = Gap(
    operator="Conv",
    count=7,
    before_ms=4.0,
    promised_ms=1.0,
    after_ms=2.0,
    reason="width",
    words="Too few channels.",
)
RUNG = Rung(
    step="quantize.static(ranges=mse)",
    promised_speedup=4.0,
    speedup=2.0,
    speedup_interval=(1.9, 2.1),
    size_bytes=10,
    drop=None,
)


def test_every_field_is_written_and_fits_the_schema() -> None:
    one = replace(candidate("static"), gaps=(GAP,), ladder=(RUNG,))
    (gap,) = TypeAdapter(list[GapEntry]).validate_python(gaps(one))
    assert gap["reason"] == "width"
    assert set(gap) == set(GAP.__slots__)
    (rung,) = TypeAdapter(list[RungEntry]).validate_python(ladder(one))
    assert rung["speedup_interval"] == [1.9, 2.1]
    assert set(rung) == set(RUNG.__slots__)


def test_nothing_is_an_empty_list() -> None:
    assert gaps(candidate("static")) == []
    assert ladder(candidate("static")) == []
