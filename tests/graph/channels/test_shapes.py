"""Reshapes and joins: the same indices on other axes."""

from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.graph.channels.shapes import block_pairs
from tests.graph.channels.nets import Net
from tests.graph.channels.small import assert_law, followed, reasons, units

FACTORS = st.lists(st.integers(1, 5), min_size=1, max_size=6)


def grouped(factors: list[int], cuts: list[int]) -> list[int]:
    """Sizes that multiply neighbours between the cuts."""
    edges = sorted({0, len(factors), *(cut % (len(factors) + 1) for cut in cuts)})
    return [prod(factors[a:b]) for a, b in pairwise(edges)]


@given(FACTORS, st.lists(st.integers(0, 6)), st.lists(st.integers(0, 6)))
def test_blocks_hold_the_same_elements(
    factors: list[int], left: list[int], right: list[int]
) -> None:
    before, after = grouped(factors, left), grouped(factors, right)
    pairs = list(block_pairs(before, after))
    for old, new in pairs:
        assert prod(before[axis] for axis in old) == prod(after[axis] for axis in new)
    assert [a for old, _ in pairs for a in old] == [a for a, n in enumerate(before) if n > 1]
    assert [a for _, new in pairs for a in new] == [a for a, n in enumerate(after) if n > 1]
    assert [(new, old) for old, new in pairs] == list(block_pairs(after, before))


@pytest.mark.parametrize("middle", [(2, 4, 2, 6), (8, 12), (2, 2, 2, 12), (1, 2, 4, 12, 1)])
def test_there_and_back(middle: tuple[int, ...], tmp_path: Path) -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 12)
    x = net.op("Reshape", net.op("Reshape", x, net.ints(*middle)), net.ints(0, -1, 12)
               if middle[0] == 2 else net.ints(2, 4, 12))  # fmt: skip
    proto = net.done(net.linear(x, 12, 2), 3)
    sizes = units(proto)
    assert sizes in ([12], [2], [6])
    assert_law(proto, {0: (1,)}, tmp_path)


def test_zero_and_minus_one_in_a_target(tmp_path: Path) -> None:
    for target in ([0, 0, 3, 4], [2, -1, 3, 4], [-1, 4, 3, 4], [0, 0, 3, -1], [0, 0, -1, 4]):
        net = Net()
        x = net.op("Reshape", net.linear(net.input([2, 4, 3]), 3, 12), net.ints(*target))
        x = net.op("Reshape", net.op("Relu", x), net.ints(0, 0, -1))
        assert_law(net.done(net.linear(x, 12, 2), 3), {0: (1,)}, tmp_path)


def test_a_target_without_copies(tmp_path: Path) -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 12)
    x = net.op("Reshape", x, net.ints(8, 12), allowzero=1)
    assert_law(net.done(net.linear(x, 12, 2), 2), {0: (1, 5)}, tmp_path)


@pytest.mark.parametrize("axis", [-1, 2])
def test_joined_and_parted_again(axis: int, tmp_path: Path) -> None:
    net = Net()
    x = net.input([2, 4, 3])
    both = net.op("Concat", net.linear(x, 3, 4), net.linear(x, 3, 6), axis=axis)
    one, other = net.op("Split", both, net.ints(6, 4), outputs=2, axis=axis)
    y = net.op("Add", net.linear(one, 6, 2), net.linear(other, 4, 2))
    proto = net.done(y, 3)
    places = range(len(followed(proto).groups))
    assert len(places) == 3
    assert_law(proto, dict.fromkeys(places, (1,)), tmp_path)


def test_repeated_channels_leave_with_the_first(tmp_path: Path) -> None:
    net = Net()
    x = net.op("Tile", net.linear(net.input([2, 4, 3]), 3, 5), net.ints(1, 1, 2))
    proto = net.done(net.linear(x, 10, 2), 3)
    assert units(proto) == [5]
    assert_law(proto, {0: (0, 3)}, tmp_path)


def test_mirrored_channels_and_own_axes_of_padding_stay() -> None:
    for extra, mode in (((), "reflect"), (("", "axes"), "constant")):
        net = Net()
        x = net.linear(net.input([2, 4, 3]), 3, 5)
        given = [net.ints(0, 0, 1, 0, 0, 1), *(net.ints(0, 1, 2) if one else "" for one in extra)]
        x = net.op("Pad", x, *given, mode=mode)
        assert followed(net.done(net.linear(x, 7, 2), 3)).groups == ()


def test_positions_and_sizes_of_zero() -> None:
    net = Net()
    x = net.conv(net.input([2, 3, 4, 4]), 3, 6)
    pooled, _ = net.op("MaxPool", x, outputs=2, kernel_shape=[2, 2])
    assert "largest values" in reasons(followed(net.done(net.conv(pooled, 6, 2), 4)))
    net = Net()
    x = net.linear(net.input([0, 4, 3]), 3, 6)
    flat = net.op("Reshape", x, net.constant(np.array([0, 24])), allowzero=1)
    assert "size zero" in reasons(followed(net.done(flat, 2)))
