"""One-sided upper bounds of a mean that hold at the stated confidence for any number of samples.

No normal approximation stands behind any of them, so that a certificate may rest on them:

- `proportion_upper`: a share of yes and no (Clopper and Pearson).
- `ternary_upper`: a mean of differences that are -1, 0 or 1, two classifiers on the same labels.
- `betting_upper`: a mean of numbers that are at most 1, whatever their distribution.

Each assumes independent samples of one distribution. Lower bounds are the upper bounds of the
negated values. `ternary_score_upper` is the fast approximation that plans sample sizes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "betting_upper",
    "proportion_upper",
    "samples_needed",
    "ternary_score_upper",
    "ternary_upper",
    "upper_bound",
]

Floats = NDArray[np.float64]

_CELLS = 200  # of the nuisance's interval; the bound pays for their width, about 1% of it
_NUISANCE = 0.005  # share of the allowed error that pays for leaving out improbable nuisances
_HALVINGS = 14
_CAP = 0.9  # the largest share of the wealth that one sample may take
_PRIOR = 0.25  # of the variance, worth one sample
_GRID_RATIO = 1.02  # neighbouring candidate means: 2% apart, on both sides of zero
_GRID_LEAST = 1e-5
_MOST_SAMPLES = 1e8
_EXACT_SAMPLES = 20_000  # above, the score limit is as good as exact
_STEPS = 3


def upper_bound(values: ArrayLike, *, confidence: float = 0.95, share: bool = False) -> float:
    """Upper bound of the mean of values [n], each in [-1, 1].

    Values that are all -1, 0 or 1 get an exact bound, others the betting bound. The exact bounds
    also cover values in between that were not seen: those count as the next whole number above.

    Args:
        values: independent samples, in an order that does not depend on them.
        confidence: one-sided; the bound holds at least this often.
        share: values cannot be negative, as of a disagreement; they must lie in [0, 1].

    Raises:
        ValueError: no values, not finite, or outside their range.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    least = 0.0 if share else -1.0
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError("an upper bound needs at least one value, and finite ones")
    if array.min() < least or array.max() > 1.0:
        raise ValueError(f"values reach {array.min()} to {array.max()}, outside {least} to 1")
    if not np.isin(array, (-1.0, 0.0, 1.0)).all():
        return betting_upper(array, confidence=confidence)
    more, fewer = int((array > 0).sum()), int((array < 0).sum())
    if share:
        return proportion_upper(more, array.size, confidence=confidence)
    return ternary_upper(more, fewer, array.size, confidence=confidence)


def proportion_upper(successes: int, trials: int, *, confidence: float = 0.95) -> float:
    """Exact upper bound of a proportion.

    Source: Clopper and Pearson, Biometrika 26 (1934), p. 404, the one-sided form.

    Raises:
        ValueError: no trials, or successes outside 0 to trials.
    """
    from scipy.special import betaincinv

    _check_counts(successes, 0, trials, confidence)
    if successes == trials:
        return 1.0
    return float(betaincinv(successes + 1, trials - successes, confidence))


def ternary_score_upper(
    more: float, fewer: float, pairs: float, *, confidence: float = 0.95
) -> float:
    """Approximate upper bound of (more - fewer) / pairs: Tango's score limit, one-sided.

    Close to `ternary_upper`, much faster, and defined for counts that are not whole.
    Source: Tango, Statistics in Medicine 17 (1998), p. 891, eq. 9 and 10.
    """
    from scipy.special import ndtri

    z = float(ndtri(confidence))
    low, high = (more - fewer) / pairs, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if float(_score(np.float64(more), np.float64(fewer), pairs, middle)) > -z:
            low = middle
        else:
            high = middle
    return high


