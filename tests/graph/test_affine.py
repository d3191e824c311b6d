import numpy as np
import onnx_ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissom.graph.affine import fold_factors, fuse_affine
from tests import tiny
from tests.graph.graphs import answers, ir_of, node, ops, same_answers


def _norm(channels, rng):
    return {
        "scale": rng.uniform(0.5, 1.5, channels).astype(np.float32),
        "shift": rng.standard_normal(channels).astype(np.float32),
        "mean": rng.standard_normal(channels).astype(np.float32),
        "var": rng.uniform(0.5, 1.5, channels).astype(np.float32),
    }


def _chain(producer, weights, shape_in, shape_out, extra, **attributes):
    """One producer with a bias input, then nodes that each take the value before as `@`."""
    names = ["x", "w"] + (["b"] if "b" in weights else [])
    nodes = [node(producer, names, ["v0"], "main", **attributes)]
    for index, (op_type, inputs, more) in enumerate(extra):
        inputs = [f"v{index}" if name == "@" else name for name in inputs]
        nodes.append(node(op_type, inputs, [f"v{index + 1}"], f"n{index}", **more))
    nodes[-1].output[0] = "y"
    return tiny.model(nodes, {"x": ("float32", shape_in)}, {"y": ("float32", shape_out)}, weights)


NORM = ("BatchNormalization", ["@", "scale", "shift", "mean", "var"], {"epsilon": 1e-3})


@pytest.mark.parametrize(
    ("producer", "weight", "channels", "shape_in", "shape_out", "attributes"),
    [
        ("Conv", (4, 3, 3, 3), 4, [2, 3, 5, 5], [2, 4, 3, 3], {}),
        ("Conv", (4, 1, 3), 4, [2, 4, 5], [2, 4, 3], {"group": 4}),
        ("ConvTranspose", (4, 3, 2, 2), 6, [2, 4, 3, 3], [2, 6, 4, 4], {"group": 2}),
        ("ConvTranspose", (3, 2, 2, 2), 2, [2, 3, 3, 3], [2, 2, 4, 4], {}),
        ("Gemm", (3, 4), 4, [2, 3], [2, 4], {"beta": 0.5, "alpha": 2.0}),
        ("Gemm", (4, 3), 4, [2, 3], [2, 4], {"transB": 1}),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_batch_norm_goes_into_what_feeds_it(
    producer, weight, channels, shape_in, shape_out, attributes, bias
):
    rng = np.random.default_rng(3)
    weights = {"w": rng.standard_normal(weight).astype(np.float32), **_norm(channels, rng)}
    if bias:
        weights["b"] = rng.standard_normal(channels).astype(np.float32)
    proto = _chain(producer, weights, shape_in, shape_out, [NORM], **attributes)
    ir = ir_of(proto)
    fuse_affine(ir)
    assert ops(ir) == [producer]
    assert "w" in ir.graph.initializers
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_by_hand():
    weights = {
        "w": np.array([[2.0], [3.0]], np.float32),
        "b": np.array([1.0, 1.0], np.float32),
        "scale": np.array([10.0, 1.0], np.float32),
        "shift": np.array([0.0, 5.0], np.float32),
        "mean": np.array([1.0, 0.0], np.float32),
        "var": np.array([4.0, 1.0], np.float32),
    }
    norm = ("BatchNormalization", ["@", "scale", "shift", "mean", "var"], {"epsilon": 0.0})
    ir = ir_of(_chain("Gemm", weights, [1, 1], [1, 2], [norm], transB=1))
    fuse_affine(ir)
    # factors 10 / sqrt 4 = 5 and 1; shifts 0 - 1 * 5 and 5
    assert ir.graph.initializers["w"].const_value.numpy().tolist() == [[10.0], [3.0]]
    assert ir.graph.initializers["b"].const_value.numpy().tolist() == [0.0, 6.0]


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.sampled_from(["add", "mul", "norm", "scalar", "left"]), max_size=5),
    seed=st.integers(0, 1000),
)
def test_any_chain_of_scales_and_shifts_goes_and_the_answer_stays(steps, seed):
    rng = np.random.default_rng(seed)
    weights = {"w": rng.standard_normal((4, 3, 2, 2)).astype(np.float32), **_norm(4, rng)}
    extra = []
    for index, step in enumerate(steps):
        shape = () if step == "scalar" else (4, 1, 1) if step == "add" else (1, 4, 1, 1)
        weights[f"c{index}"] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        if step == "norm":
            extra.append(NORM)
        elif step == "left":
            extra.append(("Add", [f"c{index}", "@"], {}))
        else:
            extra.append(("Add" if step == "add" else "Mul", ["@", f"c{index}"], {}))
    extra.append(("Relu", ["@"], {}))
    proto = _chain("Conv", weights, [2, 3, 4, 4], [2, 4, 3, 3], extra)
    ir = ir_of(proto)
    fuse_affine(ir)
    assert ops(ir) == ["Conv", "Relu"]
    assert same_answers(proto, ir, tiny.feeds(proto))


