"""Names that were probably meant where an unknown one was given."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

__all__ = ["did_you_mean", "near"]

_MOST_NAMED = 3
# Comparing takes time that grows with the square of a name: strangers' models name what they like.
_LONGEST = 200
_MOST_COMPARED = 5000


def near(name: str, names: Iterable[str]) -> list[str]:
    """The names that are spelt like one, the nearest first.

    Those that differ in nothing but capitals are the only ones, where there are any.

    Args:
        name: what was given.
        names: those that exist; of very many only the first are compared.

    Returns:
        At most three; none where nothing is near.
    """
    if len(name) > _LONGEST:
        return []
    compared = islice((one for one in names if len(one) <= _LONGEST), _MOST_COMPARED)
    spelt: dict[str, dict[str, None]] = {}
    for one in compared:
        spelt.setdefault(one.casefold(), {})[one] = None
    given = name.casefold()
    found = [given] if given in spelt else get_close_matches(given, spelt, n=_MOST_NAMED)
    return [one for key in found for one in spelt[key]][:_MOST_NAMED]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The question after the names near to one; empty where nothing is near."""
    found = near(name, names)
    return f"did you mean {' or '.join(map(repr, found))}?" if found else ""
