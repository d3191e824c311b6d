"""The law of removal, tried on the runtime: removing units equals zeroing what is read of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lissom.graph.channels.groups import ChannelGroup, Channels, channels
from lissom.graph.channels.removal import removal
from lissom.graph.edit import Edit, InsertScale, ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import save
from lissom.measure.observe import shapes
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.store import Store

__all__ = ["Verdict", "alike", "check", "distance", "found_in", "tried"]

TOLERANCE = 1e-4  # of the outputs' range
Array = np.ndarray[Any, Any]
Feed = Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the runtime said of one removal.

    Attributes:
        error: the largest difference to zeroing, over the outputs' range; None where it is inexact
            by nature, and answers with shapes and numbers as before; infinite where it does not.
        parameters: how many are left.
    """

    error: float | None
    parameters: int


def found_in(model: Model, feed: Feed, store: Store) -> Channels:
    """The channel groups of a model."""
    return channels(model, shapes(model, feed, Target(), store))


def tried(
    found: Channels, units: Mapping[str, tuple[int, ...]], feed: Feed, store: Store
) -> Verdict:
    """Remove units, and hold the outputs against those of the original with zeros instead."""
    model = found.walk.model
    removed = perform(model, [removal(found, units)], store)
    original, after = run(model, feed, store), run(removed, feed, store)
    groups = [found.group(name) for name in units]
    if any(group.inexact for group in groups):
        error = None if all(map(alike, after.values(), original.values())) else float("inf")
        return Verdict(error=error, parameters=removed.parameters)
    zeroed = perform(model, zeroing(model, groups, units, found, store), store)
    before = run(zeroed, feed, store)
    errors = [distance(after[name], expected) for name, expected in before.items()]
    return Verdict(error=max(errors, default=0.0), parameters=removed.parameters)


def alike(after: Array, original: Array) -> bool:
    """Whether an answer has the shape that it had, and numbers wherever it had them."""
    if after.shape != original.shape:
        return False
    return bool(np.isfinite(after[np.isfinite(original)]).all())


def distance(after: Array, expected: Array) -> float:
    """The largest difference over the range; infinite where shapes or what is no number differ."""
    if after.shape != expected.shape or not np.array_equal(
        finite := np.isfinite(expected), np.isfinite(after)
    ):
        return float("inf")
    one, other = after[finite].astype(np.float64), expected[finite].astype(np.float64)
    span = float(np.abs(other).max(initial=0.0)) or 1.0
    return float(np.abs(one - other).max(initial=0.0)) / span


def zeroing(
    model: Model,
    groups: list[ChannelGroup],
    units: Mapping[str, tuple[int, ...]],
    found: Channels,
    store: Store,
) -> list[Edit]:
    """Edits that zero the units where they are read."""
    masks: dict[tuple[str, int, int], np.ndarray[Any, Any]] = {}
    for group in groups:
        for reader in group.readers:
            value = model.node(reader.node).inputs[reader.input]
            shape = found.walk.shape(value)
            key = (reader.node, reader.input, reader.axis)
            wide = [1] * (len(shape) - reader.axis)
            wide[0] = shape[reader.axis]
            mask = masks.setdefault(key, np.ones(wide, np.float32))
            mask[[index for unit in units[group.name] for index in reader.indices[unit]]] = 0
    edits: list[Edit] = [
        InsertScale(
            value=model.node(node).inputs[number],
            consumers=(node,),
            scale=store.put_array(mask),
        )
        for (node, number, _), mask in masks.items()
    ]
    return edits + list(recurrent(model, groups, units, store))


def recurrent(
    model: Model, groups: list[ChannelGroup], units: Mapping[str, tuple[int, ...]], store: Store
) -> list[ReplaceWeight]:
    """What a cell reads of itself: columns of R."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    recurrences = {node.inputs[2] for node in model.nodes if node.op_type in {"LSTM", "GRU", "RNN"}}
    for group in groups:
        for member in group.members:
            if member.weight in recurrences and member.axis == 2:
                array = arrays.setdefault(member.weight, model.weight(member.weight).copy())
                array[..., [i for unit in units[group.name] for i in member.indices[unit]]] = 0
    return [ReplaceWeight(weight=name, values=store.put_array(a)) for name, a in arrays.items()]


def run(model: Model, feed: Feed, store: Store) -> dict[str, np.ndarray[Any, Any]]:
    with store.scratch() as folder:
        path = Path(folder) / "model.onnx"
        save(model, path, metadata={})
        with registry.load("onnxruntime").open(path, Target()) as session:
            return dict(session.run(feed))


def check(model: Model, feed: Feed, store: Store, *, seed: int = 0) -> tuple[Channels, list[str]]:
    """Try a random set of units of all groups together, and of each group if that fails.

    Returns:
        What was found, and what did not hold, in words.
    """
    found = found_in(model, feed, store)
    rng = np.random.default_rng(seed)
    sets = {
        group.name: tuple(
            rng.choice(group.units, rng.integers(1, group.units), replace=False).tolist()
        )
        for group in found.groups
    }
    exact = {name: units for name, units in sets.items() if not found.group(name).inexact}
    wrong: list[str] = []
    for part in (exact, sets):
        verdict = tried(found, part, feed, store) if part else Verdict(error=0.0, parameters=0)
        if verdict.error is not None and verdict.error > TOLERANCE:
            wrong.append(f"all groups together: {verdict.error:.2g}")
    if wrong:
        for name, units in sets.items():
            error = tried(found, {name: units}, feed, store).error
            if error is not None and error > TOLERANCE:
                wrong.append(f"{name}: {error:.2g}")
    return found, wrong
