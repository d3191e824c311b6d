"""Computed sizes: right for inputs of every size after a removal, or refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from lissom.graph.channels.fitting import fitted
from lissom.graph.channels.groups import Channels
from lissom.graph.channels.removal import removal
from lissom.graph.channels.settings import SETTINGS
from lissom.graph.cutting import ScaleInput, SetInput
from lissom.store.store import Store
from tests.graph.channels.law import TOLERANCE, found_in, tried
from tests.graph.channels.nets import Net
from tests.graph.channels.small import reasons
from tests.graph.edited import model_of

HEADS, WIDTH = 4, 3


def first(net: Net, x: str) -> str:
    made: str = net.op("Shape", x, start=0, end=1)
    return made


def heads_in_batch(net: Net) -> tuple[str, str]:
    """Heads as rows of the batch: what is read, and [n * heads, 5, width]."""
    x = net.input(["n", 5, 8])
    y = net.op("Reshape", net.linear(x, 8, HEADS * WIDTH), net.ints(0, 0, HEADS, WIDTH))
    y = net.op("Transpose", y, perm=[0, 2, 1, 3])
    rows = net.op("Mul", first(net, x), net.ints(HEADS))
    y = net.op("Reshape", y, net.op("Concat", rows, net.ints(5, WIDTH), axis=0))
    return x, net.op("Tanh", net.op("MatMul", y, net.op("Transpose", y, perm=[0, 2, 1])))


def back(net: Net, y: str, batch: str) -> onnx.ModelProto:
    """Heads beside the batch again, and mixed."""
    y = net.op("Reshape", y, net.op("Concat", batch, net.ints(HEADS, 5, 5), axis=0))
    y = net.op("Transpose", y, perm=[0, 2, 1, 3])
    y = net.op("Reshape", y, net.ints(0, 0, HEADS * 5))
    return net.done(net.linear(y, HEADS * 5, 2), 3)


def feed(batch: int) -> dict[str, np.ndarray]:
    return {"x0": np.random.default_rng(batch).random((batch, 5, 8), np.float32)}


def divided() -> onnx.ModelProto:
    net = Net()
    _, y = heads_in_batch(net)
    return back(net, y, net.op("Div", first(net, y), net.ints(HEADS)))


def with_heads(found: Channels) -> str:
    (name,) = [group.name for group in found.groups if group.units == HEADS]
    return name


@pytest.mark.parametrize("batch", [1, 2, 9])
@pytest.mark.parametrize("gone", [(1,), (0, 3), (0, 1, 2)])
def test_a_divisor_that_counts_heads(batch: int, gone: tuple[int, ...], tmp_path: Path) -> None:
    """9 // 4 = 2 times two is not 3: no scale of rows // heads is right for every batch."""
    store = Store(tmp_path)
    found = found_in(model_of(divided()), feed(batch), store)
    units = {with_heads(found): gone}
    for each in (1, 2, 3, 6, 9):
        error = tried(found, units, feed(each), store).error
        assert error is not None
        assert error < TOLERANCE
    div = next(node.name for node in found.walk.model.nodes if node.op_type == "Div")
    assert (
        SetInput(node=div, input=1, values=(HEADS - len(gone),)) in removal(found, units).rewrites
    )


def test_what_is_multiplied_is_scaled(tmp_path: Path) -> None:
    found = found_in(model_of(divided()), feed(2), Store(tmp_path))
    edit = removal(found, {with_heads(found): (1,)})
    scale = next(one for one in edit.rewrites if isinstance(one, ScaleInput))
    assert (scale.numerators, scale.denominators) == ((6, 1, 1), (8, 1, 1))


def test_a_size_that_nothing_makes_right_is_no_group(tmp_path: Path) -> None:
    """4n - 3n is n; with a head less it is nothing."""
    net = Net()
    x, y = heads_in_batch(net)
    three = net.op("Mul", first(net, x), net.ints(3))
    proto = back(net, y, net.op("Sub", first(net, y), three))
    found = found_in(model_of(proto), feed(2), Store(tmp_path))
    assert HEADS not in {group.units for group in found.groups}
    assert "counts channels in a way that is computed" in reasons(found)


def test_nothing_gone_is_an_empty_edit(tmp_path: Path) -> None:
    found = found_in(model_of(divided()), feed(2), Store(tmp_path))
    assert fitted(found.walk, {}, SETTINGS)[1] == ()
