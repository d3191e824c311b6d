import numpy as np
import pytest

from lissom.errors import ModelError
from lissom.graph.expose import expose, intermediate_values
from tests import tiny
from tests.graph.graphs import answers, model_of


def test_values_are_listed_as_they_are_computed():
    assert intermediate_values(model_of(tiny.mlp())) == ("fc0.out", "relu0.out")


def test_an_exposed_value_is_answered_after_the_models_own():
    proto = tiny.mlp()
    model = model_of(proto)
    seen = expose(model, ["relu0.out", "fc0.out", "y", "fc0.out"])
    assert [port.name for port in seen.outputs] == ["y", "relu0.out", "fc0.out"]
    feeds = tiny.feeds(proto)
    y, relu, linear = answers(seen, feeds)
    expected = feeds["x"] @ model.weight("fc0.weight").T + model.weight("fc0.bias")
    np.testing.assert_allclose(linear, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(relu, np.maximum(expected, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(y, answers(model, feeds)[0])
    assert [port.name for port in model.outputs] == ["y"]


@pytest.mark.parametrize("name", ["x", "fc0.weight", "body_out", "nothing"])
def test_only_computed_values_can_be_exposed(name):
    with pytest.raises(ModelError, match=name):
        expose(model_of(tiny.mlp()), [name])
