"""The mean of something known of few samples, with the help of a prediction of all.

Source: Angelopoulos, Duchi and Zrnic, PPI++: Efficient Prediction-Powered Inference,
arXiv:2311.01453, section 6 (power tuning); Angelopoulos et al., Prediction-Powered Inference,
Science 382 (2023), p. 669.
Differs: two pseudo-values of caution in the variance, as in `statistics.mean_interval`, since most
differences of two models are exactly zero.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PoweredMean", "powered_mean"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoweredMean:
    """A mean corrected by predictions.

    Attributes:
        mean: unbiased, however wrong the predictions are.
        variance: of that mean.
        power: how far the predictions count, 0 (not at all) to 1.
        covariance: with the mean of all predictions.
    """

    mean: float
    variance: float
    power: float
    covariance: float


def powered_mean(
    values: Floats, predicted: Floats, elsewhere: Floats, *, spread: float
) -> PoweredMean:
    """Mean of values over all samples.

    Args:
        values: where they are known, [n].
        predicted: predictions of those, [n].
        elsewhere: predictions where the value is not known, [m].
        spread: the least deviation that two pseudo-values have.

    Raises:
        ValueError: no value is known.
    """
    count, rest = len(values), len(elsewhere)
    if count == 0:
        raise ValueError("no value is known")
    everything = np.concatenate([predicted, elsewhere])
    varied = float(everything.var())
    both = float(((values - values.mean()) * (predicted - predicted.mean())).mean())
    power = 0.0
    if rest and varied > 0:
        power = min(1.0, max(0.0, both / ((1 + count / rest) * varied)))
    residual = values - power * predicted
    # The values may all be alike in a small sample; the pseudo-values say that others exist.
    deviation = max(spread, float(np.abs(residual - residual.mean()).max()))
    variance = (float(residual.var()) * count + deviation**2) / (count + 2) / (count + 2)
    mean = float(values.mean())
    if rest:
        mean -= power * float(predicted.mean() - elsewhere.mean())
        variance += power**2 * varied / rest
    return PoweredMean(mean=mean, variance=variance, power=power, covariance=both / (count + rest))
