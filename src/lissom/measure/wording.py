"""What a quality's numbers are, in plain words, for reports."""

from dataclasses import dataclass

from lissom.measure.answers import Outlook
from lissom.measure.judge import Judge

__all__ = ["Grounds", "meaning"]

_ANSWER = {
    "classes": "the likeliest class",
    "ctc": "the line read",
    "sequence": "the likeliest class of each step",
    "map": "the likeliest class of each position (at most 256 positions a sample)",
    "binary": "each value above or below one half (at most 256 values a sample)",
    "embedding": "the nearest of the other samples",
    "identifiers": "the values (at most 1024 a sample)",
    "regression": "the values (at most 1024 a sample)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What an expected drop rests on.

    Attributes:
        quality: of the original, as it is known or as few labels show it; None if it is not.
        temperature: of its confidence; None where it is not used.
        labelled: how many labels corrected the drop.
    """

    quality: float | None = None
    temperature: float | None = None
    labelled: int = 0


def meaning(
    view: Outlook,
    kind: str,
    judge: Judge,
    grounds: Grounds,
    *,
    worst: str,
    differ: float,
) -> str:
    """Say what the drop is, what the disagreement is, and what was taken for granted.

    Args:
        view: the output that was judged.
        kind: of the drop: `labels`, `expected` or `bound`.
        judge: the metric and the original's known quality.
        grounds: what an expected drop rests on.
        worst: the output that disagrees most.
        differ: how much it does.
    """
    answer = "the five likeliest classes" if judge.metric == "top5" else _ANSWER[view.kind]
    if kind == "labels":
        metric = judge.metric or "top1"
        parts = [f"The drop is measured: the original's {metric} less the candidate's, on labels."]
    elif kind == "expected":
        parts = [_expected(answer, judge, grounds)]
        if grounds.labelled:
            parts.append(
                f"It is corrected by {grounds.labelled:,} known labels, as far as they tell more "
                "than the estimate, which takes the score to be the share of right answers."
            )
        if view.kind in ("map", "binary"):
            parts.append(
                "Every position counts alike; a measure of overlap loses more where what is looked "
                "for is small."
            )
    elif view.kind == "regression":
        parts = [
            "The drop is the error of the outputs relative to the spread of the original's from "
            "sample to sample, at most 1 each; what it does to the task cannot be known from it."
        ]
    else:
        parts = [
            "The drop is the disagreement itself, a bound: no loss of accuracy can be larger, and "
            "it is usually much smaller."
        ]
        if view.kind == "embedding":
            parts.append("With the original's known quality an expected drop could be given.")
    if view.kind != "regression":
        parts.append(
            f"The disagreement is how often {answer} differs from the original's: "
            f"{100 * differ:.2f}%"
            + (f" (output {worst!r}, the worst)." if worst != view.output else ".")
        )
    parts.append(f"Judged output: {view.output!r}, read as {view.kind}: {view.why}.")
    return " ".join(parts)


def _expected(answer: str, judge: Judge, grounds: Grounds) -> str:
    text = (
        f"The drop is expected, not measured: the mean of p({answer} by the original) - p(by the "
        "candidate), "
    )
    right = ""
    if grounds.quality is not None:
        told = (
            "is known to be right"
            if judge.original_quality is not None
            else "is right by the few labels"
        )
        right = f"as sure on average as the original {told} ({100 * grounds.quality:.2f}%)"
    if grounds.temperature is None:
        return (
            f"{text}p being a softmax of both models' similarities (the candidate's as far as they "
            f"predict the original's), {right}."
        )
    text += "under the original's own probabilities"
    if not right:
        return text + "; it is right as far as the original's confidence is right."
    return f"{text}, at a temperature of {grounds.temperature:.3g}: {right}."
