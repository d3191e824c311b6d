"""Certificates: a limit, the bound found at a stated confidence, and whether the limit is held.

The certification part of the samples was seen by no method and took part in no choice. On it each
candidate's drop gets an upper bound that is right at the stated confidence for any number of
samples (`numerics.bounds`).

Several candidates are tested one after another in an order fixed beforehand, from the most to the
least promising on the selection part, each at the full confidence, until one is not held. So with
the stated confidence every `held` of a front is true at once, whichever candidate is then picked.
Source: Angelopoulos et al., Learn then Test, arXiv:2110.01052 (fixed sequence testing); Laufer-
Goldshtein et al., Efficiently Controlling Multiple Risks with Pareto Testing, arXiv:2210.07913.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lissom.numerics.bounds import samples_needed, upper_bound
from lissom.store.hashing import Json

__all__ = ["Certificate", "Kind", "Quantity", "Verdict", "certify", "measured", "promise"]

Quantity = Literal["drop", "latency", "size", "memory"]
Kind = Literal["labels", "expected", "bound", "error", "measured"]
Verdict = Literal["held", "not held", "too few samples"]

_SHARES: frozenset[Kind] = frozenset({"bound", "error"})
"""Kinds whose values cannot be negative."""

_ASSUMPTIONS: dict[Kind, str] = {
    "labels": "the samples were drawn independently from what the model will meet",
    "expected": "the samples were drawn independently from what the model will meet, and the "
    "original's own confidence is right on average where the two models differ",
    "bound": "the samples were drawn independently from what the model will meet, and quality is "
    "the share of right answers",
    "error": "the samples were drawn independently from what the model will meet, and the "
    "original's answers spread as they do on these samples",
    "measured": "the machine behaves as it did while it was measured",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is known of one limit on one candidate.

    Attributes:
        quantity: what is limited.
        kind: `labels` (paired, measured), `expected` (under the original's own confidence),
            `bound` (the disagreement, which no loss can exceed), `error` (of answers that are plain
            numbers, relative to their spread), `measured` (on this machine).
        limit: the largest value allowed, in `unit`.
        unit: `score` (0.01 is one point), `ms` or `bytes`.
        estimate: of the quantity.
        bound: the quantity of this candidate by itself is at most this, at `confidence`.
        confidence: one-sided; 1 for what is known exactly; None for what was measured once, whose
            spread is not known.
        verdict: `held` and `not held` are shown at `confidence`; `too few samples` is neither.
        count: how many samples (or runs) it rests on.
        more_samples: how many more would decide it at the observed rate; None where it is decided
            or no number would.
        place: in the order of tests, from 1.
        assumption: what must be true for it.

    Raises:
        ValueError: a verdict of held above the limit.
    """

    quantity: Quantity
    kind: Kind
    limit: float
    unit: Literal["score", "ms", "bytes"]
    estimate: float
    bound: float
    confidence: float | None
    verdict: Verdict
    count: int
    more_samples: int | None = None
    place: int = 1
    assumption: str

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise ValueError(f"{self.verdict!r} is not a verdict")
        if self.verdict == "held" and self.bound > self.limit:
            raise ValueError(f"a bound of {self.bound} does not hold the limit {self.limit}")

    @property
    def held(self) -> bool:
        """Whether the limit was shown to be held."""
        return self.verdict == "held"

    @property
    def waits(self) -> bool:
        """Whether its own bound is good and only an earlier one in the order stands before it."""
        return not self.held and self.bound <= self.limit

    def sentence(self, *, share: float = 1.0) -> str:
        """Say it in plain words.

        Args:
            share: of all samples that are kept for certification; more are asked for accordingly.
        """
        return f"{self._verdict_words(share)} This takes for granted that {self.assumption}."

    def clause(self, *, share: float = 1.0) -> str:
        """Why it is not held, as a clause; `share` as for `sentence`."""
        name, limit = (
            _NAMES[self.quantity, self.kind],
            self._write(self.limit, math.floor),
        )
        if self.verdict == "not held":
            return f"{name} is above the limit of {limit}"
        found = self._write(self.bound, math.ceil)
        if self.waits:
            return f"{name} is at most {found}, but one tested before it does not hold {limit}"
        more = self._more(share).strip().rstrip(".")
        return f"{name} could be up to {found}, over {limit}; {more[:1].lower()}{more[1:]}"

    def _verdict_words(self, share: float) -> str:
        name, limit = _NAMES[self.quantity, self.kind], self._write(self.limit, math.floor)
        sure = (
            ""
            if self.confidence is None or self.confidence == 1
            else f"With {100 * self.confidence:.6g}% confidence "
        )
        once = " (measured once)" if self.confidence is None else ""
        if self.verdict == "held":
            alone, jointly = "", ""
            if self.place > 1:
                alone, jointly = " by itself", f", jointly with the {self.place - 1} tested before"
            found = self._write(self.bound, math.ceil)
            return _capital(
                f"{sure}{name}{alone} is at most {found}{once}: "
                f"the limit of {limit} is held{jointly}."
            )
        if self.verdict == "not held":
            found = self._write(self.estimate, round)
            above = f"{sure}{name} is above the limit of {limit}{once}"
            return _capital(f"{above}; the estimate is {found}.")
        found = self._write(self.bound, math.ceil)
        if self.waits:
            return _capital(
                f"{sure}{name} by itself is at most {found}, but a candidate that was tested "
                f"before is not certified to hold the limit of {limit}, and only an unbroken "
                f"sequence holds jointly.{self._more(share)}"
            )
        return (
            f"Too few samples to tell: {name} is estimated at {self._write(self.estimate, round)} "
            f"and could be up to {found}; the limit is {limit}.{self._more(share)}"
        )

    def _more(self, share: float) -> str:
        if self.more_samples is None:
            return " No number of samples would decide it at the observed rate."
        what = "runs" if self.quantity == "latency" else "samples"
        if self.unit != "score":
            share = 1.0  # runs are not parted
        total = _rounded_up(self.more_samples / share)
        inside = ""
        if share < 1.0:
            inside = f", {_rounded_up(self.more_samples):,} of them for certification"
        return f" About {total:,} more {what} would decide it at the observed rate{inside}."

    def _write(self, value: float, rounded: Callable[[float], float]) -> str:
        """In units for people. Bounds are rounded up and limits down, never to advantage."""
        if self.unit == "score":
            # A nudge, so that 0.07 is 7.00 points and not 6.99 or 7.01.
            hundredths = value * 10_000
            if rounded is not round:
                hundredths += 1e-7 if rounded is math.floor else -1e-7
            return f"{rounded(hundredths) / 100:.2f} points"
        if self.unit == "ms":
            return f"{value:.4g} ms"
        return f"{value:,.0f} bytes"

    def to_json(self, *, share: float = 1.0) -> dict[str, Json]:
        """Write as JSON, the sentence included; `share` as for `sentence`."""
        return {**asdict(self), "sentence": self.sentence(share=share)}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Certificate":
        """Read what `to_json` wrote."""
        return cls(**{name: each for name, each in value.items() if name != "sentence"})


