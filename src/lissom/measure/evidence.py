"""Evidence: what was seen of a model's values on samples, and the kinds that can be asked for.

A method says what it needs (`Need`), asks for it value by value, and gets an `Evidence`. A new kind
of evidence is a new `Need`, a field here and an accumulator in `observe.py`. Runtimes only run
forward: gradients come from whoever gives the context another `observe`, such as a trainable twin.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy.typing as npt

from lissom.numerics.histogram import Histogram
from lissom.numerics.smoothed import Smoothed

__all__ = ["Evidence", "Need"]


class Need(StrEnum):
    """A kind of evidence."""

    RANGES = "ranges"
    """A histogram of each value, with its exact smallest and largest element; and the moving
    averages of those of each run."""
    ROWS = "rows"
    """The values themselves, run by run, through the context's `calibration`."""
    GRADIENTS = "gradients"
    """The gradient of a loss by each weight, summed over the samples."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What was seen of a model's values on some samples.

    Attributes:
        samples_fingerprint: of the samples that were run.
        count: how many samples were run.
        histograms: by value name; `Need.RANGES`.
        averages: by value name; `Need.RANGES`.
        gradients: by weight, of the weight's shape; `Need.GRADIENTS`.
    """

    samples_fingerprint: str
    count: int
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    averages: Mapping[str, Smoothed] = field(default_factory=dict)
    gradients: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def histogram(self, value: str) -> Histogram:
        """The histogram of a value; an empty one if it was asked for and never computed.

        Raises:
            KeyError: the value was not asked for.
        """
        return self.histograms[value]
