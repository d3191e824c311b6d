"""Placement: a pair only where an integer kernel eats it, each rule on a graph of a few nodes."""

from dataclasses import replace

import numpy as np
from onnx import helper

from lissom.methods.placement import Options, clip_limits, place, units
from lissom.methods.scope import Scope
from tests import tiny
from tests.graph.edited import model_of
from tests.methods.lab import FACTS

RNG = np.random.default_rng(0)


def conv(name, value, out, weights, channels=4, wide=4, groups=1):
    shape = (wide, channels // groups, 1, 1)
    weights[f"{name}.w"] = RNG.standard_normal(shape).astype(np.float32)
    return helper.make_node("Conv", [value, f"{name}.w"], [out], name, group=groups)


def graph(nodes, weights, out="y", rank=4):
    shape = [1, 4, 8, 8] if rank == 4 else [1, "n"]
    return model_of(
        tiny.model(
            nodes,
            {"x": ("float32", [1, 4, 8, 8])},
            {out: ("float32", [None] * len(shape))},
            weights,
        )
    )


def placed(model, *, usable=lambda _: None, scope=None, facts=None, **options):
    candidates, refused = units(model, facts or FACTS, scope or Scope(), Options(**options))
    result = place(model, candidates, usable, (facts or FACTS).float_answers)
    return result, {s.target: s.reason for s in (*refused, *result.skips)}


def node(op_type, inputs, out, name="", **attributes):
    return helper.make_node(op_type, inputs, [out], name or out, **attributes)


def rounded(placement):
    return [(r.value, r.consumers, r.scale_of) for r in placement.rounded]


def test_relu_is_absorbed_and_the_last_convolution_stays_float():
    weights = {}
    nodes = [
        conv("a", "x", "a.out", weights),
        node("Relu", ["a.out"], "r"),
        conv("b", "r", "b.out", weights),
        node("Relu", ["b.out"], "s"),
        conv("c", "s", "y", weights),
    ]
    placement, skips = placed(graph(nodes, weights))
    assert [unit.node.name for unit in placement.integer] == ["a", "b"]
    # The pair of `s` is there because b can only give integers; c reads it as float.
    assert rounded(placement) == [("x", None, "x"), ("r", None, "r"), ("s", None, "s")]
    assert "output of the network" in skips["c"]


def test_a_residual_sum_is_integer_and_moving_nodes_share_the_scale():
    weights = {}
    nodes = [
        conv("a", "x", "a.out", weights),
        conv("b", "a.out", "b.out", weights),
        node("Add", ["a.out", "b.out"], "sum"),
        node("Relu", ["sum"], "r"),
        node("MaxPool", ["r"], "p", kernel_shape=[2, 2]),
        conv("c", "p", "c.out", weights),
        node("Erf", ["c.out"], "y"),
    ]
    placement, skips = placed(graph(nodes, weights))
    assert [unit.node.name for unit in placement.integer] == ["a", "b", "sum", "c"]
    assert ("p", None, "r") in rounded(placement)
    assert ("sum", None, "sum") not in rounded(placement)
    assert not skips


def test_without_light_operators_the_sum_is_float():
    weights = {}
    nodes = [
        conv("a", "x", "a.out", weights),
        conv("b", "a.out", "b.out", weights),
        node("Add", ["a.out", "b.out"], "sum"),
        node("Erf", ["sum"], "y"),
    ]
    placement, skips = placed(graph(nodes, weights), light=False)
    assert [unit.node.name for unit in placement.integer] == ["a", "b"]
    assert "only heavy" in skips["sum"]


def test_a_sum_with_a_float_input_stays_float():
    weights = {}
    nodes = [
        conv("a", "x", "a.out", weights),
        node("Erf", ["x"], "e"),
        node("Add", ["a.out", "e"], "sum"),
        node("Erf", ["sum"], "y"),
    ]
    _, skips = placed(graph(nodes, weights))
    assert "one of its inputs is float" in skips["sum"]


def test_a_product_answers_in_float_unless_all_readers_want_integers():
    weights = {"w1": np.eye(8, dtype=np.float32), "w2": np.eye(8, dtype=np.float32)}
    nodes = [
        node("MatMul", ["x", "w1"], "m"),
        node("MatMul", ["m", "w2"], "n"),
        node("Erf", ["n"], "e"),
        node("Add", ["e", "n"], "y"),
    ]
    placement, skips = placed(graph(nodes, weights))
    assert rounded(placement) == [("x", None, "x"), ("m", None, "m")]
    assert "inputs are float" in skips["y"]


def test_a_float_value_is_rounded_for_its_integer_readers_only():
    weights = {"w": np.eye(8, dtype=np.float32)}
    nodes = [
        node("Erf", ["x"], "e"),
        node("MatMul", ["e", "w"], "m"),
        node("Add", ["m", "e"], "y"),
    ]
    placement, _ = placed(graph(nodes, weights))
    assert rounded(placement) == [("e", ("m",), "e")]


def test_products_of_computed_values_only_when_asked():
    nodes = [node("MatMul", ["x", "x"], "y", "product")]
    placement, skips = placed(graph(nodes, {}))
    assert placement.integer == ()
    assert "two computed values" in skips["product"]
    placement, _ = placed(graph(nodes, {}), attention=True)
    assert rounded(placement) == [("x", None, "x")]


def test_depthwise_convolutions_can_be_kept_float():
    weights = {}
    nodes = [
        conv("a", "x", "a.out", weights),
        conv("d", "a.out", "d.out", weights, groups=4),
        node("Erf", ["d.out"], "y"),
    ]
    model = graph(nodes, weights)
    assert len(placed(model)[0].integer) == 2
    placement, skips = placed(model, depthwise=False)
    assert [unit.node.name for unit in placement.integer] == ["a"]
    assert "depthwise" in skips["d"]


def test_an_unusable_value_takes_its_operators_out():
    weights = {}
    nodes = [
        conv("a", "x", "a.out", weights),
        conv("b", "a.out", "b.out", weights),
        node("Erf", ["b.out"], "y"),
    ]
    placement, skips = placed(
        graph(nodes, weights), usable=lambda v: "never varies" if v == "b.out" else None
    )
    assert [unit.node.name for unit in placement.integer] == ["a"]
    assert skips["b"] == "its output 'b.out' never varies"


def test_excluded_nodes_are_skipped_and_softmax_never_taken():
    weights = {}
    nodes = [
        conv("a", "x", "a.out", weights),
        node("Softmax", ["a.out"], "s"),
        conv("b", "s", "b.out", weights),
        node("Erf", ["b.out"], "y"),
    ]
    placement, skips = placed(graph(nodes, weights), scope=Scope(exclude=("b",)))
    assert [unit.node.name for unit in placement.integer] == ["a"]
    assert "excluded" in skips["b"]
    assert "8 bits" in skips["s"]


def test_a_clip_is_absorbed_only_from_zero():
    for low, absorbed in ((0.0, True), (-1.0, False)):
        weights = {"low": np.float32(low), "high": np.float32(6)}
        weights = {name: np.asarray(value) for name, value in weights.items()}
        nodes = [
            conv("a", "x", "a.out", weights),
            node("Clip", ["a.out", "low", "high"], "c"),
            node("Erf", ["c"], "y"),
        ]
        model = graph(nodes, weights)
        placement, _ = placed(model)
        assert placement.integer[0].output == ("c" if absorbed else "a.out")
        assert clip_limits(model, model.node("c")) == (low, 6.0)


def test_control_flow_keeps_what_it_reads_in_float():
    model = model_of(tiny.branchy())
    placement, _ = placed(model)
    assert rounded(placement) == [("x", None, "x")]


def test_operators_without_integer_kernels_are_named():
    _, skips = placed(model_of(tiny.recurrent()))
    assert "LSTM" in skips["lstm"]
    assert "GRU" in skips["gru"]


def test_where_a_convolution_can_answer_in_float_it_rounds_only_for_readers():
    weights = {}
    nodes = [
        conv("a", "x", "a.out", weights),
        node("Relu", ["a.out"], "r"),
        conv("b", "r", "b.out", weights),
        node("Erf", ["b.out"], "e"),
        conv("c", "e", "y", weights),
    ]
    facts = replace(FACTS, float_answers=frozenset({"Conv", "MatMul", "Gemm"}))
    placement, skips = placed(graph(nodes, weights), facts=facts)
    assert [unit.node.name for unit in placement.integer] == ["a", "b", "c"]
    assert rounded(placement) == [("x", None, "x"), ("r", None, "r"), ("e", None, "e")]
    assert not skips


def test_what_keeps_a_gemm_float_is_said():
    def reason(**attributes):
        weight = {"w": np.ones((4, 4), np.float32)}
        gemm = helper.make_node("Gemm", ["x", "w"], ["y"], "fc", **attributes)
        ports = {"x": ("float32", [4, 4])}, {"y": ("float32", [4, 4])}
        return placed(model_of(tiny.model([gemm], *ports, weight)))[1].get("fc")

    assert reason() is None
    assert reason(transA=1) == "its input is transposed"
    assert reason(alpha=0.5) == "its alpha is 0.5, which no integer kernel takes"
    assert reason(beta=2.0) == "its beta is 2.0, which no integer kernel takes"
