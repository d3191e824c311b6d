"""Every error that Lissom raises, in one tree.

    LissomError                     the one root; the command line catches only this
    |- InputError                   yours to mend; exit code 2, never a traceback
    |  |- ModelError                a model cannot be read, is invalid, or asks for too much
    |  |- SamplesError              samples do not fit the model: names, shapes, types, counts
    |  |- RecipeError (ValueError)  an unknown method, a parameter out of range, no match
    |  |- OptionError (ValueError)  a limit, metric, target or other option that means nothing
    |  `- OutputError               the place for results is not ours, or cannot be written
    |- MissingExtra (ImportError)   an optional package is absent; says how to install it
    |- MethodError                  a method failed on a model: carries its id and the cause
    |  `- BrokenPromise             a method or an edit did not keep its contract: a bug of ours
    |- MeasurementError             a runtime failed, or a number is too unstable to be reported
    |- ChildFailed                  a child process crashed, ran out of time or memory
    `- StoreError                   the store cannot be read or written
       `- DamagedObject             a stored object does not have the hash that names it

A message has three parts: what is wrong, with the value; where; and what to do about it.
Names in it come from strangers, so no character of it can drive a terminal or hide.
"""

import re
from typing import Any, Literal

__all__ = [
    "BrokenPromise",
    "ChildFailed",
    "DamagedObject",
    "InputError",
    "LissomError",
    "MeasurementError",
    "MethodError",
    "MissingExtra",
    "ModelError",
    "OptionError",
    "OutputError",
    "RecipeError",
    "SamplesError",
    "StoreError",
]

FailureKind = Literal["crashed", "timeout", "memory", "error"]


# Controls could drive a terminal; marks that reorder or hide text could make a name read as another
# one; lone surrogates cannot be written as UTF-8. Tab and newline are left alone.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff]"
)
_LONGEST_MESSAGE = 4000


class LissomError(Exception):
    """The root of every error that Lissom raises on purpose."""

    def __init__(self, *args: Any) -> None:
        r"""Keep the message, with escapes (`\x1b`) for what acts instead of showing, and cut."""
        super().__init__(*(_shown(part) if isinstance(part, str) else part for part in args))


class InputError(LissomError):
    """Something given by the user is wrong; nothing was changed."""


class ModelError(InputError):
    """A model cannot be read, is not valid, or asks for more than the caps allow."""


class SamplesError(InputError):
    """Samples do not fit the model: names, ranks, types, counts or preprocessing."""


class RecipeError(InputError, ValueError):
    """A recipe or a method's parameters cannot be used."""


class OptionError(InputError, ValueError):
    """An option (limit, metric, target, goal) has no meaning as it was given."""


class OutputError(InputError):
    """The place for results exists and is not ours, or cannot be written."""


class MissingExtra(LissomError, ImportError):
    """An optional package is absent; the message holds the line that installs it."""


class MethodError(LissomError):
    """A method failed on a model; the cause is chained."""


class BrokenPromise(MethodError):
    """A pre- or post-condition of a method or edit did not hold: please report it."""


class MeasurementError(LissomError):
    """A runtime failed while measuring, or a number is too unstable to report."""


class ChildFailed(LissomError):
    """A child process did not give an answer.

    Attributes:
        kind: `crashed` (a signal of its own), `timeout`, `memory` (too much of it, or the system
            ended the child, as it does when memory runs out), or `error` (an unexpected exception).
        detail: the end of what the child wrote to its standard error.
    """

    def __init__(self, message: str, kind: FailureKind = "error", detail: str = "") -> None:
        """Keep the kind of failure and the child's last words beside the message."""
        super().__init__(message)
        self.kind: FailureKind = kind
        self.detail = detail

    @property
    def by_chance(self) -> bool:
        """Whether the machine may be to blame: the same call may succeed at another time."""
        return self.kind in {"timeout", "memory"}


class StoreError(LissomError):
    """The store cannot be read or written."""


class DamagedObject(StoreError):
    """A stored object's content does not have the hash that names it."""


def _shown(text: str) -> str:
    if len(text) > _LONGEST_MESSAGE:
        half = _LONGEST_MESSAGE // 2
        text = f"{text[:half]} [...] {text[-half:]}"
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
