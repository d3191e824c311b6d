"""The few large numbers on top of the page: what the delivered model gained and lost."""

from dataclasses import dataclass

from lissom.report import wording
from lissom.report.schema import Document, FrontEntry
from lissom.report.sentences import chosen_entry
from lissom.report.trust import certified_words

__all__ = ["Tile", "tiles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One large number.

    Attributes:
        title: what it is of.
        value: the number, as large print.
        word: what the number is a measure of, such as "faster".
        detail: before and after, or what the number means.
        interval: of the number; empty if there is none.
        remains: what is left of the original's amount, in [0, 1], as a bar; None for no bar.
        proof: the verdict of its certificate; empty if there is none.
        worse: whether it became more instead of less.
    """

    title: str
    value: str
    detail: str
    word: str = ""
    interval: str = ""
    remains: float | None = None
    proof: str = ""
    worse: bool = False


def tiles(document: Document) -> list[Tile]:
    """Answer the tiles of a result: gains of the chosen model, or the original's own numbers."""
    entry, original = chosen_entry(document), document["original"]
    if entry is None:
        rows = (
            ("Latency", wording.milliseconds(original["latency_ms"]), "median of one run"),
            ("Size", wording.size(original["size_bytes"]), "the model file"),
            ("Memory", wording.size(original["memory_bytes"]), "growth by loading and running"),
        )
        return [Tile(title=t, value=v, detail=d) for t, v, d in rows if v != wording.DASH]
    return [_speed(document, entry), *_amounts(document, entry), _drop(document, entry)]


def _speed(document: Document, entry: FrontEntry) -> Tile:
    """Speedup with latency before and after, from one interleaved run."""
    speedup, after = entry["speedup"], entry["latency_ms"]
    # beside each other in one run, not from two runs at different times
    before = speedup * after if speedup and after else document["original"]["latency_ms"]
    word = ""
    if entry["inside_noise"]:
        word = "within noise"
    elif speedup:
        word = "faster" if speedup >= 1 else "the original's speed"
    interval = wording.interval_times(entry["speedup_interval"])
    return Tile(
        title="Speed",
        value=wording.times(speedup),
        word=word,
        detail=f"{wording.milliseconds(before)} \u2192 {wording.milliseconds(after)}",
        interval=interval and f"95%: {interval}",
        remains=None if not speedup else min(1.0, 1 / speedup),
        worse=speedup is not None and speedup < 1 and not entry["inside_noise"],
    )


def _amounts(document: Document, entry: FrontEntry) -> list[Tile]:
    """Size and memory, as many of them as were measured."""
    original, found = document["original"], []
    for title, smaller, larger, before, after in (
        ("Size", "smaller", "larger", original["size_bytes"], entry["size_bytes"]),
        ("Memory", "less", "more", original["memory_bytes"], entry["memory_bytes"]),
    ):
        if before and after:
            less = before >= after
            ratio = before / after if less else after / before
            found.append(
                Tile(
                    title=title,
                    value=wording.times(ratio),
                    word="as before" if ratio < 1.005 else smaller if less else larger,
                    detail=f"{wording.size(before)} \u2192 {wording.size(after)}",
                    remains=min(1.0, after / before),
                    worse=ratio >= 1.005 and not less,
                )
            )
    return found


def _drop(document: Document, entry: FrontEntry) -> Tile:
    """The drop with its kind and interval."""
    kind = entry["drop_kind"]
    if kind is None or entry["drop"] is None:
        return Tile(title="Drop", value="not measured", detail="no samples were given")
    metric = document["quality"]["metric"] if document["quality"] else "score"
    detail = {
        "labels": f"of {metric}, against labels",
        "expected": f"of {metric}, expected without labels",
        "bound": f"of {metric}, difference to the original",
        "lossless": "outputs equal the original's",
    }[kind]
    interval = wording.interval_points(entry["drop_interval"])
    return Tile(
        title="Drop",
        value=wording.drop_points(entry["drop"]),
        detail=detail,
        interval=interval and f"95%: {interval}",
        proof=certified_words(entry),
    )
