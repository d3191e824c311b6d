"""What a model's outputs mean: which output is the answer, and of which kind.

Nothing in a file says "these are class scores", so it is inferred from what the original answers on
a few feeds, and the inference is part of every result (`Outlook.why`). Naming a metric overrides
it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from lissom.errors import OptionError
from lissom.measure.fitting import Array, listed
from lissom.store.hashing import Json

__all__ = ["AnswerKind", "Outlook", "infer", "outlook_for", "primary", "rows_of"]

AnswerKind = Literal[
    "classes", "ctc", "sequence", "map", "binary", "embedding", "regression", "identifiers"
]

_EMBEDDING_NAME = re.compile(r"embed|feature|vector|pooler|sentence", re.IGNORECASE)
_STATE_NAME = re.compile(r"state|hidden|cache|present|past|^[hc]n?$", re.IGNORECASE)
_SCORE_NAME = re.compile(r"logit|prob|score|class", re.IGNORECASE)
_CTC_CLASSES = 20  # fewer classes than an alphabet: tags, not characters
_CTC_BLANKS = 0.2
_MANY_CLASSES = 1000
_MAP_CLASSES = 512
_FEW_ROWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One output, as an answer.

    Attributes:
        output: its name.
        kind: what it is read as.
        axis: the axis of classes; -1 where there is none.
        probabilities: the scores are probabilities already.
        blank: the class that separates symbols, for `ctc`.
        why: the reason, a clause for people.
    """

    output: str
    kind: AnswerKind
    axis: int = -1
    probabilities: bool = False
    blank: int | None = None
    why: str = ""

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Outlook":
        """Read what `to_json` wrote."""
        return cls(**value)


def rows_of(out: Array, samples: int, batch: int) -> Array:
    """Put an output's samples on its first axis.

    Args:
        out: an output of one run.
        samples: how many samples of the run count (the rest are copies).
        batch: how many samples were joined.
    """
    if out.ndim == 0:
        return out.reshape(1)
    if out.ndim == 3 and out.shape[0] != batch and out.shape[1] == batch:
        out = np.swapaxes(out, 0, 1)  # steps first, as recurrent networks write them
    if batch > 1 and out.shape[0] == batch:
        return out[:samples]
    return out


def infer(name: str, outs: Sequence[Array]) -> Outlook:
    """Say what one output is.

    Args:
        name: its name.
        outs: what the original answered on a few feeds, samples on the first axis.
    """
    first = outs[0]
    if first.dtype.kind != "f":
        return Outlook(output=name, kind="identifiers", why=f"it is {first.dtype.name}")
    values = np.concatenate([out.ravel() for out in outs]).astype(np.float64)
    values = values[np.isfinite(values)]
    if values.size and values.max() > 1 and np.array_equal(values, np.rint(values)):
        return Outlook(output=name, kind="identifiers", why="all its values are whole numbers")
    outs = [_squeezed(out) for out in outs]
    if outs[0].ndim == 2 and outs[0].shape[1] > 1:
        return _flat(name, outs, values)
    if outs[0].ndim == 3:
        return _steps(name, outs, values)
    if outs[0].ndim == 4:
        return _dense(name, outs, values)
    if _in_unit(values):
        return Outlook(output=name, kind="binary", why="its values lie in 0 to 1")
    return Outlook(output=name, kind="regression", why="its values are plain numbers")


def _squeezed(out: Array) -> Array:
    """Drop trailing axes of size 1: [n, classes, 1, 1] is [n, classes]."""
    while out.ndim > 2 and out.shape[-1] == 1:
        out = out[..., 0]
    return out


def _in_unit(values: Array) -> bool:
    return bool(values.size and values.min() >= -1e-6 and values.max() <= 1 + 1e-6)


def _scores(outs: Sequence[Array], axis: int) -> Literal["probabilities", "logs"] | None:
    """Whether an axis holds distributions, as probabilities or as their logarithms."""
    if outs[0].shape[axis] < 2:
        return None
    tolerance = 1e-2 if outs[0].dtype == np.float16 else 1e-3
    wide = [out.astype(np.float64) for out in outs if out.size]
    if not wide:
        return None
    sums = np.concatenate([out.sum(axis=axis).ravel() for out in wide])
    if all(out.min() >= -tolerance for out in wide) and np.abs(sums - 1).max() < tolerance:
        return "probabilities"
    if all(out.max() <= tolerance for out in wide):
        sums = np.concatenate([np.exp(out).sum(axis=axis).ravel() for out in wide])
        if np.abs(sums - 1).max() < tolerance:
            return "logs"
    return None


