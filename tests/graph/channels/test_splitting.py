"""The law of splits: units may be there several times, and the function stays."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from lissom.errors import MethodError, ModelError
from lissom.graph.channels.groups import Channels
from lissom.graph.channels.splitting import obstacle, splitting, summed
from lissom.graph.cutting import WeightGrowth
from lissom.store.store import Store
from tests import tiny
from tests.graph.channels.law import TOLERANCE, distance, found_in
from tests.graph.channels.nets import NETS, Net
from tests.graph.channels.small import feed_of, followed
from tests.graph.edited import edited, model_of, run

SPLIT = {
    "plain": 3, "normalized": 1, "residual": 3, "depthwise": 2, "grouped": 2, "transposed": 3,
    "dense": 5, "shuffled": 5, "transformer": 2, "few_keys": 2, "fused_heads": 1, "rotary": 0,
    "recurrent": 2, "gated": 2, "simple_cell": 2, "group_norm": 2, "upscaled": 5, "tied": 0,
    "scaled_by_width": 1,
}  # fmt: skip
"""How many groups of each network can be split."""


def ready(found: Channels) -> list[str]:
    return [group.name for group in found.groups if not obstacle(found, group)]


def drawn(found: Channels, names: list[str], seed: int) -> dict[str, dict[int, int]]:
    """Some units of each group two or three times."""
    rng = np.random.default_rng(seed)
    return {
        name: {unit: int(count) for unit, count in enumerate(rng.choice((1, 1, 2, 3), units))}
        for name, units in ((name, found.group(name).units) for name in names)
    }


def check_law(proto: onnx.ModelProto, folder: Path, *, seed: int = 0) -> list[str]:
    """Split every group that can be, alone and all together; the function must stay."""
    model, store = model_of(proto), Store(folder)
    feed = feed_of(model)
    found = found_in(model, feed, store)
    names = ready(found)
    for own in [[name] for name in names] + [names]:
        split = edited(model, [splitting(found, drawn(found, own, seed))], store)
        assert split.parameters > model.parameters or not names
        for before, after in zip(run(model, feed), run(split, feed), strict=True):
            assert distance(after, before) < TOLERANCE
    return names


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", NETS)
def test_splits_change_nothing(name: str, seed: int, tmp_path: Path) -> None:
    assert len(check_law(NETS[name](), tmp_path, seed=seed)) == SPLIT[name]


@pytest.mark.parametrize("make", [tiny.cnn, tiny.mlp, tiny.transformer, tiny.recurrent])
def test_splits_change_nothing_in_whole_models(
    make: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    assert check_law(make(), tmp_path)


def two_layers() -> onnx.ModelProto:
    net = Net()
    x = net.op("Relu", net.linear(net.input([2, 3]), 3, 5))
    return net.done(net.linear(x, 5, 2), 2)


def test_a_unit_is_copied_where_it_is_made_and_shared_where_it_is_read() -> None:
    found = followed(two_layers())
    (group,) = found.groups
    edit = splitting(found, {group.name: {1: 2, 3: 3, 4: 1}})
    copied = ((1, 2, 2), (3, 4, 3))
    assert edit.growths == (
        WeightGrowth(weight="w0", axis=1, copied=copied),
        WeightGrowth(weight="w1", axis=0, copied=copied),
        WeightGrowth(weight="w2", axis=0, copied=copied, shared=True),
    )
    assert summed(found, group) == {("w2", 0): "matmul3"}


def test_nothing_to_split_is_an_empty_edit() -> None:
    found = followed(two_layers())
    edit = splitting(found, {found.groups[0].name: {0: 1}})
    assert (edit.growths, edit.rewrites, edit.resized) == ((), (), ())


@pytest.mark.parametrize("times", [{5: 2}, {-1: 2}, {0: 0}])
def test_units_that_there_are_not(times: dict[int, int]) -> None:
    found = followed(two_layers())
    with pytest.raises(MethodError, match="units 0 to 4"):
        splitting(found, {found.groups[0].name: times})
    with pytest.raises(ModelError, match="no channel group"):
        splitting(found, {"nobody": {0: 2}})


def sliced_inside_a_unit() -> onnx.ModelProto:
    """The first place of the first channel and the last one of the second are left out."""
    net = Net()
    flat = net.op("Flatten", net.conv(net.input([2, 3, 2, 2]), 3, 2))
    part = net.op("Slice", flat, net.ints(1), net.ints(7), net.ints(1))
    return net.done(net.linear(part, 6, 4), 2)


def summed_without_a_weight() -> onnx.ModelProto:
    net = Net()
    x = net.linear(net.input([2, 3]), 3, 5)
    return net.done(net.op("ReduceSum", x, net.ints(1), keepdims=1), 2)


def read_by_two() -> onnx.ModelProto:
    net = Net()
    x, weight = net.input([2, 3]), net.constant_t(5, 5)
    y = net.op("MatMul", net.op("MatMul", net.linear(x, 3, 5), weight), weight)
    return net.done(net.linear(y, 5, 2), 2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (sliced_inside_a_unit, "taken apart"),
        (summed_without_a_weight, "sums over it without a weight"),
        (read_by_two, "share"),
        (NETS["rotary"], "do not lie alike"),
        (NETS["tied"], "sums over it without a weight"),
        (NETS["transformer"], "statistics are taken over it"),
    ],
)
def test_what_cannot_be_split(
    make: Callable[[], onnx.ModelProto], words: str, tmp_path: Path
) -> None:
    model = model_of(make())
    found = found_in(model, feed_of(model), Store(tmp_path))
    refused = [group for group in found.groups if words in obstacle(found, group)]
    assert refused
    with pytest.raises(MethodError, match=words):
        splitting(found, {refused[0].name: {0: 2}})
