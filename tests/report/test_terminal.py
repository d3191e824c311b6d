# the signs that people read: minus, times, dash
import dataclasses
import io
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from lissom.report.terminal import plain, table
from lissom.search.result import NotTried, Result


def shown(result: Result, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(table(result))
    return stream.getvalue()


def test_every_outcome_fits_a_narrow_terminal(any_result: Result) -> None:
    text = shown(any_result)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "original" in text


def test_the_front_with_intervals_and_the_choice(make_result: Any) -> None:
    text = shown(make_result(), 120)
    row = next(line for line in text.splitlines() if "int8-static-mse" in line)
    assert row.split()[1:] == ["0.06", "pt", "3.34×", "0.223", "ms", "2.17", "MB", "16.77", "MB"]
    assert "−0.06 to 0.18   3.27 to 3.40" in text
    assert "int8-static-minmax" not in text  # beaten
    assert "2,950 samples" in text
    assert "Failed: int8-weights: the runtime refused the model" in text
    assert "Not tried: int8-static-percentile: the time budget of 10m was used up" in text


def test_recipes_left_out_for_one_reason_share_a_line(make_result: Any) -> None:
    left = [NotTried(name=name, reason="no time") for name in ("one", "two")]
    text = shown(make_result(not_tried=(*left, NotTried(name="three", reason="no kernel"))), 120)
    assert "Not tried: one and two: no time" in text
    assert "Not tried: three: no kernel" in text


def test_limits_that_are_not_held_are_said(make_result: Any) -> None:
    limits = dataclasses.replace(make_result().limits, max_memory_bytes=1000)
    text = shown(make_result(limits=limits), 120)
    assert "Limit not held: memory at most 1.00 kB; it is 16.77 MB." in text


def test_an_unfinished_run_says_so(make_result: Any) -> None:
    assert "not finished" in shown(make_result(finished=False))
    assert "not finished" not in shown(make_result())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(min_size=1) | st.sampled_from(["\x1b]0;owned\x07", "[bold red]x[/]", "[/]"]))
def test_strangers_words_drive_no_terminal(
    make_result: Any, make_candidate: Any, text: str
) -> None:
    bad = make_candidate("x", "quantize.static", 1.0, None, 1, timing=None, failed=text)
    out = shown(make_result(candidates=(*make_result().candidates, bad), notes=(text,)))
    assert not any(ord(one) < 32 and one != "\n" for one in out)


def test_markup_of_strangers_is_text() -> None:
    assert plain("[red]x[/red]\x1b[0m").plain == "[red]x[/red]\\x1b[0m"
