"""What the tests of factors share: channels of small graphs, and the law of scaling."""

import numpy as np
import onnx

from lissom.graph.edit import ReplaceWeight
from lissom.graph.expose import expose, intermediate_values
from lissom.graph.model import Model
from lissom.graph.scaling.groups import Scalable, scalable
from lissom.store.store import Store
from tests.graph.channels.small import feed_of, shapes_of
from tests.graph.edited import edited, model_of, run

__all__ = ["check_law", "found_in", "sizes"]


def found_in(proto: onnx.ModelProto, *, runs: bool = True) -> Scalable:
    """What can be scaled; open sizes are 2, shapes those of a run or else those stated."""
    model = model_of(proto)
    return scalable(model, _shapes(model) if runs else shapes_of(model))


def _shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """Shapes from a run, where they cannot be inferred."""
    exposed = expose(model, intermediate_values(model))
    feed = feed_of(model)
    found = run(exposed, feed)
    named = zip((port.name for port in exposed.outputs), found, strict=True)
    return {**shapes_of(model), **{name: array.shape for name, array in named}}


def sizes(found: Scalable) -> list[int]:
    """How many channels each group has, rising."""
    return sorted(len(group.channels) for group in found.groups)


def check_law(proto: onnx.ModelProto, folder, *, seed: int = 0, span: float = 3.0) -> Scalable:
    """Scale every channel by a factor of its own, and see that nothing changes at the outputs."""
    found, store = found_in(proto), Store(folder)
    model, feed = found.model, feed_of(found.model)
    rng = np.random.default_rng(seed)
    factors = np.append(np.exp(rng.uniform(-span, span, found.channels)), 1.0)
    edits = [
        ReplaceWeight(
            weight=name, values=store.put_array(found.scaled(name, factors).astype(np.float32))
        )
        for name in found.by_weight
    ]
    for before, after in zip(run(model, feed), run(edited(model, edits, store), feed), strict=True):
        scale = float(np.abs(before).max()) or 1.0
        assert np.abs(after - before).max() < 1e-4 * scale
    return found
