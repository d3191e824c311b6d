"""Lines on ceilings, and rows on the operators under them."""

from dataclasses import replace

from lissom.report.roofs import MOST, ceiling_lines, standing_rows, words_of_limits
from tests.measure.made import CEILINGS
from tests.report.test_verbs import INSPECTED, STANDING


def test_ceilings_in_words() -> None:
    lines = ceiling_lines(replace(CEILINGS, threads=2))
    assert lines[0].startswith("ceilings of this machine, 2 threads")
    assert "MatMul in GFLOP/s: float32 100 (MatMul), int8 800 (QLinearMatMul)" in lines[1]
    assert "Conv in GFLOP/s: float32 100 (Conv), int8 400 (QLinearConv)" in lines[2]
    assert "100 in 1.00 MB, 10 in 100.00 MB" in lines[3]
    assert "0.0020 ms" in lines[4]
    assert len(lines) == 5
    assert "may be too low" in ceiling_lines(replace(CEILINGS, quiet=False))[5]


def test_rows_are_the_heaviest_ones_slowest_first() -> None:
    site = INSPECTED.sites[0]
    slow = replace(
        site, name="slow", standing=replace(STANDING, milliseconds=2.0, limit="bandwidth")
    )
    tiny = replace(site, name="tiny", standing=replace(STANDING, share=0.001))
    untimed = replace(site, name="untimed", standing=None)
    found = replace(INSPECTED, sites=(site, slow, tiny, untimed))
    rows = standing_rows(found)
    assert [row[0] for row in rows] == ["slow", "conv1"]
    assert rows[1] == ("conv1", "Conv", "0.500 ms", "90.0%", "57", "12", "57%", "width")
    assert [line.split(":")[0].strip() for line in words_of_limits(found)] == ["bandwidth", "width"]


def test_long_lists_are_cut() -> None:
    many = tuple(replace(INSPECTED.sites[0], name=f"conv{number}") for number in range(2 * MOST))
    assert len(standing_rows(replace(INSPECTED, sites=many))) == MOST