@pytest.mark.parametrize(
    "shape", [(3,), (3, 3), (2, 4, 1, 1), (1, 1, 1, 1, 1)], ids=["width", "plane", "batch", "rank"]
)
def test_a_constant_that_varies_elsewhere_stays(shape):
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((4, 3, 2, 2)).astype(np.float32),
        "c": rng.standard_normal(shape).astype(np.float32),
    }
    out = [1, 2, 4, 3, 3] if len(shape) == 5 else [2, 4, 3, 3]
    proto = _chain("Conv", weights, [2, 3, 4, 4], out, [("Add", ["@", "c"], {})])
    ir = ir_of(proto)
    fuse_affine(ir)
    assert ops(ir) == ["Conv", "Add"]


def test_a_value_that_is_read_twice_or_is_an_output_stays():
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((3, 4)).astype(np.float32), "c": np.ones(4, np.float32)}
    nodes = [
        node("Gemm", ["x", "w"], ["h"]),
        node("Add", ["h", "c"], ["a"]),
        node("Add", ["a", "h"], ["y"]),
    ]
    ports = {"y": ("float32", [2, 4])}
    ir = ir_of(tiny.model(nodes, {"x": ("float32", [2, 3])}, ports, weights))
    fuse_affine(ir)
    assert ops(ir) == ["Gemm", "Add", "Add"]
    both = {"h": ("float32", [2, 4]), "a": ("float32", [2, 4])}
    ir = ir_of(tiny.model(nodes[:2], {"x": ("float32", [2, 3])}, both, weights))
    fuse_affine(ir)
    assert ops(ir) == ["Gemm", "Add"]


def test_a_shared_weight_is_not_changed_for_the_others():
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((4, 4)).astype(np.float32),
        "c": np.array([1, 2, 3, 4], np.float32),
    }
    nodes = [
        node("Gemm", ["x", "w"], ["h"], "first"),
        node("Mul", ["h", "c"], ["m"], "scale"),
        node("Gemm", ["m", "w"], ["y"], "second"),
    ]
    proto = tiny.model(nodes, {"x": ("float32", [2, 4])}, {"y": ("float32", [2, 4])}, weights)
    ir = ir_of(proto)
    fuse_affine(ir)
    assert ops(ir) == ["Gemm", "Gemm"]
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_batch_norm_in_training_mode_stays():
    ir = ir_of(tiny.cnn())
    norm = next(n for n in ir.graph if n.op_type == "BatchNormalization")
    norm.attributes["training_mode"] = onnx_ir.AttrInt64("training_mode", 1)
    fuse_affine(ir)
    assert "BatchNormalization" in ops(ir)


def test_numbers_that_would_overflow_stay():
    weights = {"w": np.full((2, 2), 1e30, np.float32), "c": np.full(2, 1e30, np.float32)}
    ir = ir_of(_chain("Gemm", weights, [1, 2], [1, 2], [("Mul", ["@", "c"], {})]))
    with np.errstate(over="ignore"):
        fuse_affine(ir)
    assert ops(ir) == ["Gemm", "Mul"]


def _gemms(weights, *nodes, ports=None):
    made = [node("Gemm", inputs.split(), [out], out, **more) for inputs, out, more in nodes]
    outputs = {nodes[-1][1]: ("float32", [2, 2]), **(ports or {})}
    return tiny.model(made, {"x": ("float32", [2, 2])}, outputs, weights)


def _matrix(*rows):
    return np.array(rows, np.float32)


def _numbers(ir, name):
    return ir.graph.initializers[name].const_value.numpy().tolist()


