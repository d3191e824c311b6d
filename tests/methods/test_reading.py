"""Operators as linear maps: rows of x times the flat weight plus the bias are rows of y."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lissom.graph.channels.groups import ChannelGroup, Reader
from lissom.graph.expose import expose
from lissom.methods.reading import (
    Reading,
    bias_of,
    columns,
    flat,
    readers_of,
    readings,
    replaced,
    rows,
    unflat,
)
from lissom.store.store import Store
from tests.graph.edited import edited, model_of, run

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def net(shape, weights, *nodes, more=(), given=None):
    """A model of nodes (operator, inputs, output, attributes); the last gives its output."""
    made = [
        helper.make_node(op, inputs.split(), [out], out, **(rest[0] if rest else {}))
        for op, inputs, out, *rest in nodes
    ]
    ports = {"x": shape, **(given or {})}
    graph = helper.make_graph(
        made,
        "net",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, size) for n, size in ports.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in (made[-1].output[0], *more)
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return model_of(helper.make_model(graph, opset_imports=opsets, ir_version=8))


CONV = {"strides": [2, 1], "pads": [1, 0, 1, 2], "dilations": [1, 2]}
NETS = {
    "conv": net([2, 3, 9, 8], {"w": normal(4, 3, 3, 2), "b": normal(4)},
                ("Conv", "x w b", "y", CONV)),
    "padded above": net([2, 3, 9, 8], {"w": normal(4, 3, 2, 4)},
                        ("Conv", "x w", "y", {"auto_pad": "SAME_UPPER"})),
    "padded below": net([2, 3, 9], {"w": normal(4, 3, 4)},
                        ("Conv", "x w", "y", {"auto_pad": "SAME_LOWER"})),
    "not padded": net([2, 3, 9], {"w": normal(4, 3, 4)},
                      ("Conv", "x w", "y", {"auto_pad": "VALID", "strides": [2]})),
    "conv without bias": net([2, 3, 9], {"w": normal(4, 3, 3)}, ("Conv", "x w", "y")),
    "gemm": net([5, 3], {"w": normal(4, 3), "b": normal(4)},
                ("Gemm", "x w b", "y", {"transB": 1})),
    "gemm as stored": net([5, 3], {"w": normal(3, 4)}, ("Gemm", "x w", "y")),
    "product": net([2, 5, 3], {"w": normal(3, 4)}, ("MatMul", "x w", "y")),
    "product with a vector": net([3], {"w": normal(3, 4)}, ("MatMul", "x w", "y")),
    "product and sum": net([2, 5, 3], {"w": normal(3, 4), "b": normal(4)},
                           ("MatMul", "x w", "y"), ("Add", "b y", "z")),
}  # fmt: skip


def values_of(model, feed):
    found = expose(model, [name for name in model.producers if name != model.outputs[0].name])
    return dict(zip([p.name for p in found.outputs], run(found, feed), strict=True)) | feed


def feed_of(model):
    return {"x": np.random.default_rng(1).standard_normal(model.inputs[0].shape).astype("f4")}


@pytest.mark.parametrize("most", [2, 1000])
@pytest.mark.parametrize("name", NETS)
def test_rows_of_x_times_the_weight_plus_the_bias_are_rows_of_y(name, most):
    model = NETS[name]
    ((site, reading),) = readings(model).values()
    values = values_of(model, feed_of(model))
    x, y = rows(reading, values[reading.input], values[reading.output], most=most, seed=3)
    (alone,) = rows(reading, values[reading.input], None, most=most, seed=3)
    np.testing.assert_array_equal(x, alone)
    bias = 0.0 if site.bias is None else model.weight(site.bias)
    np.testing.assert_allclose(x @ flat(model, site).T + bias, y, rtol=1e-4, atol=1e-5)
    assert len(x) == len(y) >= min(most, 2) - (name == "product with a vector")


@pytest.mark.parametrize("name", NETS)
def test_flat_and_back(name):
    ((site, _),) = readings(NETS[name]).values()
    stored = NETS[name].weight(site.weight)
    back = unflat(site, flat(NETS[name], site))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, stored)


@pytest.mark.parametrize("name", NETS)
def test_a_reading_goes_through_json(name):
    ((_, reading),) = readings(NETS[name]).values()
    assert Reading.from_json(reading.to_json()) == reading


def test_columns_are_those_of_the_input_channels():
    conv = next(iter(readings(NETS["conv"]).values()))[0]
    found = columns(conv, [(1,), (0, 2)])
    assert [one.tolist() for one in found] == [
        [6, 7, 8, 9, 10, 11], [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17]
    ]  # fmt: skip
    gemm = next(iter(readings(NETS["gemm"]).values()))[0]
    assert [one.tolist() for one in columns(gemm, [(2,), (0, 1)])] == [[2], [0, 1]]
    weight = flat(NETS["conv"], conv)
    expected = NETS["conv"].weight("w")[:, 1].reshape(4, -1)
    np.testing.assert_array_equal(weight[:, found[0]], expected)


def test_groups_are_parts_of_rows():
    model = net(
        [2, 4, 8], {"w": normal(6, 2, 3), "b": normal(6)}, ("Conv", "x w b", "y", {"group": 2})
    )
    assert readings(model) == {}
    ((site, reading),) = readings(model, grouped=True).values()
    assert reading.groups == 2
    values = values_of(model, feed_of(model))
    x, y = rows(reading, values["x"], values["y"], most=5, seed=0)
    parts = [
        own @ weight.T
        for own, weight in zip(np.split(x, 2, axis=1), np.split(flat(model, site), 2), strict=True)
    ]
    np.testing.assert_allclose(
        np.concatenate(parts, axis=1) + model.weight("b"), y, rtol=1e-4, atol=1e-5
    )


OTHERS = {
    "factors": net([5, 3], {"w": normal(3, 4)}, ("Gemm", "x w", "y", {"alpha": 2.0})),
    "a transposed input": net([3, 5], {"w": normal(3, 4)}, ("Gemm", "x w", "y", {"transA": 1})),
    "padding that depends on sizes": net(
        [1, 3, 8],
        {"w": normal(4, 3, 3)},
        ("Conv", "x w", "y", {"auto_pad": "SAME_UPPER", "strides": [2]}),
    ),
    "groups": net([1, 4, 8], {"w": normal(4, 2, 3)}, ("Conv", "x w", "y", {"group": 2})),
    "one bias for all": net([5, 3], {"w": normal(3, 4), "b": normal(1)}, ("Gemm", "x w b", "y")),
    "a computed bias": net([5, 3], {"w": normal(3, 4)}, ("Gemm", "x w z", "y"), given={"z": [4]}),
    "a shared weight": net(
        [5, 3], {"w": normal(3, 3)}, ("MatMul", "x w", "a"), ("MatMul", "a w", "y")
    ),
    "a shared bias": net(
        [5, 3],
        {"w": normal(3, 3), "v": normal(3, 3), "b": normal(3)},
        ("Gemm", "x w b", "a"),
        ("Gemm", "a v b", "y"),
    ),
    "nothing to read": net([5, 0], {"w": normal(0, 4)}, ("MatMul", "x w", "y")),
    "nothing to give": net([5, 3], {"w": normal(3, 0)}, ("MatMul", "x w", "y")),
    "a weight that is an output": net(
        [5, 3], {"w": normal(3, 4)}, ("MatMul", "x w", "y"), more=("w",)
    ),
    "a constant input": net(
        [5, 3], {"c": normal(5, 3), "w": normal(3, 3)}, ("MatMul", "c w", "a"), ("Add", "a x", "y")
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_such_map_or_cannot_be_replaced_alone_is_left_out(name):
    assert readings(OTHERS[name]) == {}


def test_the_bias_of_a_product_is_the_vector_added_behind_it():
    model = NETS["product and sum"]
    ((site, _),) = readings(model).values()
    assert bias_of(model, site) == "b"


SUMS = {
    "of another shape": net(
        [2, 5, 3],
        {"w": normal(3, 4), "b": normal(5, 4)},
        ("MatMul", "x w", "y"),
        ("Add", "y b", "z"),
    ),
    "read elsewhere": net(
        [2, 4, 4],
        {"w": normal(4, 4), "b": normal(4)},
        ("MatMul", "x w", "y"),
        ("Add", "y b", "s"),
        ("Mul", "s b", "z"),
    ),
    "of what others read": net(
        [2, 5, 3],
        {"w": normal(3, 4), "b": normal(4)},
        ("MatMul", "x w", "y"),
        ("Add", "y b", "s"),
        ("Mul", "y s", "z"),
    ),
    "of an output": net(
        [2, 5, 3], {"w": normal(3, 4), "b": normal(4)}, ("MatMul", "x w", "y"), ("Add", "y b", "z"),
        more=("y",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SUMS)
def test_another_sum_is_no_bias(name):
    ((site, _),) = readings(SUMS[name]).values()
    assert bias_of(SUMS[name], site) is None


@pytest.mark.parametrize("name", ["conv", "conv without bias", "gemm", "gemm as stored",
                                  "product", "product and sum"])  # fmt: skip
def test_replaced_gives_the_weight_and_the_bias_that_were_asked_for(name, tmp_path):
    model, store = NETS[name], Store(tmp_path)
    ((site, reading),) = readings(model).values()
    weight, bias = np.random.default_rng(2).standard_normal(flat(model, site).shape), normal(4)
    changed = edited(model, replaced(model, site, weight, bias, store), store)
    feed = feed_of(model)
    (x,) = rows(reading, feed["x"], None, most=1000, seed=0)
    # What was added behind a product stays added.
    behind = model.weight("b") if name == "product and sum" else 0.0
    expected = x @ weight.T + bias + behind
    found = run(changed, feed)[0]
    found = np.moveaxis(found, 1, -1) if name.startswith("conv") else found
    np.testing.assert_allclose(found.reshape(-1, 4), expected, rtol=1e-4, atol=1e-4)


def test_readers_are_those_of_the_first_input_that_are_linear_maps():
    model = NETS["gemm"]
    units = ((0,), (1, 2))
    group = ChannelGroup(
        name="g",
        roots=(0, 1),
        members=(),
        readers=(
            Reader(node="y", input=0, axis=1, indices=units),
            Reader(node="y", input=1, axis=1, indices=units),
            Reader(node="unknown", input=0, axis=1, indices=units),
        ),
        inexact="",
    )
    ((site, reading, own),) = readers_of(group, readings(model))
    assert (site.node, reading.node) == ("y", "y")
    assert [one.tolist() for one in own] == [[0], [1, 2]]
