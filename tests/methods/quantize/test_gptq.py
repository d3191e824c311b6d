"""GPTQ as a method: better than nearest at the same size, its fields, degenerate layers."""

import numpy as np
import pytest
from pydantic import ValidationError

from lissom.methods.quantize.gptq import Gptq
from lissom.methods.quantize.weight_only import WeightOnly
from lissom.methods.rounding import Layer
from lissom.numerics.gptq import loss
from lissom.numerics.quantized import dequantize, quantize_weight
from lissom.store.store import Store
from tests.graph.edited import edited
from tests.methods import layers
from tests.numerics.problems import layer


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_papers_claim(bits, symmetric) -> None:
    """Less is lost than by rounding to nearest, the more so the fewer bits there are."""
    weight, hessian = layer()
    method = Gptq(bits=bits, symmetric=symmetric)
    integers = method.round(Layer(weight=weight, hessian=hessian, block_size=None))
    assert (integers.bits, integers.zero_point is None) == (bits, symmetric)
    plain = quantize_weight(weight, bits=bits, axis=0, symmetric=symmetric)
    losses = [loss(weight, dequantize(one), hessian) for one in (integers, plain)]
    assert np.all(losses[0] <= losses[1] * (1 + 1e-9))
    assert losses[0].sum() < 0.35 * losses[1].sum()


def test_the_greedy_order_loses_less_than_nearest_too() -> None:
    weight, hessian = layer(6, 18)
    given = Layer(weight=weight, hessian=hessian, block_size=None)
    losses = [
        loss(weight, dequantize(Gptq(bits=3, order=order).round(given)), hessian).sum()
        for order in ("greedy", "activation")
    ]
    plain = dequantize(quantize_weight(weight, bits=3, axis=0))
    assert losses[0] < 0.5 * loss(weight, plain, hessian).sum()
    assert losses[0] != losses[1]  # another way to it


def test_a_network_keeps_its_answers_better_at_the_same_size(tmp_path) -> None:
    model = layers.redundant()
    context = layers.context(model, Store(tmp_path))
    made = [
        edited(model, method.plan(model, context).edits, context.store)
        for method in (Gptq(), WeightOnly(bits=4))
    ]
    assert made[0].weight_bytes == made[1].weight_bytes
    assert layers.distance(model, made[0]) < 0.7 * layers.distance(model, made[1])


@pytest.mark.parametrize("block_size", [None, 16])
def test_layers_that_say_nothing(block_size) -> None:
    rng = np.random.default_rng(0)
    for weight, hessian in (
        (np.zeros((3, 4)), np.eye(4)),
        (rng.standard_normal((1, 4)), np.zeros((4, 4))),
        (rng.standard_normal((3, 1)), np.ones((1, 1))),
        (rng.standard_normal((3, 4)), np.ones((4, 4))),
    ):
        integers = Gptq().round(Layer(weight=weight, hessian=hessian, block_size=block_size))
        assert np.all(np.abs(dequantize(integers)) <= 2 * np.abs(weight).max())


@pytest.mark.parametrize("wrong", [{"bits": 1}, {"block_size": 48}, {"damping": -1.0}])
def test_wrong_parameters_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        Gptq(**wrong)
