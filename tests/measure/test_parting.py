"""Where two runtimes part: differences by hand, values that are compared, a node that is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import helper

from lissom.graph.save import save
from lissom.measure import parting as module
from lissom.measure.parting import compared_values, difference, first_parting, search
from lissom.methods.quantize.static import Static
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of
from tests.methods import lab

HERE, THERE = Target(), Target(runtime="openvino")


def test_difference_by_hand():
    ours = np.array([0.0, 10.0], np.float32)
    assert difference(ours, np.array([0.0, 9.0], np.float32)) == pytest.approx(0.1)
    assert difference(ours, np.zeros(3, np.float32)) == np.inf
    assert difference(ours, np.array([np.nan, 10.0], np.float32)) == np.inf
    odd = np.array([np.nan, np.inf, 1.0], np.float32)
    assert difference(odd, odd) == 0.0
    bytes_ = np.array([0, 100], np.uint8)
    assert difference(bytes_, np.array([1, 99], np.uint8)) == 0.0  # one step is rounding
    assert difference(bytes_, np.array([0, 89], np.uint8)) == pytest.approx(0.1)
    wide = np.array([3, 4], np.int64)
    assert (difference(wide, wide), difference(wide, wide + 1)) == (0.0, np.inf)
    assert difference(np.zeros(0, np.float32), np.zeros(0, np.float32)) == 0.0
    assert difference(np.array([True]), np.array([False])) == np.inf
    assert difference(np.zeros(2, np.float32), np.full(2, 0.5, np.float32)) == 0.5


@given(hnp.arrays(np.float32, 4, elements=st.floats(-100, 100, width=32)))
def test_nothing_differs_from_itself_and_shifts_show(x):
    assert difference(x, x) == 0.0
    assert difference(x, x + 1000) > 1.0


def quantized(tmp_path):
    proto = tiny.cnn()
    model = model_of(proto)
    data = [tiny.feeds(proto, batch=2, seed=seed) for seed in range(4)]
    store = Store(tmp_path / "store")
    context = lab.context(model, store, data)
    made = edited(model, Static().plan(model, context).edits, store)
    path = tmp_path / "model.onnx"
    save(made, path, metadata={})
    return made, path, data, store


def test_values_that_are_rounded_are_compared_as_integers(tmp_path):
    made, *_ = quantized(tmp_path)
    found = compared_values(made)
    kinds = {value: made.node(made.producers[value]).op_type for value in found}
    assert "QuantizeLinear" in kinds.values()
    assert "DequantizeLinear" not in kinds.values()
    assert found[-1] == made.outputs[0].name
    assert "c2" not in found  # the Relu behind it is joined to it, and rounded at once


def test_a_plain_model_agrees_in_both(tmp_path):
    pytest.importorskip("openvino")
    _, path, data, store = quantized(tmp_path)
    assert first_parting(path, data[:2], HERE, THERE, store) is None


def test_the_first_node_that_differs_is_named(tmp_path, monkeypatch):
    """The second place is given another weight: the product differs, and all behind it."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "first"),
        helper.make_node("Sigmoid", ["a"], ["b"], "second"),
        helper.make_node("Neg", ["b"], ["y"], "third"),
    ]
    shape = ["n", 2]
    models = []
    for weight in ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 3.0]]):
        stored = {"w": np.asarray(weight, np.float32)}
        models.append(
            model_of(
                tiny.model(nodes, {"x": ("float32", shape)}, {"y": ("float32", shape)}, stored)
            )
        )
    paths = []
    for number, model in enumerate(models):
        paths.append(tmp_path / f"{number}.onnx")
        save(model, paths[-1], metadata={})
    store = Store(tmp_path / "store")
    feed = {"x": np.array([[1.0, -1.0]], np.float32)}
    assert first_parting(paths[0], [feed], HERE, HERE, store) is None

    real = module.registry.load

    class Swapped:
        """A runtime that runs the second model whatever it is asked for."""

        def open(self, path, target):
            from lissom.graph.expose import expose

            save(expose(models[1], ["a", "b"]), path.with_name("other.onnx"), metadata={})
            return real("onnxruntime").open(path.with_name("other.onnx"), target)

    monkeypatch.setattr(
        module.registry, "load", lambda name: Swapped() if name == "openvino" else real(name)
    )
    monkeypatch.setattr(module, "call", lambda _, arguments, limits: search(**arguments))
    found = first_parting(paths[0], [feed], Target(), THERE, store)
    assert (found.node, found.op_type, found.value) == ("first", "MatMul", "a")
    assert found.difference == pytest.approx(1.0)
