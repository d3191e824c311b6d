"""Whether two models answer the same: the check behind every rewriting that must change nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lissom.isolate.child import ChildLimits, call
from lissom.measure.feeds import read_feed, write_feed
from lissom.measure.fitting import Array
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["TOLERANCE", "Parity", "parity", "relative_error", "run_both"]

TOLERANCE = {"float64": 1e-4, "float32": 1e-4, "float16": 2e-2, "bfloat16": 8e-2}
"""Largest error allowed, relative to an output's range, by its type; other types must be equal."""

_LIMITS = ChildLimits(seconds=1200.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How near two models' outputs are.

    Attributes:
        max_relative_error: the largest over all outputs and feeds, see `relative_error`.
        worst_output: where it was found; empty if all outputs are equal.
        held: every output is within its type's tolerance.
        feeds: how many were compared.
    """

    max_relative_error: float
    worst_output: str
    held: bool
    feeds: int

    def to_json(self) -> dict[str, Json]:
        """Write as JSON; an infinite error, which JSON cannot say, is null."""
        error = self.max_relative_error
        return {**asdict(self), "max_relative_error": error if np.isfinite(error) else None}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Parity":
        """Read what `to_json` wrote."""
        error = value["max_relative_error"]
        return cls(**{**value, "max_relative_error": np.inf if error is None else error})


def parity(
    original: Path,
    other: Path,
    feeds: Iterable[Mapping[str, Array]],
    target: Target,
    store: Store,
    *,
    other_target: Target | None = None,
    limits: ChildLimits = _LIMITS,
) -> Parity:
    """Run two models on the same feeds in a child process and compare their outputs.

    Args:
        original: a model.
        other: one with the same inputs and outputs.
        feeds: a few; they are written to disk one by one.
        target: where to run.
        store: for scratch.
        other_target: where the other runs, if elsewhere.
        limits: of the child.

    Raises:
        MeasurementError: the runtime refused a model or a feed.
        ChildFailed: it crashed or ran out of time or memory.
        ValueError: no feeds.
    """
    with store.scratch() as folder:
        written = []
        for number, feed in enumerate(feeds):
            place = folder / str(number)
            place.mkdir()
            written.append(write_feed(feed, place))
        if not written:
            raise ValueError("parity needs at least one feed")
        arguments = {
            "original": str(original.absolute()),
            "other": str(other.absolute()),
            "feeds": written,
            "targets": [target.to_json(), (other_target or target).to_json()],
        }
        found = call("lissom.measure.parity:run_both", arguments, limits=limits)
    # Infinity has no JSON form.
    errors = {name: np.inf if error is None else float(error) for name, error in found.items()}
    held = all(
        error <= TOLERANCE.get(name.partition("/")[0], 0.0) for name, error in errors.items()
    )
    worst = max(errors, key=errors.__getitem__)
    return Parity(
        max_relative_error=errors[worst],
        worst_output=worst.partition("/")[2] if errors[worst] > 0 else "",
        held=held,
        feeds=len(written),
    )


def run_both(
    original: str, other: str, feeds: list[Mapping[str, Json]], targets: list[Mapping[str, Json]]
) -> dict[str, float | None]:
    """In a child: the largest error of each output, by `type/name`; None is infinite.

    Raises:
        MeasurementError: the runtime refused a model or a feed.
    """
    here, there = (Target.from_json(target) for target in targets)
    worst: dict[str, float] = {}
    with (
        registry.load(here.runtime).open(Path(original), here, lean=True) as first,
        registry.load(there.runtime).open(Path(other), there, lean=True) as second,
    ):
        for paths in feeds:
            feed = read_feed(paths)
            ours, theirs = first.run(feed), second.run(feed)
            for name, value in ours.items():
                error = relative_error(value, theirs[name]) if name in theirs else np.inf
                key = f"{value.dtype.name}/{name}"
                worst[key] = max(worst.get(key, 0.0), error)
    return {key: None if np.isinf(error) else error for key, error in worst.items()}


def relative_error(ours: Array, theirs: Array) -> float:
    """Largest difference of two outputs, relative to the largest finite value of the first.

    Where the first is zero everywhere the difference itself is taken.

    NaN equals NaN, an infinity equals itself; a NaN or an infinity against anything else is an
    infinite error, as are unequal shapes. Values that are no floats must be equal: 0 or infinite.
    """
    if ours.shape != theirs.shape:
        return float(np.inf)
    if ours.dtype.kind != "f" or theirs.dtype.kind != "f":
        return 0.0 if np.array_equal(ours, theirs) else float(np.inf)
    first, second = ours.astype(np.float64), theirs.astype(np.float64)
    odd = ~(np.isfinite(first) & np.isfinite(second))
    if not np.array_equal(first[odd], second[odd], equal_nan=True):
        return float(np.inf)
    first, second = first[~odd], second[~odd]
    difference = float(np.abs(first - second).max(initial=0.0))
    scale = float(np.abs(first).max(initial=0.0))
    return difference / scale if scale > 0 else difference
