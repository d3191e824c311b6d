"""How sure the numbers are: certificates, what the clock can tell apart, how to check again.

A certificate is read as it lies in `result.json`: its sentence was written where it was made, and
nothing is added to it here but a title, a mark and the lengths of a small chart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lissom.measure.noise import BIASED, is_biased
from lissom.report import wording
from lissom.report.schema import Document, FrontEntry
from lissom.search.candidate import ORIGINAL

__all__ = ["CertificateRow", "certificate_rows", "certified_words", "check_command", "noise_lines"]

_TITLES: Final = {
    ("drop", "labels"): "Drop, measured against labels",
    ("drop", "expected"): "Drop, expected without labels",
    ("drop", "bound"): "Share of answers that differ, which no loss can exceed",
    ("drop", "error"): "Difference of the outputs",
    ("latency", "measured"): "Latency",
    ("size", "measured"): "Size",
    ("memory", "measured"): "Memory",
}
_SCALE: Final = 1.3
"""The chart of a certificate reaches this many times its limit at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRow:
    """One certificate of a candidate.

    Attributes:
        title: of what.
        verdict: `held`, `not held` or `too few samples`.
        sentence: the whole of it in plain words.
        estimate: where the estimate lies in its chart, 0..100; None without a chart.
        bound: where the bound lies.
        limit: where the limit lies.
    """

    title: str
    verdict: str
    sentence: str
    estimate: float | None = None
    bound: float | None = None
    limit: float | None = None

    @property
    def mark(self) -> str:
        """A sign for the verdict, and the name of its style."""
        return {"held": "held", "not held": "missed"}.get(self.verdict, "unknown")


def certificate_rows(entry: FrontEntry | None) -> list[CertificateRow]:
    """Answer the certificates of an entry, as they stand in the result."""
    rows = []
    for one in () if entry is None else entry["certificates"]:
        whole = max(_SCALE * one["limit"], 1.05 * one["bound"], 1.05 * one["estimate"])
        drawn = one["limit"] > 0
        rows.append(
            CertificateRow(
                title=_TITLES.get((one["quantity"], one["kind"]), one["quantity"].capitalize()),
                verdict=one["verdict"],
                sentence=one["sentence"],
                estimate=_share(one["estimate"], whole) if drawn else None,
                bound=_share(one["bound"], whole) if drawn else None,
                limit=_share(one["limit"], whole) if drawn else None,
            )
        )
    return rows


def certified_words(entry: FrontEntry) -> str:
    """The verdict on an entry's drop in a few words; empty where it was not tested."""
    tested = [one for one in entry["certificates"] if one["quantity"] == "drop"]
    if not tested:
        return ""
    # the hardest kind that is held says most: what was seen, then the hard bound, then the estimate
    for kind, words in (
        ("labels", "certified"),
        ("bound", "certified"),
        ("error", "certified"),
        ("expected", "expected drop certified"),
    ):
        if any(one["kind"] == kind and one["verdict"] == "held" for one in tested):
            return words
    few = any(one["verdict"] == "too few samples" for one in tested)
    return f"not certified: {'too few samples' if few else 'above the limit'}"


def noise_lines(document: Document) -> Iterator[str]:
    """What the clock could tell apart on this machine, in sentences."""
    noise = document.get("noise")
    if noise is None:
        return
    low, high = noise["interval"]
    yield (
        "Timed against itself in the same way, the original came out between "
        f"{low:.3f}{wording.TIMES} and {high:.3f}{wording.TIMES} (95% interval): differences of "
        f"speed up to {wording.share(noise['floor'])} are noise here and rank nothing."
    )
    if is_biased((low, high)):
        yield BIASED
    if noise["waited_seconds"] >= 1:
        yield f"Before, the run waited {noise['waited_seconds']:.0f} s for the machine to be idle."
    if noise["busy"]:
        yield (
            "Other work was in the way while it was timed: the model waited for a processor "
            f"{wording.share(noise['busy_share'])} of its time, and others used "
            f"{wording.share(noise['others_share'])} of the machine. Intervals are wider for it."
        )
    if noise["stopped_seconds"] > 0:
        yield (
            f"The container stood still for {noise['stopped_seconds']:.1f} s, having used up its "
            "share of the processors."
        )


def check_command(document: Document) -> str | None:
    """The command that checks the delivered model again on new data; None if there is none."""
    data = document["data"]
    if document["delivered"] is None or data is None or document["chosen"] == ORIGINAL:
        return None
    labels = " --labels NEW-LABELS.npy" if data["labels"] else ""
    return f"lissom verify OUT/model.onnx --against ORIGINAL.onnx --data NEW-SAMPLES.npz{labels}"


def _share(value: float, whole: float) -> float:
    """In percent of the chart."""
    return 100 * min(1.0, max(0.0, value / whole))