def ternary_upper(more: int, fewer: int, pairs: int, *, confidence: float = 0.95) -> float:
    """Exact upper bound of the mean of differences that are -1, 0 or 1.

    Outcomes are ordered by Tango's score limit. The bound is the largest p(+1) - p(-1) under which
    an outcome ordered no higher than the one seen still has the probability that is allowed for
    error (Buehler). The nuisance p(-1) runs over its own exact interval, at a two-hundredth of that
    probability (Berger and Boos), cut into cells: in each, the probability at the upper end of
    p(-1) stands for all, since it falls with p(+1) and rises with p(-1). So no grid is trusted.
    The order suits 95%: where none of 1000 pairs differs, the bound is within 1% of that of a
    proportion; at 99.9% it is 29% above.
    Source: Lloyd and Moldovan, Exact one-sided confidence limits for the difference between two
    correlated proportions, Statistics in Medicine 26 (2007), p. 3369.
    Differs: the interval of the nuisance, and the cells.

    Args:
        more: how many are 1.
        fewer: how many are -1.
        pairs: how many there are in all.
        confidence: one-sided.

    Raises:
        ValueError: no pairs, or counts that do not fit.
    """
    from scipy.special import betaincinv

    _check_counts(more, fewer, pairs, confidence)
    if more == pairs:
        return 1.0
    error = 1 - confidence
    tail = error * _NUISANCE / 2
    low = float(betaincinv(fewer, pairs - fewer + 1, tail)) if fewer else 0.0
    high = float(betaincinv(fewer + 1, pairs - fewer, 1 - tail)) if fewer < pairs else 1.0
    edges = np.linspace(low, high, _CELLS + 1)
    # At p(-1) = 1 nothing is left for p(+1): the last cell's end moves in by a rounding error.
    ends = np.minimum(edges[1:], 1 - 1e-12)
    region = _Region(more, fewer, pairs, confidence=confidence, low=low, high=high)
    largest = region.largest(ends, error * (1 - _NUISANCE))
    bound = float((largest - edges[:-1]).max())
    return min(1.0, max(bound, (more - fewer) / pairs))


class _Region:
    """The outcomes ordered no higher than the one seen, and their probability."""

    def __init__(
        self, more: int, fewer: int, pairs: int, *, confidence: float, low: float, high: float
    ) -> None:
        from scipy.special import gammaln

        self._pairs, self._start = pairs, more / pairs
        limit = ternary_score_upper(more, fewer, pairs, confidence=confidence)
        first, last = (
            round(pairs * p + side * (8 * math.sqrt(pairs * p * (1 - p)) + 20))
            for p, side in ((low, -1), (high, 1))
        )
        first, last = max(0, first), min(pairs, last)
        fewers = np.arange(0.0, last + 1)
        seen = float(_score(np.float64(more), np.float64(fewer), pairs, limit))
        most = _most(fewers, pairs, limit, seen + 1e-9)
        # Whoever loses less is not ordered higher: makes the probability monotone in p(-1).
        self._most = np.maximum.accumulate(most)[first:]
        self._fewers = fewers[first:]
        self._choose = (
            gammaln(pairs + 1) - gammaln(self._fewers + 1) - gammaln(pairs - self._fewers + 1)
        )

    def largest(self, fewer_shares: Floats, error: float) -> Floats:
        """For each p(-1) the largest p(+1) under which the region has the probability `error`."""
        from scipy.special import xlog1py, xlogy

        share = fewer_shares[:, None]
        weights = np.exp(
            self._choose + xlogy(self._fewers, share) + xlog1py(self._pairs - self._fewers, -share)
        )
        low = np.zeros_like(fewer_shares)
        # A bracket that is too narrow is widened, so the answer never depends on the guess.
        spread = 4 * math.sqrt((self._start * (1 - self._start) + 4 / self._pairs) / self._pairs)
        high = np.minimum(1 - fewer_shares, self._start + spread + 4 / self._pairs)
        while True:
            short = (high < 1 - fewer_shares) & (self._probability(weights, share, high) > error)
            if not short.any():
                break
            low = np.where(short, high, low)
            high = np.where(short, np.minimum(1 - fewer_shares, 2 * high), high)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            over = self._probability(weights, share, middle) > error
            low, high = np.where(over, middle, low), np.where(over, high, middle)
        return high

    def _probability(self, weights: Floats, share: Floats, more_shares: Floats) -> Floats:
        """Of the region: [cells]; what lies outside the counts looked at is taken to be in it."""
        from scipy.special import betainc

        rate = np.clip(more_shares[:, None] / (1 - share), 0.0, 1.0)
        left = self._pairs - self._fewers
        never, always = self._most < 0, self._most >= left
        top = np.where(never | always, 0.0, self._most)
        inside = betainc(np.maximum(left - top, 1.0), top + 1, 1 - rate)
        inside = np.where(never, 0.0, np.where(always, 1.0, inside))
        outside = np.maximum(0.0, 1 - weights.sum(axis=1))
        return np.asarray((weights * inside).sum(axis=1) + outside)


