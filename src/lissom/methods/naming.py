"""Errors that say at which operator they came up, where many are worked on one after another."""

from collections.abc import Iterator
from contextlib import contextmanager

from lissom.errors import LissomError

__all__ = ["naming"]


@contextmanager
def naming(*nodes: str) -> Iterator[None]:
    """Put the names of these nodes before the message of what is raised inside.

    Raises:
        Exception: whatever was raised, the same one.
    """
    try:
        yield
    except Exception as error:
        kind = "node" if len(nodes) == 1 else "nodes"
        where = f"{kind} {', '.join(map(repr, nodes))}"
        said, *rest = error.args or ("",)
        if isinstance(said, str):
            text = f"{where}: {said}" if said else where
            error.args = str(LissomError(text)), *rest  # a name may hold what must not be shown
        if where not in str(error):
            error.add_note(where)  # what it says does not come from its arguments
        raise
