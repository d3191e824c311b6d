"""One number about a model, with its unit, how sure it is, and where it comes from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lissom.store.hashing import Json

__all__ = ["Kind", "Measurement"]

Kind = Literal["measured", "modelled", "unavailable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A number. It is never shown without its unit and its kind.

    Attributes:
        value: The number; None exactly when it is unavailable.
        unit: As `ms`, `bytes`, `mJ`, `ratio`.
        interval: 95% confidence, lower and upper end; None where there is none to give.
        n: How many observations it rests on; 0 for what is not measured.
        kind: Whether it was measured here, computed from a model of the machine, or is not to be
            had.

    Raises:
        ValueError: The parts contradict one another.
    """

    value: float | None
    unit: str
    interval: tuple[float, float] | None = None
    n: int = 0
    kind: Kind = "measured"

    def __post_init__(self) -> None:
        if (self.value is None) != (self.kind == "unavailable"):
            raise ValueError(f"a value of {self.value} is not {self.kind}")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a measurement must be finite, not {self.value} {self.unit}")
        if self.kind == "measured" and self.n < 1:
            raise ValueError("what is measured rests on at least one observation")
        if self.interval is not None and not self.interval[0] <= self.interval[1]:
            raise ValueError(f"interval {self.interval} has its ends the wrong way round")

    @classmethod
    def unavailable(cls, unit: str) -> "Measurement":
        """What this machine cannot tell."""
        return cls(value=None, unit=unit, kind="unavailable")

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "value": self.value,
            "unit": self.unit,
            "interval": list(self.interval) if self.interval is not None else None,
            "n": self.n,
            "kind": self.kind,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Measurement":
        """Read what `to_json` wrote."""
        interval = value["interval"]
        return cls(
            value=value["value"],
            unit=value["unit"],
            interval=(interval[0], interval[1]) if interval is not None else None,
            n=value["n"],
            kind=value["kind"],
        )