def _factors(ir):
    return [
        {name: one.value for name, one in n.attributes.items() if name in {"alpha", "beta"}}
        for n in ir.graph
    ]


@pytest.mark.parametrize("transposed", [0, 1])
def test_factors_of_a_gemm_by_hand(transposed):
    weights = {"w": _matrix([1, 2], [3, 4]), "b": np.array([6, 8], np.float32)}
    more = {"alpha": 0.5, "beta": 0.25, "transB": transposed}
    proto = _gemms(weights, ("x w b", "y", more))
    ir = ir_of(proto)
    fold_factors(ir)
    assert _factors(ir) == [{}]
    assert _numbers(ir, "w") == [[0.5, 1.0], [1.5, 2.0]]
    assert _numbers(ir, "b") == [1.5, 2.0]
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_factors_of_shared_constants():
    """A shared matrix keeps its numbers and its readers their factors; a vector is copied."""
    weights = {"w": _matrix([1, 2], [3, 4]), "b": np.array([6, 8], np.float32)}
    first, second = {"alpha": 0.5, "beta": 0.5}, {"alpha": 2.0, "beta": 3.0}
    proto = _gemms(weights, ("x w b", "h", first), ("h w b", "y", second))
    ir = ir_of(proto)
    fold_factors(ir)
    assert _factors(ir) == [{"alpha": 0.5}, {"alpha": 2.0}]
    assert [_numbers(ir, n.inputs[2].name) for n in ir.graph] == [[3.0, 4.0], [18.0, 24.0]]
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_factors_without_a_constant_or_of_nothing():
    weights = {"w": _matrix([1, 2], [3, 4])}
    proto = _gemms(weights, ("x w", "h", {"beta": 0.5}), ("h w x", "y", {"beta": 0.5}))
    ir = ir_of(proto)
    fold_factors(ir)
    assert _factors(ir) == [{}, {"beta": 0.5}]
    assert same_answers(proto, ir, tiny.feeds(proto))


@pytest.mark.parametrize(
    ("kind", "weight", "alpha", "stays"),
    [
        (np.float32, 1.0, 0.0, True),
        (np.float32, 1e30, 1e30, True),
        (np.float32, 1e-30, 1e-30, True),
        (np.float32, 1e-30, 0.5, False),
        (np.float32, 0.0, 0.5, False),
        (np.float32, np.inf, 0.5, True),
        (np.float64, 1e-30, 1e-30, False),
        (np.float16, 1.5, 0.5, False),
        (np.float16, 1.5, 0.3, True),
        (np.float16, 1.8e-7, 0.5, True),
        (np.float16, 6e4, 4.0, True),
    ],
)
def test_a_factor_stays_where_folding_it_would_lose_precision(kind, weight, alpha, stays):
    proto = _gemms({"w": _matrix([1, 1], [1, 1])}, ("x w", "y", {"alpha": alpha}))
    ir = ir_of(proto)
    before = np.full((2, 2), weight, kind)
    ir.graph.initializers["w"].const_value = onnx_ir.Tensor(before, name="w")
    fold_factors(ir)
    after = ir.graph.initializers["w"].const_value.numpy()
    assert after.dtype == kind
    assert _factors(ir) == ([{"alpha": pytest.approx(alpha)}] if stays else [{}])
    assert np.allclose(after, before if stays else before * alpha, rtol=1e-6, atol=0.0)


@settings(max_examples=40, deadline=None)
@given(
    factors=st.lists(st.floats(-8, 8, width=32), min_size=4, max_size=4),
    inputs=st.tuples(*[st.sampled_from(["w b", "w c", "v b", "v x", "w x", "v"])] * 2),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_whatever_factors_are_folded_the_answer_stays(factors, inputs, seed):
    rng = np.random.default_rng(seed)
    shapes = {"w": (2, 2), "v": (2, 2), "b": (2,), "c": (2, 1)}
    weights = {
        name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()
    }
    first, second = (
        {"alpha": a, "beta": b} for a, b in zip(factors[::2], factors[1::2], strict=True)
    )
    proto = _gemms(weights, (f"x {inputs[0]}", "h", first), (f"h {inputs[1]}", "y", second))
    ir = ir_of(proto)
    fold_factors(ir)
    wanted, found = (answers(one, tiny.feeds(proto))[0] for one in (proto, ir))
    assert np.allclose(wanted, found, rtol=1e-4, atol=1e-3)
