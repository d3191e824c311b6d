"""Products: what they sum over unites, groups of convolutions follow whole or place by place."""

from pathlib import Path

import pytest

from tests.graph.channels.nets import Net
from tests.graph.channels.small import assert_law, followed, reasons, units


@pytest.mark.parametrize(("trans_a", "trans_b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm_in_every_orientation(trans_a: int, trans_b: int, tmp_path: Path) -> None:
    net = Net()
    x = net.op("Relu", net.linear(net.input([4, 3]), 3, 6))
    x = net.op("Transpose", x, perm=[1, 0]) if trans_a else x
    kernel = net.weight(5, 6) if trans_b else net.weight(6, 5)
    y = net.op("Gemm", x, kernel, net.weight(5), transA=trans_a, transB=trans_b, alpha=0.5)
    assert_law(net.done(net.linear(y, 5, 2), 2), {0: (1, 4), 1: (0,)}, tmp_path)


@pytest.mark.parametrize("equation", ["bsi,io->bso", "bsi,io->obs"])
def test_letters_are_axes(equation: str, tmp_path: Path) -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 6)
    y = net.op("Einsum", x, net.weight(6, 5), equation=equation)
    if equation.endswith("obs"):
        y = net.op("Transpose", y, perm=[1, 2, 0])
    assert_law(net.done(net.linear(y, 5, 2), 3), {0: (2,), 1: (0, 3)}, tmp_path)


def test_an_equation_with_dots_is_not_followed() -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 6)
    found = followed(net.done(net.op("Einsum", x, net.weight(6, 5), equation="...i,io->...o"), 3))
    assert found.groups == ()
    assert "the equation" in reasons(found)


@pytest.mark.parametrize("removed", [(0,), (1, 2)])
@pytest.mark.parametrize(("outputs", "groups"), [(12, 4), (24, 4), (12, 12), (24, 12)])
def test_groups_of_convolutions(
    outputs: int, groups: int, removed: tuple[int, ...], tmp_path: Path
) -> None:
    net = Net()
    x = net.op("Relu", net.conv(net.input([2, 3, 6, 6]), 3, 12, 1))
    x = net.conv(net.op("Relu", net.conv(x, 12, outputs, 3, groups)), outputs, 4, 1)
    proto = net.done(x, 4)
    sizes = [group.units for group in followed(proto).groups]
    removed = tuple(one for one in removed if one < min(sizes))
    assert_law(proto, dict.fromkeys(range(len(sizes)), removed), tmp_path)


@pytest.mark.parametrize(("outputs", "groups"), [(2, 3), (1, 6), (2, 6)])
def test_groups_of_transposed_convolutions(outputs: int, groups: int, tmp_path: Path) -> None:
    net = Net()
    x = net.op("Relu", net.conv(net.input([2, 3, 4, 4]), 3, 6, 1))
    x = net.op("ConvTranspose", x, net.weight(6, outputs, 2, 2), strides=[2, 2], group=groups)
    proto = net.done(net.conv(x, outputs * groups, 3, 1), 4)
    places = range(len(followed(proto).groups))
    assert_law(proto, dict.fromkeys(places, (1,)), tmp_path)


def test_an_input_is_never_cut() -> None:
    net = Net()
    assert units(net.done(net.linear(net.input([2, 6]), 6, 3), 2)) == []
