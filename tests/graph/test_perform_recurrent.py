"""LSTM on integers: by hand, near the float one in all its settings, refusals with reasons."""

import numpy as np
import pytest
from onnx import helper

from lissom.errors import MethodError
from lissom.graph.edit import QuantizeActivation
from lissom.graph.perform import perform
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, encode, model_of, proto_of, run

STEPS, WIDTH, HIDDEN = 6, 5, 4


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def lstm(*, directions=1, batch=2, extra=(), outputs=("y", "", ""), **attributes):
    """An LSTM; `extra` names what it has of: bias, lengths, states, peepholes."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return (0.5 * rng.standard_normal(shape)).astype(np.float32)

    weights = {
        "w": normal(directions, 4 * HIDDEN, WIDTH),
        "r": normal(directions, 4 * HIDDEN, HIDDEN),
        "b": normal(directions, 8 * HIDDEN),
        "lengths": np.array([STEPS - 2, *[STEPS] * (batch - 1)], np.int32),
        "h0": normal(directions, batch, HIDDEN),
        "c0": normal(directions, batch, HIDDEN),
        "p": normal(directions, 3 * HIDDEN),
    }
    kinds = ["bias", "lengths", "states", "states", "peepholes"]
    names = ["b", "lengths", "h0", "c0", "p"]
    given = [name if kind in extra else "" for name, kind in zip(names, kinds, strict=True)]
    inputs = ["x", "w", "r", *given]
    while not inputs[-1]:
        inputs.pop()
    direction = "bidirectional" if directions == 2 else "forward"
    settings = {"hidden_size": HIDDEN, "direction": direction, **attributes}
    shapes = {
        "y": [STEPS, directions, batch, HIDDEN],
        "h": [directions, batch, HIDDEN],
        "c": [directions, batch, HIDDEN],
    }
    used = {name: array for name, array in weights.items() if name in inputs}
    return tiny.model(
        [helper.make_node("LSTM", inputs, list(outputs), "lstm", **settings)],
        {"x": ("float32", [STEPS, batch, WIDTH])},
        {name: ("float32", shapes[name]) for name in outputs if name},
        used,
    )


def edits_of(model, store, w=None, r=None):
    """Both weights as integers, a scale for each row of each direction, and the dynamic value."""
    return [
        QuantizeActivation(value="x"),
        encode(model, store, "w", ("lstm",), **(w or {"axis": 2, "block_size": WIDTH})),
        encode(model, store, "r", ("lstm",), **(r or {"axis": 2, "block_size": HIDDEN})),
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"directions": 2, "extra": ("bias",), "outputs": ("y", "h", "c")},
        {"extra": ("bias", "states"), "outputs": ("", "h", "c")},
        {"directions": 2, "extra": ("bias", "lengths", "states"), "outputs": ("y", "h", "c")},
        {"extra": ("peepholes",)},
        {"clip": 0.4},
        {"input_forget": 1},
        {"activations": ["HardSigmoid", "Tanh", "Relu"]},
        {"direction": "reverse", "extra": ("bias", "lengths")},
        {"layout": 0, "batch": 1},
    ],
)
def test_it_answers_what_the_float_one_does(settings, store):
    proto = lstm(**settings)
    model = model_of(proto)
    after = edited(model, edits_of(model, store), store)
    assert after.op_counts == {"com.microsoft::DynamicQuantizeLSTM": 1}
    assert after.node("lstm").op_type == "DynamicQuantizeLSTM"
    assert "layout" not in after.node("lstm").attributes
    feeds = tiny.feeds(proto)
    for expected, found in zip(run(model, feeds), run(after, feeds), strict=True):
        assert found.shape == expected.shape
        assert 0 < np.linalg.norm(found - expected) < 0.03 * np.linalg.norm(expected)


def test_by_hand(store):
    """One unit, one step, weights and inputs that 8 bits hold exactly."""
    model = model_of(
        tiny.model(
            [helper.make_node("LSTM", ["x", "w", "r"], ["y"], "lstm", hidden_size=1)],
            {"x": ("float32", [1, 1, 2])},
            {"y": ("float32", [1, 1, 1, 1])},
            {
                "w": np.array([[[1, 1], [2, 0], [0, 0], [0.5, 0.5]]], np.float32),
                "r": np.zeros((1, 4, 1), np.float32),
            },
        )
    )
    edits = [
        QuantizeActivation(value="x", consumers=("lstm",)),
        encode(model, store, "w", ("lstm",), axis=1),
        encode(model, store, "r", ("lstm",), axis=1),
    ]
    after = edited(model, edits, store)
    node = after.node("lstm")
    assert after.weight(node.inputs[1]).tolist() == [[[127, 127, 0, 127], [127, 0, 0, 127]]]
    expected = [[1 / 127, 2 / 127, after.weight(node.inputs[8])[0, 2], 0.5 / 127]]
    np.testing.assert_allclose(after.weight(node.inputs[8]), expected, rtol=1e-6)
    assert after.weight(node.inputs[9]).tolist() == [[0, 0, 0, 0]]
    # Gates i, o, f, c of x = (1, 0): 1, 2, 0 and 0.5; the cell holds sigmoid(1) tanh(0.5).
    answer = run(after, {"x": np.array([[[1.0, 0.0]]], np.float32)})[0].item()
    cell = np.tanh(0.5) / (1 + np.exp(-1))
    assert answer == pytest.approx(np.tanh(cell) / (1 + np.exp(-2)), abs=1e-3)


@pytest.mark.parametrize(
    ("how", "shape"),
    [({"axis": 1}, (2, 16)), ({"bits": 8}, (2,)), ({"axis": 2, "block_size": 8}, (2, 16))],
)
def test_scales_of_one_tensor_and_of_shared_rows(how, shape, store):
    proto = lstm(directions=2)
    model = model_of(proto)
    after = edited(model, edits_of(model, store, w=how, r=how), store)
    assert after.weights[after.node("lstm").inputs[8]].shape == shape
    feeds = tiny.feeds(proto)
    expected, found = run(model, feeds)[0], run(after, feeds)[0]
    assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)


def test_other_readers_of_the_value_keep_their_own_integers(store):
    """A product beside an LSTM gets its rounded value; the LSTM rounds by itself."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r"], ["y"], "lstm", hidden_size=HIDDEN),
        helper.make_node("MatMul", ["x", "m"], ["z"], "product"),
    ]
    weights = {
        "w": rng.standard_normal((1, 4 * HIDDEN, WIDTH)).astype(np.float32),
        "r": rng.standard_normal((1, 4 * HIDDEN, HIDDEN)).astype(np.float32),
        "m": rng.standard_normal((WIDTH, 3)).astype(np.float32),
    }
    proto = tiny.model(
        nodes,
        {"x": ("float32", [STEPS, 1, WIDTH])},
        {"y": ("float32", [STEPS, 1, 1, HIDDEN]), "z": ("float32", [STEPS, 1, 3])},
        weights,
    )
    model = model_of(proto)
    edits = [*edits_of(model, store), encode(model, store, "m", ("product",), axis=1)]
    after = edited(model, edits, store)
    assert after.op_counts["DynamicQuantizeLinear"] == 1
    assert after.node("lstm").inputs[0] == "x"
    feeds = tiny.feeds(proto)
    for expected, found in zip(run(model, feeds), run(after, feeds), strict=True):
        assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("w", "text"),
    [
        ({"axis": 0}, "per tensor or per row"),
        ({"axis": 2, "block_size": 2}, "per tensor or per row"),
        ({"axis": 1, "symmetric": False}, "zero points"),
        ({"axis": 1, "signed": False}, "signed 8-bit"),
    ],
)
def test_integers_that_the_operator_cannot_read_are_refused(w, text, store):
    model = model_of(lstm(directions=2))
    with pytest.raises(MethodError, match=text):
        perform(model, edits_of(model, store, w=w), store)


