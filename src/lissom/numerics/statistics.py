"""Intervals and probabilities: medians, paired differences, proportions, softmax, temperature.

Every interval is two-sided at the stated confidence and honest for few values: it never shrinks to
a point because nothing happened to vary in a small sample.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "bootstrap_median",
    "clopper_pearson",
    "fit_temperature",
    "log_softmax",
    "mean_interval",
    "paired_interval",
    "solve_decreasing",
    "softmax",
    "wilson",
]

Floats = NDArray[np.float64]
_TEMPERATURES = (
    0.02,
    50.0,
)  # outside this span the model is as good as constant
_CHUNK = 4_000_000  # elements of one resampling block: 32 MB


def _finite(values: ArrayLike) -> Floats:
    """Return values [n] as float64, or say why they cannot be used."""
    array = np.asarray(values, dtype=np.float64).ravel()
    if array.size == 0:
        raise ValueError("no values were given: an interval needs at least one")
    if not np.isfinite(array).all():
        raise ValueError("values hold NaN or infinity")
    return array


def _z(confidence: float) -> float:
    """Two-sided quantile of the normal distribution."""
    from scipy.special import ndtri

    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}, must be between 0 and 1")
    return float(ndtri(0.5 + confidence / 2))


def bootstrap_median(
    values: Sequence[float] | Floats,
    *,
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 1000,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the median of values [n].

    Up to six values their whole range is returned: the bootstrap knows nothing of the tails then.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.

    Raises:
        ValueError: no values, or values that are not finite.
    """
    array = _finite(values)
    if array.size <= 6:
        return float(array.min()), float(array.max())
    rng = np.random.default_rng(seed)
    block = max(1, _CHUNK // array.size)
    medians: list[Floats] = []
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        picked = array[rng.integers(0, array.size, (count, array.size))]
        medians.append(np.median(picked, axis=1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(medians), [tail, 1 - tail])
    return float(low), float(high)


def wilson(successes: float, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion: close to the stated coverage for any count.

    Source: Wilson, Probable inference, JASA 22 (1927), p. 209.

    Raises:
        ValueError: no trials, or successes outside 0 to trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials is not a proportion")
    z2 = _z(confidence) ** 2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * share * (1 - share) / trials + z2**2 / (4 * trials**2)) / (
        1 + z2 / trials
    )
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


def clopper_pearson(
    successes: int, trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Exact interval of a proportion: coverage is never below the stated confidence.

    Source: Clopper and Pearson, Biometrika 26 (1934), p. 404.

    Raises:
        ValueError: no trials, or successes outside 0 to trials.
    """
    from scipy.special import betaincinv

    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials is not a proportion")
    tail = (1 - confidence) / 2
    low, high = 0.0, 1.0
    if successes > 0:
        low = float(betaincinv(successes, trials - successes + 1, tail))
    if successes < trials:
        high = float(betaincinv(successes + 1, trials - successes, 1 - tail))
    return low, high


def paired_interval(
    differences: Sequence[float] | Floats, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean of paired differences [n], each in [-1, 1].

    Differences that are all -1, 0 or 1 (two classifiers on the same labelled inputs) get Tango's
    score interval, good from a handful of pairs up; others get `mean_interval` with the bounds -1
    and 1.
    Source: Tango, Statistics in Medicine 17 (1998), p. 891, eq. 9 and 10.

    Raises:
        ValueError: no differences, not finite, or outside [-1, 1].
    """
    array = _finite(differences)
    if np.isin(array, (-1.0, 0.0, 1.0)).all():
        return _tango(int((array > 0).sum()), int((array < 0).sum()), array.size, _z(confidence))
    return mean_interval(array, low=-1.0, high=1.0, confidence=confidence)


def _tango(more: int, fewer: int, pairs: int, z: float) -> tuple[float, float]:
    """Score interval of (more - fewer) / pairs."""

    def statistic(delta: float) -> float:
        linear = (2 * pairs - more + fewer) * delta - more - fewer
        root = math.sqrt(max(0.0, linear**2 + 8 * pairs * fewer * delta * (1 - delta)))
        share = max(0.0, (root - linear) / (4 * pairs))
        variance = pairs * (2 * share + delta * (1 - delta))
        gap = more - fewer - pairs * delta
        if variance <= 0:
            return math.copysign(math.inf, gap) if gap else 0.0
        return gap / math.sqrt(variance)

    estimate = (more - fewer) / pairs
    low = -1.0 if estimate == -1 else solve_decreasing(statistic, z, -1.0, estimate)
    high = 1.0 if estimate == 1 else solve_decreasing(statistic, -z, estimate, 1.0)
    return low, high


def mean_interval(
    values: Sequence[float] | Floats,
    *,
    low: float,
    high: float,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Interval of the mean of bounded values [n]: Student's t, with two pseudo-values of caution.

    Most values are often exactly zero and a few are large, so a plain t interval is too narrow and
    may even be a point. As in Agresti and Min (Statistics in Medicine 24 (2005), p. 729), two
    pseudo-values that do not move the sum are added: their spread is the largest deviation from
    zero seen, and at least half of what the bounds allow.

    Args:
        values: the sample.
        low: the least value possible, at most 0.
        high: the greatest value possible, at least 0.
        confidence: two-sided.

    Raises:
        ValueError: no values, not finite, or outside the bounds.
    """
    from scipy.special import stdtrit

    array = _finite(values)
    if array.min() < low - 1e-9 or array.max() > high + 1e-9:
        raise ValueError(f"values reach {array.min()} to {array.max()}, outside {low} to {high}")
    spread = max(float(np.abs(array).max()), 0.5 * max(-low, high))
    count = array.size + 2
    mean = float(array.sum()) / count
    variance = max(0.0, (float((array**2).sum()) + spread**2) / count - mean**2)
    quantile = float(stdtrit(max(1, array.size - 1), 0.5 + confidence / 2))
    half = quantile * math.sqrt(variance / count)
    true_mean = float(array.mean())
    return max(low, min(mean - half, true_mean)), min(high, max(mean + half, true_mean))


def log_softmax(logits: NDArray[Any], axis: int = -1) -> Floats:
    """Logarithm of softmax along axis; same shape, float64, safe for large logits."""
    wide = np.asarray(logits, dtype=np.float64)
    shifted = wide - wide.max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def softmax(logits: NDArray[Any], axis: int = -1) -> Floats:
    """Softmax along axis; same shape, float64, safe for large logits."""
    return np.asarray(np.exp(log_softmax(logits, axis)))


def solve_decreasing(
    function: Callable[[float], float],
    target: float,
    low: float,
    high: float,
    *,
    iterations: int = 60,
) -> float:
    """Where a decreasing function crosses target (bisection); the nearer end if it does not."""
    for _ in range(iterations):
        middle = (low + high) / 2
        if function(middle) > target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def fit_temperature(
    confidence: Callable[[float], float],
    target: float,
    *,
    bounds: tuple[float, float] = _TEMPERATURES,
    iterations: int = 30,
) -> float:
    """The temperature at which a model is as confident on average as it is right.

    Args:
        confidence: mean confidence at a temperature (for classes, mean of the largest
            softmax(logits / temperature)); falls as the temperature rises.
        target: the known quality, in 0 to 1.
        bounds: the answer is kept between these.
        iterations: how often the interval is halved; each asks for the confidence once.

    Raises:
        ValueError: target outside 0 to 1.
    """
    if not 0.0 <= target <= 1.0:
        raise ValueError(f"target is {target}, must be in 0 to 1")
    low, high = (math.log(bound) for bound in bounds)
    found = solve_decreasing(
        lambda log_t: confidence(math.exp(log_t)), target, low, high, iterations=iterations
    )
    return math.exp(found)
