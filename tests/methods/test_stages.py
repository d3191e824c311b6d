"""Stages and sums: what can be fitted together, and what stands behind an operator."""

import numpy as np
import pytest

from lissom.methods.reading import readings
from lissom.methods.stages import bias_behind, last_of_sums, stages_of, sums_of
from tests import tiny
from tests.graph.edited import model_of
from tests.methods import layers

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape)


def residual(*, shortcut=True):
    """Two products, and their sum with a third or with what came in; then another product."""
    nodes = [
        ("MatMul", "x a.w", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r b.w", "b"),
        ("Add", "b b.b", "b.sum"),
        *([("MatMul", "x s.w", "s")] if shortcut else []),
        ("Add", "s b.sum" if shortcut else "x b.sum", "sum"),
        ("MatMul", "sum c.w", "c"),
    ]
    weights = {f"{name}.w": normal(6, 6) for name in ("a", "b", "c")} | {"b.b": normal(6)}
    weights |= {"s.w": normal(6, 6)} if shortcut else {}
    return layers.model(nodes, weights, ["n", 6])


def shapes(model):
    return dict.fromkeys((*model.producers, "x"), (1, 6))


def test_stages_hold_what_does_not_read_each_other() -> None:
    model = model_of(tiny.transformer())
    names = [f"attention/{part}/MatMul" for part in "qkv"]
    rest = ["attention/out/MatMul", "ffn/up/MatMul", "ffn/down/MatMul"]
    assert stages_of(model, [*names, *rest]) == [names, *[[name] for name in rest]]
    assert stages_of(model, rest[1:]) == [[name] for name in rest[1:]]
    assert stages_of(model, []) == []


def test_the_sum_behind_a_product_and_its_bias() -> None:
    model = residual(shortcut=False)
    assert sums_of(model, model, ["a", "b", "c"], shapes(model)) == {"b": ["sum", "x"]}
    np.testing.assert_array_equal(bias_behind(model, readings(model)["b"][0]), model.weight("b.b"))
    assert bias_behind(model, readings(model)["a"][0]).tolist() == [0.0]


def test_one_operator_a_sum_comes_after_all_that_the_sum_is_made_of() -> None:
    model = residual()
    nodes = ["a", "b", "s", "c"]
    sums = sums_of(model, model, nodes, shapes(model))
    assert sums == {"b": ["sum", "s"], "s": ["sum", "b.sum"]}
    last = last_of_sums(sums)
    assert last == {"s": ["sum", "b.sum"]}
    assert stages_of(model, nodes) == [["a"], ["b", "s"], ["c"]]
    assert stages_of(model, nodes, last) == [["a"], ["b"], ["s"], ["c"]]
    # The other way round: the operator stands before what it is added to.
    assert stages_of(model, nodes, {"b": ["sum", "s"]}) == [["a", "s"], ["b"], ["c"]]


@pytest.mark.parametrize("shape", [(1, 6), (6,), (1, 1)])
def test_only_values_of_one_shape_are_a_residual_sum(shape: tuple[int, ...]) -> None:
    model = residual(shortcut=False)
    found = sums_of(model, model, ["b"], {**shapes(model), "x": shape})
    assert bool(found) == (shape == (1, 6))


def test_what_is_read_elsewhere_or_gone_has_no_sum() -> None:
    model, other = residual(), residual(shortcut=False)
    nodes = [("MatMul", "x a.w", "a"), ("Relu", "a", "r"), ("Add", "a r", "sum")]
    twice = layers.model(nodes, {"a.w": normal(6, 6)}, ["n", 6])
    assert sums_of(twice, twice, ["a"], shapes(twice)) == {}
    chain = layers.chain((normal(6, 6), None), form="MatMul")
    assert sums_of(other, chain, ["b"], shapes(other)) == {}
    assert sums_of(model, model, ["c"], shapes(model)) == {}
