"""AdaRound as a method: better than nearest, and after GPTQ a little better than that."""

import numpy as np
import pytest
from pydantic import ValidationError

from lissom.methods.quantize.adaround import Adaround
from lissom.methods.rounding import Layer, plan_rounding
from lissom.numerics.gptq import Factored, gptq, loss
from lissom.numerics.grids import Shape, searched
from lissom.numerics.quantized import dequantize
from lissom.store.store import Store
from tests.graph.edited import edited
from tests.methods import layers
from tests.numerics.problems import layer


@pytest.mark.parametrize("start", ["nearest", "gptq"])
def test_no_row_loses_more_than_where_it_started(start) -> None:
    weight, hessian = layer(32, 48)
    given = Layer(weight=weight, hessian=hessian, block_size=None)
    found = dequantize(Adaround(start=start, steps=200).round(given))
    grid = searched(weight, Shape(bits=4))
    first = (
        grid.rounded(weight)
        if start == "nearest"
        else gptq(weight, Factored.of(hessian), grid.nearest)
    )
    assert loss(weight, found, hessian).sum() < loss(weight, first, hessian).sum()


def test_a_network(tmp_path) -> None:
    model = layers.redundant()
    context = layers.context(model, Store(tmp_path))
    plan = plan_rounding(Adaround(steps=100), model, context)
    assert 0 < layers.distance(model, edited(model, plan.edits, context.store)) < 0.05


def test_a_layer_of_zeros_that_nothing_is_known_of() -> None:
    given = Layer(weight=np.zeros((2, 3)), hessian=np.zeros((3, 3)), block_size=None)
    assert not dequantize(Adaround(steps=5).round(given)).any()


@pytest.mark.parametrize("wrong", [{"bits": 9}, {"steps": 0}, {"start": "ceil"}])
def test_wrong_parameters_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        Adaround(**wrong)