_NAMES: dict[tuple[Quantity, Kind], str] = {
    ("drop", "labels"): "the drop",
    ("drop", "expected"): "the expected drop",
    ("drop", "error"): "the error of the outputs, relative to the spread of the original's,",
    ("drop", "bound"): "the share of answers that differ, which no loss can exceed,",
    ("latency", "measured"): "the median latency",
    ("size", "measured"): "the size",
    ("memory", "measured"): "the memory",
}


def promise(drop: float, upper: float, limit: float) -> float:
    """How surely a candidate seems to hold a limit, by the selection part: larger is surer.

    To sort candidates by, largest first, before `certify` looks at them: the distance to the limit
    in units of the estimate's uncertainty, which orders as the p-value would.

    Args:
        drop: estimated on the selection part.
        upper: upper end of its interval.
        limit: of the drop.
    """
    return (limit - drop) / max(upper - drop, 1e-12)


def certify(
    differences: Sequence[ArrayLike],
    limit: float,
    *,
    confidence: float = 0.95,
    kind: Kind = "labels",
    besides: str = "",
) -> tuple[Certificate, ...]:
    """Test the candidates of a front in order; every `held` is true at once at `confidence`.

    Answers one certificate for each, in the same order.

    Args:
        differences: for each candidate the samples' values on the certification part [n]: the
            original's score less the candidate's (`labels`), the expected drop (`expected`), both
            in [-1, 1], or the disagreement in [0, 1] (`bound`, `error`). The most promising comes
            first; the order must not depend on these values (see `promise`).
        limit: of the mean, such as 0.01 for one point.
        confidence: of all that is held, jointly; of each bound and each `not held` by itself.
        kind: what the values are.
        besides: what else must be true, a clause for the assumption.

    Raises:
        ValueError: no values, not finite, outside their range, or a kind that has no samples.
    """
    if kind == "measured":
        raise ValueError("what was measured without samples has no differences; use `measured`")
    share, unbroken = kind in _SHARES, True
    found: list[Certificate] = []
    blocking: int | None = None
    assumption = ", and ".join(filter(None, (_ASSUMPTIONS[kind], besides)))
    for place, each in enumerate(differences, start=1):
        values = np.asarray(each, dtype=np.float64).ravel()
        bound = upper_bound(values, confidence=confidence, share=share)
        verdict = _alone(values, bound, limit, confidence, kind)
        if verdict == "held" and not unbroken:
            verdict = "too few samples"
        more = None
        if verdict == "too few samples":
            more = blocking if bound <= limit else _more_samples(values, limit, confidence, kind)
        if verdict != "held" and unbroken:
            # Those behind wait for this one, unless it is above the limit anyway.
            unbroken, blocking = False, more if values.mean() < limit else None
        found.append(
            Certificate(
                quantity="drop",
                kind=kind,
                limit=limit,
                unit="score",
                estimate=float(values.mean()),
                bound=bound,
                confidence=confidence,
                verdict=verdict,
                count=values.size,
                more_samples=more,
                place=place,
                assumption=assumption,
            )
        )
    return tuple(found)


