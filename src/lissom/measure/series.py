"""What times that follow one another say: their middle, and how sure it is.

Rounds follow one another within milliseconds, so neighbours are alike, and an interval that took
them for independent would be too narrow. They are joined in batches until neighbours no longer
correlate; the interval is the bootstrap's over the batches (batch means: Law, Simulation Modeling
and Analysis, section 9.5.3, here with medians). What differs from one loading of a model to the
next (where its memory lies: half a percent has been seen) is not in such an interval. So it is
widened by what the loadings (the parts) differ beyond the noise inside them (a random effect),
which a handful of loadings cannot tell without knowing what is usual.
"""

import math
import statistics
from collections.abc import Sequence

import numpy as np

from lissom.numerics.statistics import bootstrap_median

__all__ = ["batches", "summary", "undisturbed"]

_LEAST_PARTS = 3  # fewer say nothing about how parts differ
_LEAST_BATCHES = 8  # in all: fewer make a bootstrap of nothing
_ENOUGH = 12  # undisturbed rounds, that the others are not needed
_USUAL = 0.005  # standard deviation of loadings' medians at rest, relative
_USUAL_PARTS = 4
_SEED = 0


def batches(parts: Sequence[Sequence[float]]) -> list[float]:
    """Join neighbouring values in batches, by their median, until batches do not correlate.

    Args:
        parts: Values in the order of time; a batch never spans two parts.

    Returns:
        The batches' medians: the values themselves if neighbours are independent; never fewer than
        8, where there are as many values.
    """
    kept = [list(part) for part in parts if part]
    size = 1
    while True:
        joined = [_joined(part, size) for part in kept]
        count = sum(map(len, joined))
        fewer = sum(max(1, len(part) // (2 * size)) for part in kept)
        if fewer < _LEAST_BATCHES or _correlation(joined) < 2 / math.sqrt(count):
            return [value for part in joined for value in part]
        size *= 2


def summary(
    parts: Sequence[Sequence[float]], *, doubt: float = 0.0
) -> tuple[float, tuple[float, float]]:
    """The median of all values and its 95% interval: over batches, widened by how parts differ.

    Times and their ratios are positive, so the interval is found among their logarithms.

    Args:
        parts: Positive values in the order of time, for each part.
        doubt: By what share of itself the middle may be off, either way, for reasons that do not
            show in the values; in [0, 1).

    Raises:
        ValueError: There is no value.
    """
    logs = [[math.log(value) for value in part] for part in parts if part]
    low, high = bootstrap_median(batches(logs), seed=_SEED)
    middle = float(np.median([value for part in logs for value in part]))
    between = _between_parts(logs)
    # Batches of unequal size may put the plain median a hair outside.
    below = math.hypot(max(0.0, middle - low), between) - math.log1p(-doubt)
    above = math.hypot(max(0.0, high - middle), between) - math.log1p(-doubt)
    return math.exp(middle), (math.exp(middle - below), math.exp(middle + above))


def undisturbed(waits: Sequence[Sequence[Sequence[float]]], most: float) -> list[list[int]] | None:
    """Which rounds nothing disturbed, if they are enough to go by.

    Args:
        waits: For each part, for each round, the share of time that each model waited.
        most: The largest share that does not disturb.

    Returns:
        For each part the numbers of its undisturbed rounds. None where some were disturbed and the
        others are fewer than 12, or of fewer than three parts while there are more: then all must
        be used for what they are worth.
    """
    kept = [[i for i, one in enumerate(part) if max(one) <= most] for part in waits]
    count, every = sum(map(len, kept)), sum(map(len, waits))
    spread = sum(len(part) > 0 for part in kept) >= min(_LEAST_PARTS, len(kept))
    return kept if count == every or (count >= _ENOUGH and spread) else None


def _joined(part: Sequence[float], size: int) -> list[float]:
    whole = max(1, len(part) // size)
    return [float(np.median(piece)) for piece in np.array_split(np.asarray(part), whole)]


def _correlation(parts: Sequence[Sequence[float]]) -> float:
    """How much neighbours are alike: the lag-1 autocorrelation of their ranks, over all parts.

    Ranks, so that one interrupted run does not hide it.
    """
    flat = np.asarray([value for part in parts for value in part])
    ranks = flat.argsort().argsort() - (flat.size - 1) / 2
    ends = np.cumsum([len(part) for part in parts])[:-1]
    pairs = ranks[:-1] * ranks[1:]
    within = np.ones(pairs.size, bool)
    within[ends - 1] = False
    square = float(np.mean(ranks**2))
    return float(np.mean(pairs[within])) / square if within.any() and square else 0.0


def _between_parts(parts: Sequence[Sequence[float]]) -> float:
    """Half a 95% interval's width that is due to how parts differ, beyond the noise in each.

    The variance of the parts' medians, less what their own noise explains (variance components by
    the analysis of variance). A handful of parts may agree by chance, so what is usual counts as
    if it had been seen in four more (a moderated variance: Smyth 2004, equation 5), and Student's t
    has their degrees of freedom too.
    """
    from scipy.special import stdtrit

    freedom = len(parts) - 1
    beyond = 0.0
    if freedom:
        medians = [statistics.median(part) for part in parts]
        inside = []
        for part in parts:
            low, high = bootstrap_median(batches([part]), seed=_SEED)
            inside.append(((high - low) / 3.92) ** 2)
        beyond = max(0.0, statistics.variance(medians) - statistics.fmean(inside))
    moderated = (_USUAL_PARTS * _USUAL**2 + freedom * beyond) / (_USUAL_PARTS + freedom)
    width = float(stdtrit(_USUAL_PARTS + freedom, 0.975))
    return width * math.sqrt(moderated / len(parts))