def _most(fewers: Floats, pairs: int, limit: float, score: float) -> Floats:
    """For each count of -1 the largest count of 1 whose score is at most `score`; -1 if none."""
    low, high = np.full_like(fewers, -1.0), pairs - fewers + 1
    while (high - low).max() > 1:
        middle = np.floor((low + high) / 2)
        under = _score(middle, fewers, pairs, limit) <= score
        inner = high - low > 1
        low = np.where(inner & under, middle, low)
        high = np.where(inner & ~under, middle, high)
    return low


def _score(more: Any, fewer: Any, pairs: float, mean: float) -> Any:
    """Tango's score of the hypothesis that the mean difference is `mean`; rises with `more`."""
    linear = (2 * pairs - more + fewer) * mean - more - fewer
    root = np.sqrt(np.maximum(0.0, linear**2 + 8 * pairs * fewer * mean * (1 - mean)))
    share = np.maximum(0.0, (root - linear) / (4 * pairs))
    variance = np.maximum(pairs * (2 * share + mean * (1 - mean)), 1e-300)
    return (more - fewer - pairs * mean) / np.sqrt(variance)


def betting_upper(values: Sequence[float] | Floats, *, confidence: float = 0.95) -> float:
    """Upper bound of the mean of values [n], each in [-1, 1], of any distribution.

    Of every possible mean m a gambler bets, sample after sample, that values lie below it. If the
    mean is m or more, the game is unfair to him, and he ends with 1 / error times his money at most
    that often: the m at which he succeeds are refuted, and the bound is the least above which all
    are. How he bets only decides how tight it is; here he bets to reach his goal by the last
    sample, as in the optimal strategy for Brownian motion. Only the values' upper end, 1, matters.
    Candidates m are a fixed grid, the same for all data; the bound is one of them, and exact.
    Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B
    86 (2024), p. 1. The bets: Browne, Reaching goals by a deadline, Advances in Applied Probability
    31 (1999), p. 551, with the variance estimated from what went before; that bets should aim anew
    at the goal from what is left: Voracek and Orabona, STaR-Bets, NeurIPS 2025 (arXiv:2505.22422).

    Args:
        values: in an order that does not depend on them.
        confidence: one-sided.

    Raises:
        ValueError: no values, not finite, or outside [-1, 1].
    """
    from scipy.special import ndtri

    array = np.asarray(values, dtype=np.float64).ravel()
    _check_counts(0, 0, array.size, confidence)
    if not (np.abs(array) <= 1.0).all():
        raise ValueError("values must be finite, from -1 to 1")
    error = 1 - confidence
    grid = _grid()
    most = _CAP / np.maximum(1 - grid, 1e-12)
    reached = np.full(grid.size, error)  # of the goal; 1 is success
    spread = np.sqrt(_variances(array) * np.arange(array.size, 0, -1))
    alive = np.arange(grid.size)
    for value, deviation in zip(array, spread, strict=True):
        have = reached[alive]
        quantile = ndtri(have)
        bet = np.exp(-(quantile**2) / 2) / (math.sqrt(2 * math.pi) * have * deviation)
        have = have * (1 + np.minimum(bet, most[alive]) * (grid[alive] - value))
        reached[alive] = np.minimum(have, 1.0)
        alive = alive[(have < 1.0) & (have > 1e-200)]
        if alive.size == 0:
            break
    lasting = int(np.flatnonzero(reached < 1.0)[-1])
    bound = float(grid[min(lasting + 1, grid.size - 1)])
    # In a freak order the goal is reached early and given the lie later.
    return max(bound, float(array.mean()))