def measured(
    quantity: Literal["latency", "size", "memory"],
    value: float,
    limit: float,
    *,
    interval: tuple[float, float] | None = None,
    count: int = 1,
) -> Certificate:
    """The certificate of a limit on what was measured on this machine.

    Args:
        quantity: the size is exact; a latency has an interval; memory is measured once.
        value: in milliseconds (median) or bytes.
        limit: in the same unit.
        interval: 95%, two-sided, so each end is right more often than that.
        count: how many runs it rests on.

    Raises:
        ValueError: a latency without its interval.
    """
    if quantity == "latency" and interval is None:
        raise ValueError("a latency is certified by its interval, which is missing")
    low, high = interval or (value, value)
    confidence = 0.95 if interval is not None else 1.0 if quantity == "size" else None
    more: int | None = None
    verdict: Verdict = "held" if high <= limit else "not held" if low > limit else "too few samples"
    gap = abs(limit - value)
    if verdict == "too few samples" and gap > 1e-9 * limit:
        half = high - value if value < limit else value - low
        more = max(1, math.ceil(count * ((half / gap) ** 2 - 1)))
    exact = quantity == "size"
    return Certificate(
        quantity=quantity,
        kind="measured",
        limit=limit,
        unit="ms" if quantity == "latency" else "bytes",
        estimate=value,
        bound=high,
        confidence=confidence,
        verdict=verdict,
        count=count,
        more_samples=more,
        assumption="the file is delivered as it is" if exact else _ASSUMPTIONS["measured"],
    )


def _alone(
    values: NDArray[np.float64], bound: float, limit: float, confidence: float, kind: Kind
) -> Verdict:
    """The verdict on one candidate by itself."""
    if bound <= limit:
        return "held"
    above = values.mean() > limit and _lower(values, confidence, kind) > limit
    return "not held" if above else "too few samples"


def _lower(values: NDArray[np.float64], confidence: float, kind: Kind) -> float:
    if kind in _SHARES:
        return 1 - upper_bound(1 - values, confidence=confidence, share=True)
    return -upper_bound(-values, confidence=confidence)


def _more_samples(
    values: NDArray[np.float64], limit: float, confidence: float, kind: Kind
) -> int | None:
    total = samples_needed(values, limit, confidence=confidence, share=kind in _SHARES)
    return None if total is None else max(1, total - values.size)


def _rounded_up(count: float) -> int:
    """Two digits are as much as a plan can know."""
    whole = math.ceil(count)
    step: int = 10 ** max(0, len(str(whole)) - 2)
    return math.ceil(whole / step) * step


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
