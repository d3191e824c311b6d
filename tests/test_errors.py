"""The error tree: as drawn, complete, and every leaf of it in use."""

import ast
import re

import pytest

from lissom import errors
from tests.house import SRC, dotted, nodes, python_files

CLASSES = [getattr(errors, name) for name in errors.__all__]
# Roots of a branch, there to be caught.
CAUGHT_ONLY = {"LissomError", "InputError"}


def drawn() -> dict[str, tuple[str, list[str]]]:
    """Each name in the docstring's tree: its parent in the drawing, and the other bases named."""
    found: dict[str, tuple[str, list[str]]] = {}
    trail: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([ |`-]*)([A-Z]\w+)(?: \((\w+)\))?  +\S", line)
        if not match:
            continue
        depth, name, extra = len(match[1]), match[2], match[3]
        while trail and trail[-1][0] >= depth:
            trail.pop()
        found[name] = (trail[-1][1] if trail else "", [extra] if extra else [])
        trail.append((depth, name))
    return found


def test_every_error_is_listed_and_drawn():
    defined = {n.name for n in nodes(SRC / "errors.py", ast.ClassDef)}
    assert defined == set(errors.__all__) == set(drawn())


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_tree_is_as_drawn(kind):
    parent, others = drawn()[kind.__name__]
    bases = [base.__name__ for base in kind.__bases__]
    assert bases == ([parent, *others] if parent else ["Exception"])


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_says_what_it_is(kind):
    assert kind.__doc__
    assert issubclass(kind, errors.LissomError)
    assert str(kind("what is wrong")) == "what is wrong"


def test_child_failed_keeps_kind_and_detail():
    error = errors.ChildFailed("it ended", kind="timeout", detail="last words")
    assert (str(error), error.kind, error.detail) == ("it ended", "timeout", "last words")
    assert errors.ChildFailed("it ended").kind == "error"


def test_every_error_is_raised_somewhere():
    used = {
        dotted(node.func).rpartition(".")[2]
        for path in python_files("src/lissom")
        for node in nodes(path, ast.Call)
    }
    unused = set(errors.__all__) - CAUGHT_ONLY - used
    assert not unused, f"never raised: {sorted(unused)}"


def test_no_message_drives_a_terminal_or_fills_it():
    told = str(errors.ModelError("a \x1b[2J\x07\u202e \ud800\tb\nc"))
    assert told == "a \\x1b[2J\\x07\\u202e \\ud800\tb\nc"
    assert str(errors.ChildFailed("\x9b31m")) == "\\x9b31m"
    long = str(errors.MissingExtra("a" * 10**6 + "b"))
    assert len(long) < 5000
    assert long.endswith("ab")
