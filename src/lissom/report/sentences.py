"""What a result means, in plain sentences, the same in the terminal and on the page.

Everything is drawn from the document (`result.json`). A sentence says a number, what it is of, and
how sure it is; where nothing was gained or nothing is known, that is the sentence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lissom.report import wording
from lissom.report.schema import Document, FrontEntry
from lissom.search.candidate import ORIGINAL
from lissom.search.limits import DEFAULT_MAX_DROP

__all__ = [
    "LimitRow",
    "Piece",
    "chosen_entry",
    "limit_rows",
    "outcome",
    "quality_sentences",
    "sentence",
    "theory_sentences",
    "verdict",
]


SEVERAL: Final = 3.0
"""So many times more answers that differ than may be lost are told with an expected drop."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence; `strong` for the words that carry it, `gain` for what was won."""

    text: str
    strong: bool = False
    gain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One limit beside what is delivered; `held` is None where it was not measured."""

    name: str
    limit: str
    value: str
    held: bool | None


def sentence(pieces: tuple[Piece, ...]) -> str:
    """Join pieces to plain text."""
    return "".join(piece.text for piece in pieces)


def chosen_entry(document: Document) -> FrontEntry | None:
    """The entry that is delivered; None when that is the original."""
    if document["chosen"] == ORIGINAL:
        return None
    entries = [*document["front"], *document["others"]]
    return next((one for one in entries if one["name"] == document["chosen"]), None)


def verdict(document: Document) -> tuple[Piece, ...]:
    """The whole result in one sentence."""
    entry = chosen_entry(document)
    if entry is None:
        return _verdict_original(document)
    pieces = [Piece(f"{entry['name']} is "), *_gain_pieces(document, entry)]
    pieces += [Piece(", "), *_drop_pieces(document, entry)]
    pieces += [*_doubt_pieces(document, entry), Piece(".")]
    return tuple(pieces)


def _verdict_original(document: Document) -> tuple[Piece, ...]:
    """The sentence for a run that found nothing better than the original."""
    returned = Piece("the original is returned unchanged", strong=True)
    if document["original"]["already_quantized"]:
        return (Piece("The model is already quantized: "), returned, Piece("."))
    if not document["met"]:
        missed = Piece("The limits cannot be met", strong=True)
        return (missed, Piece(": no model is delivered, and the front is what was found."))
    return (Piece("Nothing that was tried gains within the limits: "), returned, Piece("."))


def _gain_pieces(document: Document, entry: FrontEntry) -> Iterator[Piece]:
    """Speed and size of an entry against the original."""
    faster = not entry["inside_noise"] and (entry["speedup"] or 0.0) > 1
    yield Piece(_speed_words(entry), strong=True, gain=faster)
    small = _ratio(document["original"]["size_bytes"], entry["size_bytes"])
    if small is not None:
        yield Piece(" and ")
        yield Piece(_size_words(small), strong=True, gain=small >= 1.01)
    yield Piece(" than the original" if _compares(entry, small) else " as the original")


def _compares(entry: FrontEntry, small: float | None) -> bool:
    """Whether the last words before "the original" were a comparative ("smaller")."""
    if small is not None:
        return not 0.99 < small < 1.01
    return entry["speedup"] is not None and not entry["inside_noise"]


def _speed_words(entry: FrontEntry) -> str:
    """Words for a speedup, never claiming what lies inside the noise."""
    speedup = entry["speedup"]
    if speedup is None:
        return "of unmeasured speed"
    if entry["inside_noise"]:
        return "as fast within the noise"
    if speedup >= 1:
        return f"{speedup:.2f} times faster"
    return f"{1 / speedup:.2f} times slower"


def _size_words(small: float) -> str:
    """Words for original size over candidate size."""
    if 0.99 < small < 1.01:
        return "as large"
    return f"{small:.2f} times smaller" if small > 1 else f"{1 / small:.2f} times larger"


def _drop_pieces(document: Document, entry: FrontEntry) -> Iterator[Piece]:
    """What an entry loses, in the words that its kind of number allows."""
    drop, kind = entry["drop"], entry["drop_kind"]
    if drop is None:
        yield Piece("and its quality was not measured", strong=True)
        return
    if kind == "lossless":
        yield Piece("with ")
        yield Piece("the same outputs", strong=True)
        return
    points = wording.drop_points(abs(drop), unit=False)
    gains = drop < 0 and points != "0.00"
    words = {
        "expected": f"is expected to {'gain' if gains else 'lose'}",
        # for values without right and wrong no loss follows from it: only the difference is known
        "bound": "differs from the original by",
    }.get(kind or "", "gains" if gains else "loses")
    metric = document["quality"]["metric"] if document["quality"] else "score"
    yield Piece(f"and {words} ")
    yield Piece(f"{points} points", strong=True)
    yield Piece(f" of {metric}")
    interval = wording.interval_points(entry["drop_interval"])
    if interval:
        yield Piece(f" (95% interval of the drop: {interval})")


def _doubt_pieces(document: Document, entry: FrontEntry) -> Iterator[Piece]:
    """What an expected drop leaves open, where far more answers differ than may be lost."""
    differing, interval = entry["disagreement"], entry["disagreement_interval"]
    if entry["drop_kind"] != "expected" or differing is None:
        return
    limit = document["limits"]["max_drop"]
    allowed = DEFAULT_MAX_DROP if limit is None else limit
    if differing <= SEVERAL * allowed:
        return
    most = wording.drop_points(interval[1] if interval else differing, unit=False)
    yield Piece("; but ")
    yield Piece(f"{wording.share(differing)} of its answers differ", strong=True)
    yield Piece(
        f", and without labels nothing surer is known than a loss of at most {most} points (95%)"
        + ("" if limit is None else f", where {wording.drop_points(limit, unit=False)} are allowed")
    )


def outcome(document: Document, entry: FrontEntry) -> str:
    """One or two words on an entry's place: chosen, original, within noise, slower, beaten."""
    words = []
    if entry["name"] == document["chosen"] and document["met"]:
        words.append("chosen")
    if entry["name"] == ORIGINAL:
        words.append("yours")
    elif entry["inside_noise"]:
        words.append("speed inside noise")
    elif entry["speedup"] is not None and entry["speedup"] < 1:
        words.append("slower")
    if all(one["name"] != entry["name"] for one in document["front"]):
        words.append("beaten")
    return ", ".join(words)


