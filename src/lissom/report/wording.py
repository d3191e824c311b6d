"""How numbers and strangers' names are written for people, in the terminal and on the page alike.

A number that was not measured is written as a dash. Drops are written in points: one point is
0.01 of the score, so that a drop of one point never reads as one percent of something else.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from lissom.search.units import format_bytes

__all__ = [
    "DASH",
    "MINUS",
    "TIMES",
    "bounds",
    "counted",
    "drop_points",
    "interval_points",
    "interval_times",
    "json_text",
    "large",
    "listed",
    "milliseconds",
    "share",
    "size",
    "times",
    "visible",
]

DASH = "\u2013"
MINUS = "\u2212"
TIMES = "\u00d7"

# C0 and C1 controls could drive a terminal; the marks that reorder or hide text could make a name
# read as another one; lone surrogates cannot be written as UTF-8. Tab and newline are left alone.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Replace every character that acts instead of showing by its escape, such as `\x1b`."""
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def json_text(value: Any) -> str:
    """Write JSON for people and for programs, in which no character acts: those are escaped.

    Raises:
        ValueError: it holds a NaN or an infinity, which JSON cannot say.
    """
    # Such characters stand in strings only, where JSON reads an escape as the character; half of
    # a pair of surrogates, as in a file's name that is not text, is no character to most readers.
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return _INVISIBLE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    shown = json.dumps(found[0])[1:-1]
    return "\\" + shown if "\ud800" <= found[0] <= "\udfff" else shown


def milliseconds(value: float | None) -> str:
    """Write a time in milliseconds with three significant digits."""
    return DASH if value is None else f"{_digits(value)} ms"


def times(value: float | None) -> str:
    """Write a ratio such as a speedup: 3.34 is "3.34x"."""
    if value is None:
        return DASH
    return f"{value:.2f}{TIMES}" if value < 100 else f"{value:,.0f}{TIMES}"


def size(value: float | None) -> str:
    """Write a number of bytes in decimal units."""
    return DASH if value is None else format_bytes(value)


def share(value: float | None) -> str:
    """Write a share of one as percent: 0.034 is "3.4%"."""
    return DASH if value is None else f"{100 * value:.1f}%"


def large(value: int | None) -> str:
    """Write a count for people: 41200000 is "41.2 M"."""
    if value is None:
        return DASH
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{_digits(value / factor)} {unit}"
    return str(value)


def drop_points(value: float | None, *, unit: bool = True) -> str:
    """Write a drop of 0..1 in points: 0.0006 is "0.06 pt", a gain is negative."""
    if value is None:
        return DASH
    text = f"{100 * value:.2f}"
    text = "0.00" if text == "-0.00" else text
    return text.replace("-", MINUS) + (" pt" if unit else "")


def interval_points(interval: Sequence[float] | None) -> str:
    """Write the interval of a drop in points: "-0.10 to 0.21"; empty if there is none."""
    if interval is None:
        return ""
    low, high = (drop_points(end, unit=False) for end in interval)
    return f"{low} to {high}"


def interval_times(interval: Sequence[float] | None) -> str:
    """Write the interval of a ratio: "3.21 to 3.44"; empty if there is none."""
    return "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"


def bounds(text: str) -> str:
    """Put an interval in brackets after a number; nothing stays nothing."""
    return f" ({text})" if text else ""


def counted(number: int, noun: str) -> str:
    """Write "1 sample", "2 samples", "2,000 samples"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(words: Sequence[str]) -> str:
    """Write "a", "a and b", "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _digits(value: float) -> str:
    """Three significant digits, never in exponent form above a thousandth."""
    if value == 0 or not 0.0005 <= abs(value) < 1000:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    decimals = max(0, 2 - len(str(int(abs(value)))) + (1 if abs(value) >= 1 else 0))
    if abs(value) < 1:
        decimals = 3 if abs(value) >= 0.1 else 4
    return f"{value:.{decimals}f}"
