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


def meeting(giver, reader, channels, between="Relu", length=6):
    """One operator behind another, on values [n, channels, length] that both could read."""
    shapes = {"Conv": (channels, 4, 1), "MatMul": (length, channels)}
    given = {"Conv": (channels, length), "MatMul": (4, channels)}[giver]
    width = given[0] if reader == "Conv" else given[1]
    read = (width, width, 1) if reader == "Conv" else (width, width)
    attributes = {"kernel_shape": [2], "pads": [0, 1]} if between.endswith("Pool") else {}
    nodes = [
        (giver, "x w", "a"),
        (between, "a", "between", attributes),
        (reader, "between v", "y"),
    ]
    return layers.model(nodes, {"w": normal(*shapes[giver]), "v": normal(*read)}, ["n", 4, length])


def normed(reader):
    nodes = [("LayerNormalization", "x g s", "n", {"axis": -1}), (reader, "n w", "y")]
    weights = {"g": normal(6), "s": normal(6), "w": normal(6, 6, *[1] * (reader == "Conv"))}
    return layers.model(nodes, weights, ["n", 6, 6])


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
    "channels of axis 1 on both sides": (meeting("Conv", "Conv", 6), [("between", "a", ())]),
    "channels of the last axis on both sides": (
        meeting("MatMul", "MatMul", 6),
        [("between", "a", ())],
    ),
    "a convolution before a product": (meeting("Conv", "MatMul", 6), []),
    "a convolution before a product of another size": (meeting("Conv", "MatMul", 5), []),
    "a product before a convolution": (meeting("MatMul", "Conv", 4), []),
    "a product before a convolution of another size": (meeting("MatMul", "Conv", 5), []),
    "a normalization before a product": (normed("MatMul"), [("n", None, ("g", "s"))]),
    "a normalization before a convolution": (normed("Conv"), []),
    "readers of both kinds": (
        layers.model(
            [
                ("Conv", "x w", "a"),
                ("Conv", "a v", "b"),
                ("MatMul", "a u", "c"),
                ("Add", "b c", "y"),
            ],
            {"w": normal(6, 6, 1), "v": normal(6, 6, 1), "u": normal(6, 6)},
            ["n", 6, 6],
        ),
        [],
    ),
    "a pool that passes channels": (meeting("Conv", "Conv", 6, "MaxPool"), [("between", "a", ())]),
    "a pool over channels": (meeting("MatMul", "MatMul", 6, "MaxPool"), []),
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


def test_the_nodes_whose_weights_change() -> None:
    nodes = {}
    for name in ("convolutions", "products with sums", "two readers of a normalization"):
        model = MODELS[name][0]
        (fold,) = folds(model, readings(model))
        nodes[name] = fold.nodes
    assert nodes == {
        "convolutions": ("conv1", "conv0"),
        "products with sums": ("fc1", "fc0", "fc0.sum"),
        "two readers of a normalization": ("a", "b", "n"),
    }
