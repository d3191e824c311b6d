"""The noise floor: how unlike itself a model looks, here and now, to the protocol that is used.

The original is timed against the original, in the same rounds in which candidates will be timed
against it. It is as fast as itself; what the interval holds beside 1 is noise, and a difference
between candidates that is no larger is not told apart from none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lissom.measure.latency import Timing, compare_latency
from lissom.measure.load import Load
from lissom.measure.pinning import Quiet
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = [
    "BIASED",
    "DISTURBED",
    "LEAST",
    "Noise",
    "disturbances",
    "is_biased",
    "measure_noise",
    "of_timing",
]

LEAST = 0.005
"""An interval can be luckily thin: a smaller floor than this is not believed."""

DISTURBED = 0.01
"""Waiting for less than this share of a timing is an interruption as there are always some."""

BIASED = (
    "Timing was biased in this run: the true value is 1, and the interval leaves it out. Every "
    "other speed may be off by as much; run again on a machine at rest before a small gain is "
    "believed."
)
"""What to say of a clock that favours one of two equal models."""

_CROWDED = 0.2  # of all processors: others that share caches, memory and the clock
_STOPPED_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A model against itself.

    Attributes:
        floor: Relative differences of speed up to this one are not told apart, as 0.007.
        interval: 95% of the speedup of the model over itself; the truth is 1.
        rounds: How many rounds it rests on.
        busy: The share of its time in which the model waited for a processor, 0 to 1.
        load: What the machine did meanwhile, and how long was waited for quiet before.
    """

    floor: float
    interval: tuple[float, float]
    rounds: int
    busy: float
    load: Load

    @property
    def disturbed(self) -> bool:
        """Whether other work was in the way, so that it would be less on a machine at rest."""
        return self.busy > DISTURBED or not self.load.quiet

    @property
    def words(self) -> tuple[str, ...]:
        """What it means, in sentences."""
        low, high = self.interval
        first = (
            f"Timed against itself, the original looks {low:.3f} to {high:.3f} times as fast (95% "
            f"interval): differences of up to {100 * self.floor:.1f}% are noise and rank nothing."
        )
        bias = (BIASED,) if is_biased(self.interval) else ()
        return first, *bias, *disturbances(self.busy, self.load)

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "floor": self.floor,
            "interval": list(self.interval),
            "rounds": self.rounds,
            "busy": self.busy,
            "load": self.load.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Noise":
        """Read what `to_json` wrote."""
        low, high = value["interval"]
        return cls(
            floor=value["floor"],
            interval=(low, high),
            rounds=value["rounds"],
            busy=value["busy"],
            load=Load.from_json(value["load"]),
        )


def measure_noise(
    path: Path,
    feed: Mapping[str, np.ndarray],
    target: Target,
    store: Store,
    *,
    seconds: float,
    quiet: Quiet | None = None,
) -> Noise:
    """Time a model against itself, anew.

    Args:
        path: The original's file.
        feed: What it is fed.
        target: Where it runs.
        store: For a scratch folder only.
        seconds: As long as candidates will be timed.
        quiet: Waits for idle processors first; None takes the least busy as they are.

    Raises:
        MeasurementError: The runtime cannot load or run it.
        ChildFailed: It crashed, or took far too long.
    """
    return of_timing(
        compare_latency(path, path, feed, target, seconds=seconds, store=store, quiet=quiet)
    )


def of_timing(timing: Timing) -> Noise:
    """The noise that a timing of a model against itself shows."""
    low, high = timing.speedup_interval
    return Noise(
        floor=max(LEAST, 1 - low, high - 1),
        interval=(low, high),
        rounds=timing.rounds,
        busy=timing.busy,
        load=timing.load,
    )


def is_biased(interval: tuple[float, float]) -> bool:
    """Tell whether a model timed against itself came out faster or slower than it is.

    The interval leaves out 1, and not only because it is thinner than anyone believes.

    Args:
        interval: of the speed of the model over itself.
    """
    low, high = interval
    return not low <= 1 <= high and max(1 - low, high - 1) > LEAST


def disturbances(busy: float, load: Load) -> tuple[str, ...]:
    """Sentences on what disturbed a timing; none where nothing did.

    Args:
        busy: The share of its time in which it waited for a processor.
        load: What the machine did meanwhile.
    """
    found = []
    if not load.quiet:
        waited = f" after {load.waited_seconds:.0f} s of waiting" if load.waited_seconds else ""
        found.append(f"The machine was still busy with other work{waited} when timing began.")
    if busy > DISTURBED:
        found.append(
            f"Other work took the processor away for {100 * busy:.0f}% of the time: what was "
            "waited is left out or taken out, and the intervals are wider for it."
        )
    elif load.others > _CROWDED:
        found.append(
            f"Other work used {100 * load.others:.0f}% of the machine's processors meanwhile: it "
            "may share caches, memory and power with what was timed."
        )
    if load.throttled_seconds > _STOPPED_SECONDS:
        found.append(
            f"The container was stopped for {load.throttled_seconds:.1f} s for having used up its "
            "share of the processors: give it more, or times are not those of the model alone."
        )
    return tuple(found)
