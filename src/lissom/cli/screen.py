"""What commands write, and how they end.

Answers go to standard output, progress and errors to standard error. Exit codes: 0 done, 2 bad
input (one line, no traceback), 3 the limits cannot be met, 130 interrupted.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from lissom.errors import LissomError
from lissom.store.disk import refusal

if TYPE_CHECKING:
    from lissom.search.progress import Event
    from lissom.search.result import Result

__all__ = [
    "BAD_INPUT",
    "INTERRUPTED",
    "LIMITS_MISSED",
    "guarded",
    "show",
    "show_result",
    "watching",
]

BAD_INPUT = 2
LIMITS_MISSED = 3
INTERRUPTED = 130


@contextmanager
def guarded() -> Iterator[None]:
    """Turn what a user can mend, and what the system refuses, into one line and an exit code."""
    try:
        yield
    except LissomError as error:
        typer.echo(f"lissom: {one_line(str(error))}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except BrokenPipeError:
        raise  # whoever read our output has gone
    except OSError as error:
        told = refusal(error, "place")
        where = f"{error.filename}: " if error.filename is not None else ""
        typer.echo(f"lissom: {one_line(where + told)}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except MemoryError:
        typer.echo("lissom: memory ran out; give it more, or fewer samples", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except KeyboardInterrupt:
        typer.echo("lissom: interrupted; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None


def one_line(text: str) -> str:
    """A message on one line, with nothing in it that could drive a terminal."""
    from lissom.report.wording import visible

    return visible(" ".join(text.split()))


def show_result(result: "Result", *, as_json: bool) -> None:
    """Print the front, or the whole document as JSON."""
    from lissom.report import document

    if as_json:
        typer.echo(document.to_json(document.document(result)), nl=False)
        return
    from rich.console import Console

    from lissom.report.terminal import table

    Console(highlight=False, markup=False).print(table(result))


def show(found: Any, lines: Callable[[Any], list[str]], *, as_json: bool) -> None:
    """Print an answer of `inspect`, `measure` or `compare`."""
    from lissom.report.wording import json_text, visible

    if as_json:
        typer.echo(json_text(found.to_json()))
        return
    for line in lines(found):
        typer.echo(visible(line))


@contextmanager
def watching() -> Iterator[Callable[["Event"], None]]:
    """Show progress: one living line on a terminal, plain lines elsewhere."""
    from rich.console import Console

    from lissom.search.progress import describe

    screen = Console(stderr=True, highlight=False, markup=False)
    if not screen.is_terminal:
        seen: list[str] = []

        def plain(event: "Event") -> None:
            new = event.candidate and event.candidate not in seen[-1:]
            if new or event.stage == "wait":
                seen.append(event.candidate)
                typer.echo(one_line(describe(event)), err=True)

        yield plain
        return
    with screen.status("loading") as status:
        yield lambda event: status.update(one_line(describe(event)))
