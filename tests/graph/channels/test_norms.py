"""Normalizations and reductions: parameters follow, statistics over channels are inexact."""

from pathlib import Path

import numpy as np
import pytest

from tests.graph.channels.nets import Net
from tests.graph.channels.small import assert_law, followed


def test_statistics_over_the_channels_are_inexact() -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 6)
    x = net.op("LayerNormalization", x, net.weight(6), net.weight(6))
    group = followed(net.done(net.linear(x, 6, 2), 3)).groups[0]
    assert group.units == 6
    assert group.inexact == "statistics are taken over it"


@pytest.mark.parametrize("groups", [1, 3])
def test_group_normalization_loses_whole_groups(groups: int) -> None:
    net = Net(21)
    x = net.conv(net.input([2, 3, 4, 4]), 3, 12)
    x = net.op("GroupNormalization", x, net.weight(12), net.weight(12), num_groups=groups)
    y = net.conv(x, 12, 4, 1)
    group = followed(net.done(y, 4), {x: (2, 12, 4, 4), y: (2, 4, 4, 4)}).groups[0]
    assert group.units == (12 if groups == 1 else 3)
    assert bool(group.inexact) == (groups == 1)


def test_batch_statistics_that_are_constant_are_exact(tmp_path: Path) -> None:
    net = Net()
    x = net.conv(net.input([2, 3, 4, 4]), 3, 6)
    variance = net.constant(np.linspace(0.5, 2, 6).astype(np.float32))
    x = net.op("BatchNormalization", x, *[net.weight(6) for _ in range(3)], variance)
    assert_law(net.done(net.conv(x, 6, 4, 1), 4), {0: (0, 4)}, tmp_path)


@pytest.mark.parametrize("op_type", ["ReduceSum", "ReduceMean"])
def test_a_sum_reads_and_a_mean_counts(op_type: str) -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 6)
    x = net.op(op_type, net.op("Relu", x), net.ints(-1), keepdims=0)
    group = followed(net.done(x, 2)).groups[0]
    assert [reader.axis for reader in group.readers] == ([2] if op_type == "ReduceSum" else [])
    assert bool(group.inexact) == (op_type == "ReduceMean")
