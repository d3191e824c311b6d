"""How much is computed in one run of the feed, by the original and by what steps made of it."""

from collections.abc import Sequence
from typing import Any, Final

from lissom.errors import ChildFailed, MeasurementError, ModelError
from lissom.graph.cost import Work, macs, work
from lissom.graph.model import Model
from lissom.measure.observe import shapes
from lissom.search.candidate import StepRecord
from lissom.search.job import Opened
from lissom.store.hashing import sha256_arrays

__all__ = ["count_macs", "counted_work", "same_arithmetic", "seen_shapes"]

SAME_ARITHMETIC: Final = frozenset(
    {"EncodeWeight", "QuantizeActivation", "Cast", "FuseNodes", "ReplaceGraph"}
)
"""Kinds of edits after which as many numbers are multiplied as before."""


def same_arithmetic(steps: Sequence[StepRecord]) -> bool:
    """Whether as many numbers are multiplied after these steps as before."""
    return all(kind in SAME_ARITHMETIC for step in steps for kind in step.edits)


def seen_shapes(model: Model, opened: Opened) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's values in one run of the feed; remembered.

    Args:
        model: the original, or what steps made of it.
        opened: the original with its feed.

    Raises:
        ChildFailed: the run did not come to an end.
        MeasurementError: the runtime refused the model.
    """
    inputs = {
        "model": model.fingerprint,
        "target": opened.target.to_json(),
        "feed": sha256_arrays(dict(opened.feed)),
    }

    def compute() -> dict[str, Any]:
        found = shapes(model, opened.feed, opened.target, opened.store)
        return {name: list(shape) for name, shape in found.items()}

    kept = opened.store.remember("shapes of the feed", inputs, compute)
    return {name: tuple(shape) for name, shape in kept.items()}


def counted_work(opened: Opened) -> dict[str, Work]:
    """What each node of the original computes and moves in one run of the feed; remembered.

    Raises:
        ChildFailed: the run that shows the shapes did not come to an end.
        MeasurementError: the runtime refused it.
        ModelError: a shape does not fit its operator.
    """
    inputs = {
        "model": opened.model.fingerprint,
        "target": opened.target.to_json(),
        "feed": sha256_arrays(dict(opened.feed)),
    }

    def compute() -> dict[str, Any]:
        found = work(opened.model, seen_shapes(opened.model, opened))
        return {
            name: [one.macs, one.weight_bytes, one.activation_bytes] for name, one in found.items()
        }

    return {
        name: Work(macs=macs, weight_bytes=weights, activation_bytes=activations)
        for name, (macs, weights, activations) in opened.store.remember(
            "work by node", inputs, compute
        ).items()
    }


def count_macs(model: Model, opened: Opened, steps: Sequence[StepRecord] = ()) -> int | None:
    """Multiply-accumulates of one run on the feed; None where the shapes cannot be had.

    Args:
        model: the original, or what steps made of it.
        opened: the original with its feed.
        steps: what was done; where no step changes the arithmetic, nothing is run.
    """
    if same_arithmetic(steps):
        model = opened.model
    inputs = {
        "model": model.fingerprint,
        "target": opened.target.to_json(),
        "feed": {name: list(array.shape) for name, array in opened.feed.items()},
    }

    def compute() -> dict[str, Any]:
        try:
            return {"macs": sum(macs(model, seen_shapes(model, opened)).values())}
        except (ChildFailed, MeasurementError, ModelError) as error:
            if isinstance(error, ChildFailed) and error.by_chance:
                raise
            return {"macs": None}  # a number beside the measurements; nothing depends on it

    try:
        counted: int | None = opened.store.remember("macs", inputs, compute)["macs"]
    except ChildFailed:
        return None  # not kept: another time it may be had
    return counted