def limit_rows(document: Document) -> list[LimitRow]:
    """Each limit of the run beside the delivered model's number."""
    limits, entry, original = document["limits"], chosen_entry(document), document["original"]
    drop = 0.0 if entry is None else entry["drop"]
    latency = original["latency_ms"] if entry is None else entry["latency_ms"]
    size = original["size_bytes"] if entry is None else entry["size_bytes"]
    memory = original["memory_bytes"] if entry is None else entry["memory_bytes"]
    table = (
        ("drop", limits["max_drop"], drop, wording.drop_points),
        ("latency", limits["max_latency_ms"], latency, wording.milliseconds),
        ("size", limits["max_size_bytes"], size, wording.size),
        ("memory", limits["max_memory_bytes"], memory, wording.size),
    )
    return [
        LimitRow(
            name=name,
            limit=write(limit),
            value=write(value) if value is not None else "not measured",
            held=None if value is None else value <= limit,
        )
        for name, limit, value, write in table
        if limit is not None
    ]


def quality_sentences(document: Document) -> list[str]:
    """What the quality number means and on how many samples it stands."""
    quality, data = document["quality"], document["data"]
    if quality is None:
        why = "there were no samples" if data is None else "no candidate could be judged"
        return [
            f"Quality was not measured: {why}.",
            "Only a candidate whose outputs equal the original's is known to lose nothing; "
            "no other is called within a drop limit.",
        ]
    told = [quality["meaning"]]
    counted = wording.counted(quality["count"], "sample")
    told.append(
        f"It stands on {counted} of the selection part, which no method saw; intervals are 95% "
        "intervals of the paired difference to the original on the same samples."
    )
    told.append("One point is 0.01 of the score.")
    return told


def theory_sentences(document: Document, entry: FrontEntry) -> list[str]:
    """Where promise and machine differ, for one candidate."""
    speedup = entry["speedup"]
    if speedup is None:
        return []
    told = []
    work = _ratio(document["original"]["macs"], entry["macs"])
    small = _ratio(document["original"]["size_bytes"], entry["size_bytes"])
    gained = wording.times(speedup)
    if entry["predicted_speedup"] is not None:
        told.append(
            f"Arithmetic promised {wording.times(entry['predicted_speedup'])}; "
            f"the machine gave {gained}."
        )
    share = entry.get("integer_macs_share")
    quantized = any(step.startswith("quantize.") for step in entry["steps"])
    if share is not None and (share > 0 or quantized):
        told.append(
            f"{wording.share(share)} of the original's multiply-accumulates ran in integer "
            "kernels, by the runtime's own profile."
        )
    if work is not None and work > 1.1 and speedup < 0.8 * work:
        told.append(f"{work:.2f} times fewer multiply-accumulates brought only {gained} the speed.")
    if small is not None and small > 1.5 and (speedup < 1 or entry["inside_noise"]):
        told.append(
            f"The file is {small:.2f} times smaller, yet the model is not faster: {gained}."
        )
    if work is not None and speedup > 1.2 * work and not entry["inside_noise"]:
        less = f"down only {work:.2f} times" if work > 1.01 else "the same"
        told.append(
            f"The speed ({gained}) comes from cheaper arithmetic, fewer passes over memory or "
            f"fused operators: the number of multiply-accumulates is {less}."
        )
    return told


def _ratio(before: int | None, after: int | None) -> float | None:
    """Before over after; None where one is unknown or zero."""
    return before / after if before and after else None
