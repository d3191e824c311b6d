"""Limits as people write them: "1%", "5ms", "2MB", "10m", and back again for messages.

A number whose unit could be misread is refused rather than guessed: `--max-latency 5` and
`--max-drop 1` are errors that say what to write.
"""

import re
from typing import Final

from lissom.errors import OptionError

__all__ = [
    "format_bytes",
    "format_percent",
    "format_points",
    "format_seconds",
    "parse_bytes",
    "parse_milliseconds",
    "parse_ratio",
    "parse_seconds",
]

NUMBER: Final = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([a-zA-Zµ%]*)\s*")
DURATION: Final = re.compile(r"([0-9]*\.?[0-9]+)\s*(ms|h|m|s)\s*")

MILLISECONDS: Final = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
BYTES: Final = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
SECONDS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_ratio(text: str, what: str) -> float:
    """Read a share of one: "1%" and "0.01" are both 0.01.

    Args:
        text: as the user wrote it.
        what: the option, for messages.

    Raises:
        OptionError: no number, no share, or ambiguous ("1" without a percent sign).
    """
    number, unit = split(text, what, "1% or 0.01")
    if unit == "%":
        number /= 100
    elif unit:
        raise OptionError(f"{what} {text!r}: unknown unit {unit!r}; write 1% or 0.01")
    elif number >= 1:
        raise OptionError(f"{what} {text!r} is the whole score; write {number:g}% or 0.01")
    if number > 1:
        raise OptionError(f"{what} {text!r} is more than 100%")
    return number


def parse_milliseconds(text: str, what: str) -> float:
    """Read a latency: "5ms", "0.005s" and "5000us" are all 5.0.

    Args:
        text: as the user wrote it.
        what: the option, for messages.

    Raises:
        OptionError: no number, no unit, an unknown unit, or zero.
    """
    return positive(text, what, MILLISECONDS, "5ms")


def parse_bytes(text: str, what: str) -> int:
    """Read a size: "2MB" is 2,000,000, "2MiB" is 2,097,152; a bare whole number is bytes.

    Args:
        text: as the user wrote it.
        what: the option, for messages.

    Raises:
        OptionError: no number, an unknown unit, or less than one byte.
    """
    if text.strip().isdigit():
        text = f"{text.strip()}b"
    size_bytes = int(positive(text, what, BYTES, "2MB, 2MiB or 2000000"))
    if size_bytes < 1:
        raise OptionError(f"{what} {text!r} is less than one byte")
    return size_bytes


def parse_seconds(text: str, what: str) -> float:
    """Read a duration: "90s", "10m", "1h30m".

    Args:
        text: as the user wrote it.
        what: the option, for messages.

    Raises:
        OptionError: no duration, no unit, or zero.
    """
    rest, seconds = text.strip().lower(), 0.0
    while rest and (found := DURATION.match(rest)) is not None:
        seconds += float(found[1]) * SECONDS[found[2]]
        rest = rest[found.end() :]
    if rest or not seconds > 0:
        raise OptionError(f"{what} {text!r} is not a duration; write 90s, 10m or 1h30m")
    return seconds


def format_percent(ratio: float) -> str:
    """Write a share of one for people: 0.0125 is "1.25%"."""
    text = f"{100 * ratio:.2f}".rstrip("0").rstrip(".")
    return f"{'0' if text == '-0' else text}%"


def format_points(ratio: float) -> str:
    """Write a drop of 0..1 in points, each 0.01 of the score: 0.0006 is "0.06 points"."""
    text = f"{100 * ratio:.2f}"
    return f"{'0.00' if text == '-0.00' else text} points"


def format_bytes(size_bytes: float) -> str:
    """Write a size for people, in decimal units: 2097152 is "2.10 MB"."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(size_bytes) >= factor:
            return f"{size_bytes / factor:.2f} {unit}"
    return f"{size_bytes:.0f} B"


def format_seconds(seconds: float) -> str:
    """Write a duration for people: 95 is "1m 35s"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def split(text: str, what: str, example: str) -> tuple[float, str]:
    """Part a number from its unit, or refuse with an example of what to write."""
    found = NUMBER.fullmatch(text)
    if found is None:
        raise OptionError(f"{what} {text!r} is not a number with a unit; write {example}")
    return float(found[1]), found[2].lower()


def positive(text: str, what: str, units: dict[str, float] | dict[str, int], example: str) -> float:
    """Read a positive number in one of the units, or refuse."""
    number, unit = split(text, what, example)
    if unit not in units:
        problem = f"unknown unit {unit!r}" if unit else "no unit"
        raise OptionError(f"{what} {text!r}: {problem}; write {example}")
    if not number > 0:
        raise OptionError(f"{what} {text!r} must be more than zero")
    return number * units[unit]
