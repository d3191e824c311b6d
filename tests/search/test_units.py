import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.errors import OptionError
from lissom.search import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1%", 0.01), ("0.01", 0.01), (" 2.5 % ", 0.025), ("0", 0.0), ("100%", 1.0)],
)
def test_ratio(text: str, expected: float) -> None:
    assert units.parse_ratio(text, "max-drop") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["1", "", "%", "one", "-1%", "101%", "1pt", "nan", "0.5.5"])
def test_ratio_refuses(text: str) -> None:
    with pytest.raises(OptionError, match="max-drop"):
        units.parse_ratio(text, "max-drop")


@pytest.mark.parametrize(
    ("text", "expected"), [("5ms", 5.0), ("0.005s", 5.0), ("500us", 0.5), ("1.5 MS", 1.5)]
)
def test_milliseconds(text: str, expected: float) -> None:
    assert units.parse_milliseconds(text, "max-latency") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["5", "0ms", "5m", "ms", "-5ms"])
def test_milliseconds_refuses(text: str) -> None:
    with pytest.raises(OptionError, match="max-latency"):
        units.parse_milliseconds(text, "max-latency")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2MB", 2_000_000),
        ("2MiB", 2_097_152),
        ("1.5kB", 1500),
        ("1GB", 10**9),
        ("1234", 1234),
        ("7B", 7),
    ],
)
def test_bytes(text: str, expected: int) -> None:
    assert units.parse_bytes(text, "max-size") == expected


@pytest.mark.parametrize("text", ["0", "2.5", "2Mb/s", "0.1B", "MB", "5ms"])
def test_bytes_refuses(text: str) -> None:
    with pytest.raises(OptionError, match="max-size"):
        units.parse_bytes(text, "max-size")


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90.0), ("10m", 600.0), ("1h30m", 5400.0), ("0.5h", 1800.0)]
)
def test_seconds(text: str, expected: float) -> None:
    assert units.parse_seconds(text, "budget") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["10", "", "0s", "m", "10m5", "-3s"])
def test_seconds_refuses(text: str) -> None:
    with pytest.raises(OptionError, match="budget"):
        units.parse_seconds(text, "budget")


@given(st.integers(min_value=1, max_value=10**15))
def test_bytes_round_trip_within_the_digits_shown(size_bytes: int) -> None:
    shown = units.format_bytes(size_bytes)
    assert units.parse_bytes(shown, "size") == pytest.approx(size_bytes, rel=0.01)


@given(st.floats(min_value=0, max_value=1))
def test_percent_round_trip_within_the_digits_shown(ratio: float) -> None:
    assert units.parse_ratio(units.format_percent(ratio), "drop") == pytest.approx(
        ratio, abs=5.1e-5
    )


def test_written_for_people() -> None:
    assert units.format_percent(-0.00001) == "0%"
    assert units.format_points(0.0006) == "0.06 points"
    assert units.format_points(-0.00001) == "0.00 points"
    assert units.format_bytes(2_097_152) == "2.10 MB"
    assert units.format_seconds(95) == "1m 35s"
    assert units.format_seconds(3.2) == "3s"
    assert units.format_seconds(3661) == "1h 01m"
