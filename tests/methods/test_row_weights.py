"""How much rows count: found through sums up to a normalization, by hand and in what it is for."""

import numpy as np
import pytest

from lissom.methods.reading import readings
from lissom.methods.row_weights import normalized, row_weights
from lissom.numerics.moments import Moments, fit
from tests.methods import layers

RNG = np.random.default_rng(0)
WIDTH = 6


def behind(*nodes, weights=None, first="MatMul"):
    """A product with a bias behind it, a sum, and nodes that read the sum."""
    every = [(first, "x a.w", "a"), ("Add", "a a.b", "a.sum"), ("Add", "a.sum x", "sum"), *nodes]
    arrays = {"a.w": RNG.standard_normal((WIDTH, WIDTH)), "a.b": RNG.standard_normal(WIDTH)}
    return layers.model(every, arrays | (weights or {}), ["n", WIDTH])


NORM = {"g": np.ones(WIDTH), "b": np.zeros(WIDTH)}
ONE_NODE = behind(("LayerNormalization", "sum g b", "y", {"epsilon": 0.5}), weights=NORM)
BY_HAND = behind(
    ("ReduceMean", "sum", "mean", {"axes": [-1]}),
    ("Sub", "sum mean", "centred"),
    ("Mul", "centred centred", "y"),
)


def found(model):
    return normalized(model, [reading for _, reading in readings(model).values()])


@pytest.mark.parametrize(("model", "epsilon"), [(ONE_NODE, 0.5), (BY_HAND, 1e-5)])
def test_a_row_counts_by_the_variance_that_it_is_divided_by(model, epsilon):
    one = found(model)["a"]
    assert (one.value, one.centred) == ("sum", True)
    assert one.epsilon == pytest.approx(epsilon)
    taken = np.asarray([[1.0, 3.0], [10.0, 30.0]])
    np.testing.assert_allclose(one.weights(taken), [1 / (1 + epsilon), 1 / (100 + epsilon)])


def test_the_weights_are_of_the_rows_that_are_taken():
    model = ONE_NODE
    (reading,) = (one for _, one in readings(model).values())
    x, total = RNG.standard_normal((2, 5, WIDTH)), RNG.standard_normal((2, 5, WIDTH))
    weights = row_weights(found(model), reading, {"x": x, "sum": total}, 100, 0)
    np.testing.assert_allclose(np.sort(weights), np.sort(1 / (total.var(axis=-1) + 0.5).ravel()))
    assert row_weights({}, reading, {"x": x}, 100, 0) is None


def test_what_divides_by_the_root_of_squares_takes_no_mean_away():
    model = behind(("SimplifiedLayerNormalization", "sum g", "y"), weights={"g": np.ones(WIDTH)})
    one = found(model)["a"]
    assert not one.centred
    np.testing.assert_allclose(one.weights(np.asarray([[3.0, 3.0]])), 1 / (9 + one.epsilon))


@pytest.mark.parametrize(
    "nodes",
    [
        [("Relu", "sum", "y")],
        [("ReduceMean", "sum", "y", {"axes": [-1]})],
        [("ReduceMean", "sum", "mean", {"axes": [0]}), ("Sub", "sum mean", "y")],
        [("Relu", "sum", "r"), ("LayerNormalization", "r g b", "y")],
    ],
    ids=["nothing", "a mean alone", "another axis", "not through sums alone"],
)
def test_rows_count_the_same_where_no_normalization_follows(nodes):
    assert not found(behind(*nodes, weights=NORM if len(nodes[-1][1].split()) == 3 else {}))


def test_several_axes_normalized_together_are_no_rows():
    model = behind(
        ("LayerNormalization", "sum g b", "y", {"axis": 0}),
        weights={name: np.tile(array, (2, 1)) for name, array in NORM.items()},
    )
    assert not found(model)


def test_a_few_large_rows_do_not_decide_a_fit_any_more():
    """Massive activations: one row in ten is fifty times as large, and of another kind."""
    x = RNG.standard_normal((400, 8))
    y = x @ RNG.standard_normal((8, WIDTH)) + 0.1 * RNG.standard_normal((400, WIDTH))
    large = np.arange(400) % 10 == 0
    y[large] = 50 * RNG.standard_normal((large.sum(), WIDTH))
    weights = found(ONE_NODE)["a"].weights(y)
    left = {}
    for name, own in (("all the same", None), ("weighted", weights)):
        moments = Moments.empty(8, WIDTH)
        moments.add(x, y, own)
        made = fit(moments, np.zeros((WIDTH, 8)), dampings=(1e-6,))
        rest = y[~large] - x[~large] @ made.weight.T - made.bias
        left[name] = (rest**2).mean() / y[~large].var()
    assert left["weighted"] < 0.02 < 0.2 < left["all the same"]