def _flat(name: str, outs: Sequence[Array], values: Array) -> Outlook:
    rows = np.concatenate(outs).astype(np.float64)
    scores = _scores(outs, 1)
    if scores is not None:
        return Outlook(
            output=name,
            kind="classes",
            axis=1,
            probabilities=scores == "probabilities",
            why=f"each row is a distribution over {rows.shape[1]} classes",
        )
    if _in_unit(values):
        return Outlook(output=name, kind="binary", why="its values lie in 0 to 1, row sums differ")
    if _STATE_NAME.search(name):
        return Outlook(output=name, kind="regression", why="its name is that of a state")
    unit = np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-2
    if unit or _EMBEDDING_NAME.search(name):
        why = "its rows have length 1" if unit else "of its name"
        return Outlook(output=name, kind="embedding", why=why)
    answers = np.unique(rows.argmax(axis=1))
    if len(rows) >= _FEW_ROWS and len(answers) == 1 and not _SCORE_NAME.search(name):
        why = "the same column is always the largest, so it does not choose among classes"
        return Outlook(output=name, kind="regression", why=why)
    why = f"each row is taken for the logits of {rows.shape[1]} classes"
    return Outlook(output=name, kind="classes", axis=1, why=why)


def _steps(name: str, outs: Sequence[Array], values: Array) -> Outlook:
    classes = outs[0].shape[2]
    scores = _scores(outs, 2)
    if scores is None and _in_unit(values):
        return Outlook(output=name, kind="binary", why="its values lie in 0 to 1")
    likely = _SCORE_NAME.search(name) or classes >= _MANY_CLASSES
    if scores is None and (not likely or classes < 2):
        return Outlook(output=name, kind="regression", why="its steps are no distributions")
    blank = _blank(outs, classes)
    return Outlook(
        output=name,
        kind="sequence" if blank is None else "ctc",
        axis=2,
        probabilities=scores == "probabilities",
        blank=blank,
        why=f"each step is a distribution over {classes} classes"
        + ("" if blank is None else f", and class {blank} separates"),
    )


def _blank(outs: Sequence[Array], classes: int) -> int | None:
    """The blank of CTC: the first or last class, if it wins a good share of the steps."""
    if classes < _CTC_CLASSES:
        return None
    answers = np.concatenate([out.argmax(axis=2).ravel() for out in outs])
    shares = {blank: float((answers == blank).mean()) for blank in (0, classes - 1)}
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= _CTC_BLANKS else None


def _dense(name: str, outs: Sequence[Array], values: Array) -> Outlook:
    for axis in (1, 3):
        scores = _scores(outs, axis)
        if scores is not None:
            return Outlook(
                output=name,
                kind="map",
                axis=axis,
                probabilities=scores == "probabilities",
                why=f"each position is a distribution over {outs[0].shape[axis]} classes",
            )
    if _in_unit(values):
        return Outlook(output=name, kind="binary", why="its values lie in 0 to 1")
    classes = outs[0].shape[1]
    # Three and four channels are as often colours as classes.
    likely = 2 <= classes <= _MAP_CLASSES and classes not in (3, 4)
    varied = len(np.unique(np.concatenate([out.argmax(axis=1).ravel() for out in outs]))) > 1
    if (likely or _SCORE_NAME.search(name)) and classes > 1 and varied:
        why = f"each position is taken for the logits of {classes} classes"
        return Outlook(output=name, kind="map", axis=1, why=why)
    return Outlook(output=name, kind="regression", why="its positions are no distributions")


def primary(outlooks: Sequence[Outlook]) -> Outlook:
    """The output that is judged: the first that makes a choice, else the first with numbers."""
    for plain in ({"regression", "identifiers"}, {"identifiers"}, set[str]()):
        for outlook in outlooks:
            if outlook.kind not in plain and not _STATE_NAME.search(outlook.output):
                return outlook
    return outlooks[0]


def outlook_for(metric: str, outlooks: Sequence[Outlook], ranks: Mapping[str, int]) -> Outlook:
    """The output that a named metric judges.

    Args:
        metric: `top1`, `top5` or an answer kind.
        outlooks: what was inferred, in the order of the outputs.
        ranks: number of axes of each output, trailing ones left out.

    Raises:
        OptionError: no output can be read so.
    """
    kind: AnswerKind = "classes" if metric in ("top1", "top5") else metric  # type: ignore[assignment]
    for outlook in outlooks:
        if outlook.kind == kind:
            return outlook
    fitting = {"classes": (2,), "ctc": (3,), "sequence": (3,), "map": (4,), "embedding": (2,)}
    for outlook in outlooks:
        if kind in ("regression", "binary") and outlook.kind != "identifiers":
            return Outlook(output=outlook.output, kind=kind, why="the metric was named")
        if ranks[outlook.output] in fitting.get(kind, ()) and outlook.kind != "identifiers":
            axis = {"classes": 1, "map": 1, "ctc": 2, "sequence": 2}.get(kind, -1)
            blank = 0 if kind == "ctc" else None
            return Outlook(
                output=outlook.output,
                kind=kind,
                axis=axis,
                blank=blank,
                probabilities=outlook.probabilities,
                why="the metric was named",
            )
    raise OptionError(
        f"metric {metric!r} fits none of the outputs "
        f"({listed(outlook.output for outlook in outlooks)}); leave it out to have it inferred"
    )