def _grid() -> Floats:
    """Candidate means, rising from -1 to 1, finest around zero."""
    steps = math.ceil(-math.log(_GRID_LEAST) / math.log(_GRID_RATIO))
    positive = np.geomspace(_GRID_LEAST, 1.0, steps + 1)
    # Limits are round numbers: a bound just under one should not be lifted over it.
    round_ones = np.arange(0.0005, 0.1, 0.0005)
    return np.union1d(np.concatenate([-positive, [0.0], positive]), round_ones)


def _variances(values: Floats) -> Floats:
    """Before each value the variance of those that came earlier, with a prior worth one; [n]."""
    before = np.arange(values.size)
    sums = np.concatenate([[0.0], np.cumsum(values)[:-1]])
    squares = np.concatenate([[0.0], np.cumsum(values**2)[:-1]])
    centred = np.maximum(0.0, squares - sums**2 / np.maximum(before, 1))
    return np.asarray((_PRIOR + centred) / (before + 1))


def samples_needed(
    values: ArrayLike, limit: float, *, confidence: float = 0.95, share: bool = False
) -> int | None:
    """How many samples, at the observed rate, would set the bound of the mean apart from a limit.

    The upper bound if the mean of values [n] is below the limit, else the lower bound. A plan, not
    a promise: the next samples may be kinder or harsher. Answers n or more; None if the mean equals
    the limit, or past a hundred million.

    Args:
        values: as for `upper_bound`.
        limit: of the mean.
        confidence: one-sided, of the bound.
        share: as for `upper_bound`.
    """
    from scipy.special import betaincinv, ndtri

    array = np.asarray(values, dtype=np.float64).ravel()
    if array.mean() > limit:
        array, limit = (1 - array, 1 - limit) if share else (-array, -limit)
    mean, gap = float(array.mean()), limit - float(array.mean())
    if gap <= 1e-9:
        return None
    if not np.isin(array, (-1.0, 0.0, 1.0)).all():
        z, stake = float(ndtri(confidence)), -math.log1p(-confidence)
        # As Bernstein: a normal part, a tenth wider for betting, and a part for rare large values.
        found = (1.1 * z / gap) ** 2 * float(array.var()) + stake * (1 - mean) / gap
    elif share:
        found = _crossing(
            lambda n: float(betaincinv(n * mean + 1, n * (1 - mean), confidence)), limit
        )
    else:
        more, fewer = float((array > 0).mean()), float((array < 0).mean())
        found = _ternary_needed(more, fewer, limit, confidence)
    return max(array.size, math.ceil(found)) if found < _MOST_SAMPLES else None


def _ternary_needed(more: float, fewer: float, limit: float, confidence: float) -> float:
    """Where the bound meets the limit: by the score limit, then corrected by the exact one."""
    found = _crossing(
        lambda n: ternary_score_upper(more * n, fewer * n, n, confidence=confidence), limit
    )
    for _ in range(_STEPS if found < _EXACT_SAMPLES else 0):
        count = math.ceil(found)
        counts = round(more * count), round(fewer * count)
        count = max(count, sum(counts))
        mean = (counts[0] - counts[1]) / count
        bound = ternary_upper(*counts, count, confidence=confidence)
        # The excess falls with the root of the count, or with the count where nothing varies.
        power = 2 if sum(counts) else 1
        found *= min(1.3, max(0.9, ((bound - mean) / max(limit - mean, 1e-12)) ** power))
    return found


def _crossing(bound: Callable[[float], float], limit: float) -> float:
    """The count at which a bound that falls with it meets the limit."""
    low, high = 1.0, 2.0
    while bound(high) > limit and high < _MOST_SAMPLES:
        low, high = high, 2 * high
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if bound(middle) > limit else (low, middle)
    return high


def _check_counts(more: int, fewer: int, count: int, confidence: float) -> None:
    if count < 1 or more < 0 or fewer < 0 or more + fewer > count:
        raise ValueError(f"{more} and {fewer} of {count} samples is not a share of them")
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"confidence is {confidence}, must be from 0.5 to below 1")
