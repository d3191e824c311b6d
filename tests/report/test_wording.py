# the signs that people read: minus, times, dash
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.report import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0 ms"), (0.0234, "0.0234 ms"), (0.223, "0.223 ms"), (1.5, "1.50 ms"),
     (15.23, "15.2 ms"), (152.3, "152 ms"), (1523.0, "1,523 ms")],
)  # fmt: skip
def test_milliseconds_keep_three_digits(value: float | None, text: str) -> None:
    assert wording.milliseconds(value) == text


def test_drops_are_in_points_and_zero_has_no_sign() -> None:
    assert wording.drop_points(0.0006) == "0.06 pt"
    assert wording.drop_points(-0.0095) == "−0.95 pt"
    assert wording.drop_points(-1e-9) == "0.00 pt"
    assert wording.interval_points([-0.001, 0.0021]) == "−0.10 to 0.21"
    assert wording.interval_points(None) == ""


def test_ratios_counts_and_lists() -> None:
    assert wording.times(3.336) == "3.34×"
    assert wording.large(41_200_000) == "41.2 M"
    assert wording.large(999) == "999"
    assert wording.share(0.034) == "3.4%"
    assert wording.counted(1, "sample") == "1 sample"
    assert wording.counted(2950, "sample") == "2,950 samples"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.bounds("") == ""
    assert wording.bounds("1 to 2") == " (1 to 2)"


@given(st.floats(min_value=0, allow_infinity=False))
def test_every_time_can_be_written(value: float) -> None:
    text = wording.milliseconds(value)
    assert text.endswith(" ms")
    if 0.001 <= value < 1e6:
        assert math.isclose(float(text[:-3].replace(",", "")), value, rel_tol=0.01)


def test_what_acts_is_made_visible() -> None:
    hostile = "\x1b[31mred\x07 \u202egnp.exe \ud800 zero\u200bwidth"
    assert wording.visible(hostile) == ("\\x1b[31mred\\x07 \\u202egnp.exe \\ud800 zero\\u200bwidth")
    assert wording.visible("two\nlines\tand a tab, é, 层") == "two\nlines\tand a tab, é, 层"


@given(st.text(st.characters(exclude_categories=())))
def test_visible_text_is_inert(text: str) -> None:
    shown = wording.visible(text)
    shown.encode("utf-8")
    assert not any(ord(one) < 32 and one not in "\n\t" for one in shown)
    assert wording.visible(shown) == shown


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_json_text_is_the_same_value_and_inert(text: str) -> None:
    written = wording.json_text({"name": text})
    assert json.loads(written) == {"name": text}
    assert wording.visible(written) == written


def test_json_text_of_half_a_character() -> None:
    written = wording.json_text(["\udcff.onnx \\\ud800 \\ud800 \x9b31m"])
    assert json.loads(written) == ["\\udcff.onnx \\\\ud800 \\ud800 \x9b31m"]
    assert written.isascii()
