"""HQQ as a method: no samples, outliers that do not spoil the rest."""

import numpy as np
import pytest
from pydantic import ValidationError

from lissom.methods.quantize.hqq import Hqq
from lissom.methods.rounding import Layer
from lissom.numerics.quantized import dequantize, quantize_weight
from lissom.store.store import Store
from tests.graph.edited import edited
from tests.methods import lab, layers


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_papers_claim(symmetric) -> None:
    """Of weights with heavy tails most are nearer than on the full range."""
    weight = np.random.default_rng(0).standard_t(3, (16, 256))
    integers = Hqq(symmetric=symmetric).round(Layer(weight=weight, hessian=None, block_size=None))
    plain = quantize_weight(weight, bits=4, axis=0, symmetric=symmetric)
    errors = [np.abs(dequantize(one) - weight) for one in (integers, plain)]
    assert np.median(errors[0]) < 0.9 * np.median(errors[1])


def test_it_needs_no_samples(tmp_path) -> None:
    model = layers.redundant()
    context = lab.context(model, Store(tmp_path))
    plan = Hqq().plan(model, context)
    assert plan.edit_counts == {"EncodeWeight": 3}
    assert layers.distance(model, edited(model, plan.edits, context.store)) < 0.1


@pytest.mark.parametrize("wrong", [{"norm": 2.0}, {"steps": -1}, {"bits": 16}])
def test_wrong_parameters_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        Hqq(**wrong)
