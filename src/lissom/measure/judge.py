"""How quality is told: by which metric, and what is known of the original."""

import re
from dataclasses import dataclass

from lissom.errors import OptionError

__all__ = ["METRICS", "Judge"]

METRICS = (
    "top1",
    "top5",
    "ctc",
    "sequence",
    "map",
    "binary",
    "embedding",
    "regression",
)
"""The names that a metric may have, beside a function's."""

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """How quality is told.

    Attributes:
        metric: a name of `METRICS`; or `package.module:function`, which is imported and called with
            one run's outputs by name and its labels, and answers scores in [0, 1], one a sample;
            None to infer it from the original's outputs.
        original_quality: what the original is known to reach by this metric, in 0 to 1. It needs no
            labels here, and corrects the original's confidence.

    Raises:
        OptionError: an unknown metric, or a quality outside 0 to 1.
    """

    metric: str | None = None
    original_quality: float | None = None

    def __post_init__(self) -> None:
        if self.metric is not None and self.metric not in METRICS and not self.is_function:
            raise OptionError(
                f"metric {self.metric!r} is not known; choose one of {', '.join(METRICS)}, "
                "or name a function as package.module:function"
            )
        quality = self.original_quality
        if quality is not None and not 0.0 < quality <= 1.0:
            raise OptionError(
                f"original quality is {quality}; it must be above 0 and at most 1 (0.93, not 93)"
            )

    @property
    def is_function(self) -> bool:
        """True if the metric names a function, whose code will run."""
        return self.metric is not None and _FUNCTION.fullmatch(self.metric) is not None
