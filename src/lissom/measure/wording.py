"""What a quality's numbers are, in plain words, for reports."""

from lissom.measure.answers import Outlook
from lissom.measure.judge import Judge

__all__ = ["meaning"]

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


def meaning(
    view: Outlook,
    kind: str,
    judge: Judge,
    temperature: float | None,
    *,
    worst: str,
    differ: float,
) -> str:
    """Say what the drop is, what the disagreement is, and what was taken for granted.

    Args:
        view: the output that was judged.
        kind: of the drop: `labels`, `expected` or `bound`.
        judge: the metric and the original's known quality.
        temperature: of the original's confidence, if it was used.
        worst: the output that disagrees most.
        differ: how much it does.
    """
    answer = "the five likeliest classes" if judge.metric == "top5" else _ANSWER[view.kind]
    if kind == "labels":
        metric = judge.metric or "top1"
        parts = [f"The drop is measured: the original's {metric} less the candidate's, on labels."]
    elif kind == "expected":
        parts = [_expected(answer, judge, temperature)]
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


def _expected(answer: str, judge: Judge, temperature: float | None) -> str:
    text = (
        f"The drop is expected, not measured: the mean of p({answer} by the original) - p(by the "
        "candidate), under the original's own probabilities"
    )
    if temperature is None:
        return (
            f"The drop is expected, not measured: the mean of p({answer} by the original) - p(by "
            "the candidate), p being a softmax of both models' mean similarities, as sure on "
            f"average as the original is known to be right ({_percent(judge)})."
        )
    if judge.original_quality is None:
        return text + "; it is right as far as the original's confidence is right."
    return (
        f"{text}, at a temperature of {temperature:.3g}, where the original is as sure on average "
        f"as it is known to be right ({_percent(judge)})."
    )


def _percent(judge: Judge) -> str:
    return f"{100 * (judge.original_quality or 0.0):.2f}%"