def test_an_lstm_that_cannot_be_is_refused(store):
    model = model_of(lstm())
    with pytest.raises(MethodError, match="not held as integers"):
        perform(model, edits_of(model, store)[:2], store)
    model = model_of(lstm(extra=("states",)))
    edits = [QuantizeActivation(value="h0", consumers=("lstm",)), *edits_of(model, store)[1:]]
    with pytest.raises(MethodError, match="must be its sequence"):
        perform(model, edits, store)
    turned = lstm()
    turned.graph.node[0].attribute.append(helper.make_attribute("layout", 1))
    for port, shape in (
        (turned.graph.input[0], (2, STEPS, WIDTH)),
        (turned.graph.output[0], (2, STEPS, 1, HIDDEN)),
    ):
        for dim, size in zip(port.type.tensor_type.shape.dim, shape, strict=True):
            dim.dim_value = size
    model = model_of(turned)
    with pytest.raises(MethodError, match="second axis"):
        perform(model, edits_of(model, store), store)


def test_a_weight_of_two_lstms_is_turned_once(store):
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r"], [f"y{i}"], f"lstm{i}", hidden_size=HIDDEN)
        for i in range(2)
    ]
    weights = {
        "w": rng.standard_normal((1, 4 * HIDDEN, WIDTH)).astype(np.float32),
        "r": rng.standard_normal((1, 4 * HIDDEN, HIDDEN)).astype(np.float32),
    }
    answers = {f"y{i}": ("float32", [STEPS, 1, 1, HIDDEN]) for i in range(2)}
    model = model_of(tiny.model(nodes, {"x": ("float32", [STEPS, 1, WIDTH])}, answers, weights))
    both = ("lstm0", "lstm1")
    edits = [QuantizeActivation(value="x", consumers=both)]
    edits += [encode(model, store, name, both, axis=1) for name in ("w", "r")]
    after = edited(model, edits, store)
    assert len(after.weights) == 6
    first, second = run(after, tiny.feeds(proto_of(model)))
    np.testing.assert_array_equal(first, second)
