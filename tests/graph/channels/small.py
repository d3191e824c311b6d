"""What the tests of single rules share: groups of a graph with fixed shapes, the law in-process."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx

from lissom.graph.channels.groups import Channels, channels
from lissom.graph.channels.removal import removal
from lissom.graph.edit import RemoveChannels
from lissom.graph.model import Model
from lissom.store.store import Store
from tests.graph.channels.law import zeroing
from tests.graph.edited import edited, model_of, run

__all__ = ["assert_law", "feed_of", "followed", "reasons", "shapes_of", "units"]


def shapes_of(model: Model) -> dict[str, tuple[int, ...]]:
    """The shapes that the graph states; open sizes are 2."""
    names = [port.name for port in model.inputs]
    names += [name for node in model.nodes for name in node.outputs if name]
    found = {}
    for name in names:
        stated = model.value_shape(name)
        if stated is not None:
            found[name] = tuple(size if isinstance(size, int) else 2 for size in stated)
    return found


def followed(
    proto: onnx.ModelProto, known: Mapping[str, tuple[int, ...]] = MappingProxyType({})
) -> Channels:
    """The groups; `known` has shapes that cannot be inferred."""
    model = model_of(proto)
    return channels(model, {**shapes_of(model), **known})


def units(proto: onnx.ModelProto) -> list[int]:
    """The number of units of each group, rising."""
    return sorted(group.units for group in followed(proto).groups)


def reasons(found: Channels) -> str:
    """Why anything is frozen, in one text."""
    return "; ".join(found.walk.ids.frozen().values())


def feed_of(model: Model) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    feed = {}
    for port in model.inputs:
        shape = tuple(size if isinstance(size, int) else 2 for size in port.shape)
        whole = port.dtype == "int64"
        feed[port.name] = (
            rng.integers(0, 4, shape) if whole else rng.standard_normal(shape).astype(np.float32)
        )
    return feed


def assert_law(
    proto: onnx.ModelProto, removed: Mapping[int, tuple[int, ...]], folder: Path
) -> RemoveChannels:
    """Remove units (by the place of their group) and see that it equals zeroing what reads them."""
    found, store = followed(proto), Store(folder)
    model, feed = found.walk.model, feed_of(found.walk.model)
    chosen = {found.groups[place].name: numbers for place, numbers in removed.items()}
    edit = removal(found, chosen)
    after = run(edited(model, [edit], store), feed)
    groups = [found.group(name) for name in chosen]
    zeroed = edited(model, zeroing(model, groups, chosen, found, store), store)
    for one, other in zip(run(zeroed, feed), after, strict=True):
        assert one.shape == other.shape
        assert np.allclose(one, other, rtol=1e-4, atol=1e-5)
    return edit
