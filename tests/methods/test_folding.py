"""Factors go where they cost nothing, and the network's answers stay."""

import numpy as np
import pytest

from lissom.graph.perform import perform
from lissom.methods.folding import divided, folds
from lissom.methods.reading import readings
from lissom.store.store import Store
from tests.graph.edited import run
from tests.methods import layers

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape)


def norm(consumers=()):
    nodes = [
        ("LayerNormalization", "x g s", "n", {"axis": -1}),
        ("MatMul", "n w", "a"),
        ("MatMul", "n v", "b"),
        ("Add", "a b", "sum"),
        *consumers,
    ]
    weights = {"g": normal(6), "s": normal(6), "w": normal(6, 6), "v": normal(6, 6)}
    return layers.model(nodes, weights, ["n", 6])


MODELS = {
    "convolutions": (
        layers.convolutions((normal(5, 3, 3, 3), normal(5)), (normal(4, 5, 3, 3), normal(4))),
        [("relu0", "conv0", ("conv0.b",))],
    ),
    "products with sums": (
        layers.chain((normal(5, 4), normal(5)), (normal(3, 5), normal(3)), form="MatMul"),
        [("relu0", "fc0", ("fc0.b",))],
    ),
    "two readers of a normalization": (norm(), [("n", None, ("g", "s"))]),
    "a reader that is no product": (norm([("Add", "sum n", "y")]), []),
    "a curve between": (
        layers.model(
            [("Gemm", "x w", "a"), ("Tanh", "a", "t"), ("Gemm", "t v", "y")],
            {"w": normal(4, 4), "v": normal(4, 4)},
            ["n", 4],
        ),
        [],
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_can_take_factors_and_that_nothing_changes(name, tmp_path) -> None:
    model, expected = MODELS[name]
    known, store = readings(model), Store(tmp_path)
    found = list(folds(model, known))
    assert [(one.value, one.giver, one.vectors) for one in found] == expected
    feed = layers.inputs(model, count=1)[0]
    for fold in found:
        site = known[fold.readers[0]][0]
        factors = RNG.uniform(0.1, 10.0, site.shape[site.in_axis])
        edits = list(divided(model, fold, factors, known, store))
        assert len({edit.weight for edit in edits}) == len(edits) >= 2
        made = perform(model, edits, store)
        np.testing.assert_allclose(run(made, feed)[0], run(model, feed)[0], rtol=2e-3, atol=1e-3)
