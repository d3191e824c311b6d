"""What proposals see in a model, by hand."""

from dataclasses import replace

import onnx
import pytest

from lissom.runtime.facts import Facts
from lissom.search.limits import Goal
from lissom.search.view import View
from tests import tiny
from tests.graph.graphs import model_of
from tests.search.offered import FACTS, POOR, convolution


def view(
    made: onnx.ModelProto, facts: Facts = FACTS, *, data: bool = True, goal: Goal = "speed"
) -> View:
    return View.of(model_of(made), facts, data=data, goal=goal)


@pytest.mark.parametrize(
    ("channels", "groups", "wide", "depthwise"),
    [(64, 1, True, False), (63, 1, False, False), (64, 64, False, True), (64, 2, False, False)],
)
def test_widths_and_groups(channels: int, groups: int, wide: bool, depthwise: bool) -> None:
    found = view(convolution(channels, groups))
    assert (found.wide, found.depthwise) == (wide, depthwise)


def test_operators_with_and_without_weights() -> None:
    found = view(tiny.mlp())
    assert found.matrices == ("Gemm",)
    assert "Relu" in found.operators
    assert "Relu" not in found.weighted
    assert not found.convolutions
    assert view(tiny.cnn()).convolutions
    assert not view(tiny.cnn(), POOR).convolutions


def test_reasons_are_empty_where_there_are_none() -> None:
    able = view(tiny.cnn(), goal="size")
    assert able.no_static() == able.no_dynamic() == able.no_stored() == able.no_pruned() == ""
    assert able.no_packed(4) == ""


def test_each_reason_says_what_is_missing() -> None:
    blind = view(tiny.cnn(), data=False, goal="size")
    for reason in (blind.no_static(), blind.no_stored(), blind.no_pruned()):
        assert "--data" in reason
    poor = view(tiny.cnn(), POOR)
    assert "integer kernel" in poor.no_static()
    assert "faster than float" in poor.no_dynamic()
    assert "packed in 4 bits" in poor.no_packed(4)
    assert "smaller" in poor.no_stored()
    assert "64 input channels" in poor.no_asymmetric()
    wide = view(convolution(64, 1), replace(FACTS, asymmetric_weights=False))
    assert "no convolution faster" in wide.no_asymmetric()
    assert "matrix product" in wide.no_packed(4)


def test_the_block_size_is_the_first_of_its_width() -> None:
    packs = replace(FACTS, weight_only=((4, 128), (4, 32), (8, 64)))
    assert [view(tiny.mlp(), packs).block_size(bits) for bits in (4, 8, 2)] == [128, 64, None]


def test_scales_are_moved_where_layer_normalizations_are() -> None:
    assert view(tiny.transformer()).no_smoothed() == ""
    assert "layer normalizations" in view(tiny.mlp()).no_smoothed()
