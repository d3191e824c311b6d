"""Drafts: which method gets which operators, and what is left out where it would not gain."""

from dataclasses import replace

from tests import tiny
from tests.search.offered import ASYMMETRIC, FACTS, convolution, names, proposed


def test_the_mixed_recipe_parts_the_operators() -> None:
    found = proposed(tiny.cnn())
    mixed = next(one.recipe for one in found.tried if one.recipe.name == "static-conv-dynamic")
    assert mixed.steps[0].exclude == ("Gemm",)
    assert mixed.steps[1].exclude == ()


def test_weights_with_zero_points_are_left_out_where_they_gain_nothing() -> None:
    wide = convolution(64, 1)
    reasons = {one.name: one.reason for one in proposed(wide).left_out}
    assert "no convolution faster" in reasons["static-asymmetric"]
    assert "static-asymmetric" in names(proposed(wide, facts=ASYMMETRIC))


def test_channels_are_levelled_where_that_can_gain() -> None:
    depthwise = {one.recipe.name: one.recipe for one in proposed(convolution(8, 8)).tried}
    assert [step.method for step in depthwise["static-equalized"].steps] == [
        "equalize.cross_layer",
        "quantize.static",
        "quantize.bias_correction",
    ]
    assert "static-smoothed" not in depthwise
    encoder = {one.recipe.name: one.recipe for one in proposed(tiny.transformer()).tried}
    methods = [step.method for step in encoder["static-smoothed"].steps]
    assert methods[-2:] == ["equalize.smooth", "quantize.static"]
    assert "static-equalized" not in encoder


def test_packed_matrices_of_4_bits_are_not_rounded_to_nearest() -> None:
    for data, method in ((True, "quantize.gptq"), (False, "quantize.hqq")):
        found = {one.recipe.name: one.recipe for one in proposed(tiny.mlp(), data=data).tried}
        assert found["weights-int4-packed"].steps[-1].method == method
        assert found["weights-int8-packed"].steps[-1].method == "quantize.weight_only"


def test_an_lstm_alone_is_worth_dynamic_integers_where_the_runtime_has_them() -> None:
    for operators, wanted in ((frozenset({"LSTM"}), True), (frozenset[str](), False)):
        found = proposed(tiny.recurrent(), facts=replace(FACTS, dynamic_operators=operators))
        assert ("dynamic" in names(found)) is wanted
