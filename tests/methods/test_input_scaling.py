"""Scaled inputs: the same answers, and factors where an input stands out."""

import numpy as np
import pytest

from lissom.graph.perform import perform
from lissom.graph.save import spill
from lissom.methods.input_scaling import scale_all, scaled
from lissom.methods.scope import Scope
from lissom.numerics.grids import Shape
from lissom.store.store import Store
from tests.methods import layers

RNG = np.random.default_rng(0)


def test_a_channel_that_stands_out_is_spread_over_more_of_the_grid(tmp_path) -> None:
    first, second = RNG.standard_normal((12, 6)), RNG.standard_normal((8, 12))
    first[3] *= 40.0
    model = layers.chain((first, np.zeros(12)), (second, np.zeros(8)))
    context = layers.context(model, Store(tmp_path))
    assert context.calibration is not None
    edits = scaled(model, ["fc0", "fc1"], Shape(bits=4), context, context.calibration)
    assert {edit.weight for edit in edits} == {"fc0.w", "fc0.b", "fc1.w"}
    made = perform(model, edits, context.store)
    assert layers.distance(model, made) < 1e-8
    factors = np.abs(made.weight("fc1.w") / model.weight("fc1.w")).mean(axis=0)
    assert factors[3] > 2 * np.median(factors)


def test_nothing_is_touched_that_may_not_be(tmp_path) -> None:
    model = layers.redundant()
    context = layers.context(model, Store(tmp_path))
    assert context.calibration is not None
    assert scaled(model, ["fc1"], Shape(bits=4), context, context.calibration) == ()


def scale_the_relu(model, folder):
    context = layers.context(model, Store(folder))
    assert context.calibration is not None
    spill(model, folder / "model.onnx")
    return scale_all(
        path=str(folder / "model.onnx"),
        nodes=["fc0", "fc1"],
        values=["relu0"],
        grid={"bits": 4},
        calibration=context.calibration.to_json(),
    )


@pytest.mark.parametrize("form", ["Gemm", "MatMul"])
def test_a_constant_input_counts_only_where_no_bias_takes_what_it_loses(
    form, tmp_path, monkeypatch
) -> None:
    """A channel that is always 30 has no variance: a Gemm can have a bias, a lone MatMul not."""
    first, shift = RNG.standard_normal((6, 4)), RNG.standard_normal(6)
    first[2], shift[2] = 0.0, 30.0
    model = layers.chain((first, shift), (RNG.standard_normal((5, 6)), None), form=form)
    given = []

    def looked_at(sizes, matrices, shapes, *, repeat):
        given.extend(np.diag(hessian) for _, hessian in matrices)
        return np.ones(len(sizes))

    monkeypatch.setattr("lissom.methods.input_scaling.input_factors", looked_at)
    scale_the_relu(model, tmp_path)
    (found,) = given
    assert found[2] == pytest.approx(900.0 if form == "MatMul" else 0.0, rel=1e-3)


@pytest.mark.parametrize("excluded", ["LayerNormalization", "Add", "fc0.sum", "fc0", "fc1"])
def test_no_weight_of_a_node_that_is_excluded_is_touched(excluded, tmp_path) -> None:
    """Scales of a normalization and biases of an Add are weights of those nodes."""
    square = [RNG.standard_normal((6, 6)) for _ in range(2)]
    nodes = [
        ("LayerNormalization", "x g s", "norm", {"axis": -1}),
        ("MatMul", "norm fc0.w", "fc0"),
        ("Add", "fc0 fc0.b", "fc0.sum"),
        ("Relu", "fc0.sum", "relu"),
        ("MatMul", "relu fc1.w", "fc1"),
    ]
    weights = {"fc0.w": square[0], "fc1.w": square[1], "fc0.b": RNG.standard_normal(6)}
    weights |= {"g": np.geomspace(0.05, 40.0, 6), "s": RNG.standard_normal(6)}
    model = layers.model(nodes, weights, ["n", 6])
    every = {"norm": {"g", "s", "fc0.w"}, "relu": {"fc0.w", "fc0.b", "fc1.w"}}
    context = layers.context(model, Store(tmp_path), scope=Scope(exclude=(excluded,)))
    assert context.calibration is not None
    edits = scaled(model, ["fc0", "fc1"], Shape(bits=4), context, context.calibration)
    hit = {"LayerNormalization": {"g", "s"}, "fc0": {"fc0.w"}, "fc1": {"fc1.w"}}
    kept = hit.get(excluded, {"fc0.b"})
    assert {one.weight for one in edits} == set().union(
        *(own for own in every.values() if own.isdisjoint(kept))
    )


def test_an_error_names_the_readers(tmp_path, monkeypatch) -> None:
    square = [RNG.standard_normal((6, 6)) for _ in range(2)]
    model = layers.chain(*((weight, np.zeros(6)) for weight in square))

    def fails(*_, **__):
        raise ValueError("odd")

    monkeypatch.setattr("lissom.methods.input_scaling.input_factors", fails)
    with pytest.raises(ValueError, match=r"^node 'fc1': odd$"):
        scale_the_relu(model, tmp_path)
