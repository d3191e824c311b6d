"""The expected drop of a candidate with its interval, from the samples and from few labels if any.

Three things stand between the mean of the samples and the drop that the task will see:

- Few samples change their answer, so counting them is coarse. Where a sample is one choice among
  classes, the chance of a change is taken instead, from what similar samples went through
  (`numerics.flips`): a quarter less error at 150 samples.
- The samples are a sample: the usual interval, with two pseudo-values of caution.
- The original may be wrong about its own confidence where the two models differ. The interval is
  wider by 0.15 for each answer that differs when its quality is known, by 0.2 when it is not: so
  much made it hold in at least 92% of drawings from two image tasks.

With labels for some samples the estimate is corrected by what they show (prediction-powered
inference, `numerics.powered`); the two are joined by their variances, so a handful of labels moves
it little, and many decide it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lissom.measure.answers import Outlook
from lissom.measure.expected import Comparison, sketch_of
from lissom.measure.fitting import Array
from lissom.numerics.flips import expected_losses
from lissom.numerics.powered import powered_mean
from lissom.numerics.statistics import wilson

__all__ = ["Estimate", "Trust", "corrected_quality", "estimate"]

Floats = NDArray[np.float64]
Arrays = Mapping[str, Array]

_MISBELIEF = {True: 0.15, False: 0.2}  # by whether the quality is known; see bench.expected_drop
_SPREAD = 0.25  # the least deviation of the pseudo-values of expected losses,
_LABEL_SPREAD = 0.5  # and of differences on labels
_RANKS = 32  # more likely classes than these are not tried
_OVERCONFIDENCE = 0.05  # how far mean confidence is from quality, as a rule
_LEAST_EMBEDDED = 20  # labels that tell the quality where no confidence does
_TRUSTED = (0.02, 0.995)  # a learned quality stays inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An expected drop.

    Attributes:
        drop: loss of score, absolute.
        interval: 95%: of the samples, and of the original's belief in itself.
        labelled: how many known labels corrected it.
    """

    drop: float
    interval: tuple[float, float]
    labelled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far the original's confidence goes.

    Attributes:
        temperature: of it; None for embeddings.
        quality_known: it was fitted to the original's known quality, not to a learned one.
    """

    temperature: float | None
    quality_known: bool


def estimate(
    original: Arrays,
    candidate: Arrays,
    outlook: Outlook,
    compared: Comparison,
    trust: Trust,
    *,
    top: int = 1,
    lost: Floats | None = None,
) -> Estimate:
    """What a candidate is expected to lose.

    Args:
        original: its collected answers.
        candidate: the candidate's, to the same samples.
        outlook: what they are.
        compared: the two side by side, with expected losses.
        trust: how far the original's confidence goes.
        top: how many of the likeliest classes count as the answer.
        lost: the original's score less the candidate's on labels, NaN where none is known; None
            without labels.

    Raises:
        ValueError: there are no expected losses.
    """
    losses = compared.drop
    if losses is None:
        raise ValueError("no honest estimate exists of these answers")
    drop, influence = float(losses.mean()), losses
    if trust.temperature is not None and top == 1 and _is_one_choice(original, outlook):
        each, costs = _tried(original, candidate, trust.temperature)
        # Both as one of many and as the change that others are tried with, a sample moves the mean.
        drop, influence = float(each.mean()), each + costs - each.mean()
        # On these very samples no more can be lost than differs.
        drop = min(drop, float(compared.disagreement.mean()))
    variance = _variance(influence, _SPREAD)
    differ = compared.disagreement
    above = wilson(float(differ.sum()), len(differ))[1]
    doubt = _MISBELIEF[trust.quality_known] * above / 1.96
    known = np.zeros(len(losses), bool) if lost is None else np.isfinite(lost)
    if lost is None or not known.any():
        return _stated(drop, variance + doubt**2, len(losses))
    return _joined(drop, variance + doubt**2, losses, lost, known)


def corrected_quality(scores: Floats, confidence: Floats | None) -> float | None:
    """The original's quality, learned from few labels and its own confidence.

    The mean confidence plus what the labelled samples are off by, the less of it the fewer they
    are: a network's mean confidence is off by a twentieth as a rule.

    Args:
        scores: of the original on labels, NaN where none is known, [n].
        confidence: its own, [n]; None where it has none.

    Returns:
        The quality; None if too little is known.
    """
    known = np.isfinite(scores)
    count = int(known.sum())
    if count == 0 or (confidence is None and count < _LEAST_EMBEDDED):
        return None
    if confidence is None:
        found = float(scores[known].mean())
    else:
        off = scores[known] - confidence[known]
        noise = _variance(off, _LABEL_SPREAD)
        weight = _OVERCONFIDENCE**2 / (_OVERCONFIDENCE**2 + noise)
        found = float(confidence.mean()) + weight * float(off.mean())
    return min(_TRUSTED[1], max(_TRUSTED[0], found))


def _is_one_choice(original: Arrays, outlook: Outlook) -> bool:
    """Whether each sample is one choice: classes, or a single yes or no."""
    return outlook.kind in ("classes", "binary") and bool((original["lengths"] == 1).all())


def _tried(original: Arrays, candidate: Arrays, temperature: float) -> tuple[Floats, Floats]:
    """Each sample with the changes of similar ones; see `expected_losses`."""
    ours, theirs = sketch_of(original), sketch_of(candidate)
    listed = ours.index[:, :_RANKS]
    tempered = ours.at(temperature)
    changed = np.log(np.maximum(theirs.probability(listed), 1e-35))
    unlisted = (listed != theirs.index[:, :1]).all(axis=1)
    other = np.where(unlisted, np.exp(tempered.rest.astype(np.float64)), np.nan)
    other[candidate["bad"].astype(bool)] = 0.0
    belief = np.exp(tempered.logp[:, :_RANKS].astype(np.float64))
    return expected_losses(ours.logp[:, :_RANKS].astype(np.float64), changed, belief, other)


def _variance(values: Floats, spread: float) -> float:
    """Of the mean of values, with two pseudo-values as in `statistics.mean_interval`."""
    centred = values - values.mean()
    deviation = max(spread, float(np.abs(centred).max()))
    count = len(values) + 2
    return (float((centred**2).sum()) + deviation**2) / count / count


def _stated(drop: float, variance: float, count: float, labelled: int = 0) -> Estimate:
    from scipy.special import stdtrit

    half = float(stdtrit(max(1.0, count - 1.0), 0.975)) * math.sqrt(variance)
    return Estimate(
        drop=drop, interval=(max(-1.0, drop - half), min(1.0, drop + half)), labelled=labelled
    )


def _joined(
    drop: float, variance: float, losses: Floats, lost: Floats, known: NDArray[np.bool_]
) -> Estimate:
    """The estimate and what the labels say, each as far as it can be relied on."""
    told = powered_mean(lost[known], losses[known], losses[~known], spread=_LABEL_SPREAD)
    # Both rest on the same samples, so they are off together.
    shared = min(max(0.0, told.covariance), told.variance, variance)
    apart = told.variance + variance - 2 * shared
    weight = (variance - shared) / apart if apart > 0 else 1.0
    joined = (
        weight**2 * told.variance
        + (1 - weight) ** 2 * variance
        + 2 * weight * (1 - weight) * shared
    )
    count = int(known.sum())
    return _stated(
        weight * told.mean + (1 - weight) * drop,
        joined,
        weight * count + (1 - weight) * len(losses),
        count,
    )
