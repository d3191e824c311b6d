"""A result in the terminal: the front as a table, then plain sentences.

Names and reasons come from model files and runtimes, so every text goes in as `Text` with its
control characters made visible: no markup of theirs is read, and no escape reaches the terminal.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lissom.report import sentences, wording
from lissom.report.certificates import certificate_sentences
from lissom.report.document import document
from lissom.report.schema import Document, FrontEntry
from lissom.report.trust import noise_lines
from lissom.search.candidate import ORIGINAL

if TYPE_CHECKING:
    from lissom.search.result import Result

__all__ = ["plain", "table"]


def table(result: "Result") -> RenderableType:
    """Show a result.

    Args:
        result: what a run found.

    Returns:
        Something to print on a rich console: the front with the original, then what was chosen
        and why, what the quality number means, what failed and why.
    """
    content = document(result)
    lines = [Padding(line, (0, 0, 0, 1)) for line in _lines(content)]
    return Group(_front(content), *lines)


def plain(text: str, style: str = "") -> Text:
    """Make a text of a stranger's words: no markup, nothing that acts."""
    return Text(wording.visible(text), style=style)


def _front(content: Document) -> Table:
    """The front, best first, with the original beside it."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    made.add_column("model", overflow="fold")
    for head in ("drop", "speed", "latency", "size", "memory"):
        made.add_column(head, justify="right", no_wrap=True)
    entries = list(content["front"])
    entries += [one for one in content["others"] if one["name"] == ORIGINAL]
    for entry in entries:
        chosen = content["met"] and entry["name"] == content["chosen"]
        style = "bold green" if chosen else ""
        if entry["name"] == ORIGINAL and not style:
            style = "dim"
        made.add_row(*_cells(content, entry), style=style)
    return made


def _cells(content: Document, entry: FrontEntry) -> Iterator[Text]:
    """The row of an entry; intervals and marks stand on a second line."""
    original = entry["name"] == ORIGINAL
    yield _twoline(wording.visible(entry["name"]), sentences.outcome(content, entry))
    drop = wording.interval_points(None if original else entry["drop_interval"])
    yield _twoline(wording.drop_points(entry["drop"]), drop)
    speed = wording.interval_times(None if original else entry["speedup_interval"])
    yield _twoline(wording.times(entry["speedup"]), speed)
    yield Text(wording.milliseconds(entry["latency_ms"]))
    yield Text(wording.size(entry["size_bytes"]))
    yield Text(wording.size(entry["memory_bytes"]))


def _twoline(first: str, second: str) -> Text:
    """A number with its interval below it, or a name with its marks."""
    text = Text(first)
    if second:
        text.append(f"\n{second}", style="dim not bold")
    return text


def _lines(content: Document) -> Iterator[Text]:
    """The sentences below the table."""
    headline = Text()
    for piece in sentences.verdict(content):
        headline.append(
            wording.visible(piece.text),
            style="bold green" if piece.gain else "bold" if piece.strong else "",
        )
    yield headline
    for reason in content["reasons"]:
        yield plain(reason)
    for row in sentences.limit_rows(content):
        if row.held is not True:
            known = "was not measured" if row.held is None else f"is {row.value}"
            yield plain(f"Limit not held: {row.name} at most {row.limit}; it {known}.", "yellow")
    entry = sentences.chosen_entry(content)
    for sentence in certificate_sentences(entry):
        yield plain(sentence)
    told = sentences.theory_sentences(content, entry) if entry is not None else []
    for sentence in (*told, *(entry["remarks"] if entry is not None else ())):
        yield plain(sentence)
    yield Text("")
    told = [*sentences.quality_sentences(content), *noise_lines(content), *content["notes"]]
    for sentence in told:
        yield plain(sentence, "dim")
    for failed in content["failed"]:
        yield plain(f"Failed: {failed['name']}: {failed['reason']}", "yellow")
    left_out: dict[str, list[str]] = {}
    for left in content["not_tried"]:
        left_out.setdefault(left["reason"], []).append(left["name"])
    for reason, names in left_out.items():
        yield plain(f"Not tried: {wording.listed(names)}: {reason}", "dim")
    if not content["finished"]:
        yield Text("The run is not finished: this is the best so far.", style="yellow")
