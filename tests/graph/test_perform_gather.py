import numpy as np
import pytest
from onnx import helper

from lissom.errors import MethodError
from lissom.graph.perform import perform
from lissom.numerics.quantized import dequantize, quantize_weight
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, encode, fused_operators, model_of, run

IDS = {"ids": np.array([[3, 0, 5], [1, 1, 2]], np.int64)}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def lookup(axis=0, shape=(6, 4)):
    """y = table[ids], z = x @ table: a table that is looked up and multiplied."""
    table = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    table *= np.arange(1, shape[0] + 1, dtype=np.float32)[:, None]
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["y"], "find", axis=axis),
        helper.make_node("MatMul", ["x", "table"], ["z"], "times"),
    ]
    proto = tiny.model(
        nodes,
        {"ids": ("int64", ["n", "s"]), "x": ("float32", ["n", shape[0]])},
        {"y": ("float32", ["a", "b", "c"]), "z": ("float32", ["n", shape[1]])},
        {"table": table},
    )
    return model_of(proto)


FEEDS = {**IDS, "x": np.ones((2, 6), np.float32)}


@pytest.mark.parametrize(
    "how",
    [
        {"axis": None},
        {"axis": None, "symmetric": False},
        {"axis": 0},
        {"axis": 0, "symmetric": False},
    ],
)
def test_only_what_is_found_becomes_floats(store, tmp_path, how):
    model = lookup()
    after = edited(model, [encode(model, store, "table", ("find",), **how)], store)
    table = dequantize(quantize_weight(model.weight("table"), **how))
    y, z = run(after, FEEDS)
    assert np.allclose(y, table[IDS["ids"]], atol=1e-6)
    assert np.allclose(z, FEEDS["x"] @ model.weight("table"), atol=1e-5)
    assert after.node("find").op_type == "Gather"
    assert after.node("find").inputs == ("table/quantized", "ids")
    assert after.weights["table/quantized"].dtype == "int8"
    # The runtime does not expand the table either.
    operators = fused_operators(after, FEEDS, tmp_path)
    assert operators.index("Gather") == 0 or operators[0] == "MatMul"


def test_a_table_that_is_multiplied_too(store):
    model = lookup()
    after = edited(model, [encode(model, store, "table", ("find", "times"))], store)
    table = dequantize(quantize_weight(model.weight("table")))
    y, z = run(after, FEEDS)
    assert np.allclose(y, table[IDS["ids"]], atol=1e-6)
    assert np.allclose(z, FEEDS["x"] @ table, atol=1e-4)
    assert "table" not in after.weights


def test_per_tensor_works_along_any_axis(store):
    model = lookup(axis=1, shape=(6, 6))
    after = edited(model, [encode(model, store, "table", ("find",))], store)
    table = dequantize(quantize_weight(model.weight("table")))
    assert np.allclose(run(after, FEEDS)[0], table[:, IDS["ids"]], atol=1e-6)


@pytest.mark.parametrize(
    ("axis", "how", "text"),
    [
        (0, {"axis": 1}, "for each row"),
        (1, {"axis": 0}, "for each row"),
        (0, {"axis": 1, "block_size": 2}, "for each row"),
        (0, {"bits": 4}, "8-bit"),
    ],
)
def test_other_encodings_are_refused(store, axis, how, text):
    model = lookup(axis=axis, shape=(6, 6))
    with pytest.raises(MethodError, match=text):
        perform(model, [encode(model, store, "table", ("find",), **how)], store)
