"""Sensitivity as lines: the most harmful first, what was refused is said."""

import math

from lissom.report.harms import HEAD, MOST_ROWS, head_lines, rows
from lissom.search.sensitivity import Harm, Sensitivity


def harm(name: str, alone: float | None) -> Harm:
    return Harm(
        operator=name,
        format="int8 static",
        alone=alone,
        others=None if alone is None else alone / 2,
        milliseconds=0.5,
        weight_bytes=10,
    )


def test_the_most_harmful_operator_comes_first() -> None:
    found = Sensitivity(
        whole={"int8 static": 0.25},
        float_ms={"a": 1.0, "b": 2.0},
        float_bytes={"a": 40, "b": 40},
        harms=(harm("a", 0.001), harm("b", 0.2), harm("c", None), harm("d", math.inf)),
    )
    assert head_lines(found)[-1] == "  all operators in int8 static: 2.50e-01"
    shown = rows(found)
    assert [row[0] for row in shown] == ["d", "b", "a", "c"]
    assert shown[1] == ("b", "int8 static", "2.00e-01", "1.00e-01", "2.00 ms", "0.500 ms")
    assert (shown[0][2], shown[3][2]) == ("not finite", "refused")
    assert all(len(row) == len(HEAD) for row in shown)


def test_every_column_says_what_it_holds() -> None:
    found = Sensitivity(whole={}, float_ms={}, float_bytes={}, harms=())
    caption = " ".join(head_lines(found))
    assert HEAD[-2:] == ("time in float", "time in format")
    for words in ("in float, from a profile", "in the format, from one", "conversions", "alone"):
        assert words in caption


def test_a_long_table_is_cut() -> None:
    many = tuple(harm(f"n{i}", 0.1) for i in range(MOST_ROWS + 5))
    found = Sensitivity(whole={}, float_ms={}, float_bytes={}, harms=many)
    assert len(rows(found)) == MOST_ROWS
