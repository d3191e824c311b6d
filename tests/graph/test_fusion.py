"""Patterns are found by meaning, in any order of the products, and keep the function."""

import itertools

import numpy as np
import pytest
from onnx import helper

from lissom.graph.fusion import gelu, residual_sum
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run


def _gelu_model(order: str, *, shift: float = 1.0, leak: str | None = None):
    """y = GELU(x), its products associated as `order` says."""
    node = helper.make_node
    nodes = {
        "x_first": [
            node("Mul", ["x", "shifted"], ["part"], "a"),
            node("Mul", ["part", "half"], ["y"], "b"),
        ],
        "half_first": [
            node("Mul", ["half", "shifted"], ["part"], "a"),
            node("Mul", ["x", "part"], ["y"], "b"),
        ],
        "half_of_x": [
            node("Mul", ["x", "half"], ["part"], "a"),
            node("Mul", ["part", "shifted"], ["y"], "b"),
        ],
        "divided": [
            node("Div", ["x", "two"], ["part"], "a"),
            node("Mul", ["shifted", "part"], ["y"], "b"),
        ],
    }[order]
    scaled = (
        node("Div", ["x", "root"], ["scaled"], "scale")
        if order != "half_first"
        else node("Mul", ["inverse", "x"], ["scaled"], "scale")
    )
    outputs = {"y": ("float32", ["n", 4])}
    if leak:
        outputs[leak] = ("float32", ["n", 4])
    return tiny.model(
        [
            scaled,
            node("Erf", ["scaled"], ["erf"], "erf"),
            node("Add", ["erf", "one"], ["shifted"], "shift"),
            *nodes,
        ],
        {"x": ("float32", ["n", 4])},
        outputs,
        {
            "root": np.float32(np.sqrt(2)).reshape(()),
            "inverse": np.float32([1 / np.sqrt(2)]),
            "one": np.float32(shift).reshape(()),
            "half": np.float32(0.5).reshape(()),
            "two": np.float32(2.0).reshape(()),
        },
    )


@pytest.mark.parametrize("order", ["x_first", "half_first", "half_of_x", "divided"])
def test_gelu_in_any_order_becomes_one_node_with_the_same_numbers(order, tmp_path):
    model = model_of(_gelu_model(order))
    (edit,) = gelu(model)
    assert edit.inputs == ("x",)
    assert edit.output == "y"
    fused = edited(model, [edit], Store(tmp_path))
    assert [node.op_type for node in fused.nodes] == ["Gelu"]
    x = np.linspace(-4, 4, 24, dtype=np.float32).reshape(6, 4)
    np.testing.assert_allclose(run(fused, {"x": x})[0], run(model, {"x": x})[0], atol=1e-6)


@pytest.mark.parametrize(
    ("shift", "leak"), [(2.0, None), *itertools.product([1.0], ["erf", "shifted", "part"])]
)
def test_what_is_no_gelu_or_is_read_elsewhere_is_left_alone(shift, leak):
    assert gelu(model_of(_gelu_model("x_first", shift=shift, leak=leak))) == ()


def test_residual_sums_keep_the_transformers_function(tmp_path):
    proto = tiny.transformer()
    model = model_of(proto)
    edits = (*residual_sum(model), *gelu(model))
    assert [edit.op_type for edit in edits] == ["Sum", "Sum", "Gelu"]
    fused = edited(model, edits, Store(tmp_path))
    assert len(fused.nodes) == len(model.nodes) - 4
    feeds = tiny.feeds(proto)
    for new, old in zip(run(fused, feeds), run(model, feeds), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-5)


def test_a_bias_before_a_normalization_is_no_residual_sum():
    node = helper.make_node
    model = tiny.model(
        [
            node("Add", ["x", "bias"], ["shifted"], "add"),
            node("LayerNormalization", ["shifted", "gain"], ["y"], "norm"),
        ],
        {"x": ("float32", ["n", 4])},
        {"y": ("float32", ["n", 4])},
        {"bias": np.ones(4, np.float32), "gain": np.ones(4, np.float32)},
    )
    assert residual_sum(model_of(model)) == ()
