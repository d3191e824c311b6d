"""Blocks leave by what they cost for what they save; what does nothing leaves first."""

import numpy as np
import pytest

from lissom.graph.blocks import blocks
from lissom.graph.edit import BypassNodes
from lissom.methods.bypassing import choose, compare, fittable, followers
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of
from tests.methods import layers

RNG = np.random.default_rng(3)


def branches(*strengths, hidden=6):
    """x + strength * W2 relu(W1 x), one after another, and a layer at the end."""
    nodes, weights, value = [], {}, "x"
    for number, strength in enumerate(strengths):
        up, down = f"up{number}", f"down{number}"
        weights[f"{up}.w"] = RNG.standard_normal((4, hidden)) / 2
        weights[f"{down}.w"] = strength * RNG.standard_normal((hidden, 4)) / np.sqrt(hidden)
        nodes += [
            ("MatMul", f"{value} {up}.w", up),
            ("Relu", up, f"r{number}"),
            ("MatMul", f"r{number} {down}.w", down),
            ("Add", f"{value} {down}", f"y{number}"),
        ]
        value = f"y{number}"
    weights["last.w"] = RNG.standard_normal((4, 3))
    nodes.append(("MatMul", f"{value} last.w", "z"))
    return layers.model(nodes, weights, ["batch", 4])


def chosen(model, store, *, most=9, saved=1.0):
    context = layers.context(model, store)
    able = [one for one in blocks(model, context.shapes_of(model)) if "up" in one.nodes[0]]
    return choose(model, able, most, saved, context.calibration, context)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_the_block_that_does_least_leaves_first(store):
    model = branches(1.0, 0.01, 0.5)
    found = chosen(model, store, most=3, saved=np.inf)
    assert [one.block.output for one in found][:2] == ["y1", "y2"]
    assert found[0].error < 1e-3 < found[1].error


def test_they_leave_until_enough_is_saved_or_as_many_as_allowed(store):
    model = branches(0.1, 0.2, 0.3)
    (one,) = chosen(model, store, saved=1.0)
    assert chosen(model, store, most=2, saved=np.inf)[0] == one
    assert len(chosen(model, store, saved=one.block.macs + 1.0)) == 2
    assert len(chosen(model, store, most=1, saved=np.inf)) == 1


def test_what_a_linear_layer_can_make_good_costs_nothing(store):
    # A branch that is linear: the last layer takes it in, but no other branch could go so.
    model = branches(1.0, 1.0)
    nodes = [(n.op_type, " ".join(n.inputs), n.outputs[0]) for n in model.nodes]
    linear = [("Identity", "up1", "r1") if out == "r1" else (op, i, out) for op, i, out in nodes]
    weights = {name: model.weight(name) for name in model.weights}
    changed = layers.model(linear, weights, ["batch", 4])
    (one,) = chosen(changed, store)
    assert one.block.output == "y1"
    assert one.error < 1e-4


def test_the_same_question_is_computed_once(store, monkeypatch):
    model = branches(0.1, 0.2)
    first = chosen(model, store, most=2, saved=np.inf)
    monkeypatch.setattr("lissom.methods.errand.call", lambda *_, **__: pytest.fail("again"))
    assert chosen(model, store, most=2, saved=np.inf) == first


def test_a_later_round_measures_only_what_could_be_cheaper(store, monkeypatch):
    model, asked = branches(0.01, 0.02, 3.0, 4.0), []
    real = Store.remember

    def remember(self, kind, inputs, compute):
        answer = real(self, kind, inputs, compute)
        if kind == "pruning.blocks":
            asked.append(len(answer["errors"]))
        return answer

    monkeypatch.setattr(Store, "remember", remember)
    found = chosen(model, store, most=2, saved=np.inf)
    assert {one.block.output for one in found} == {"y0", "y1"}
    assert asked[1] < asked[0] - 1


def test_how_much_a_pair_differs_is_a_share_of_the_variance(store, tmp_path):
    from lissom.graph.save import save

    model = layers.model([("Mul", "x two", "y")], {"two": np.asarray(2.0)}, ["batch", 4])
    path = tmp_path / "model.onnx"
    save(model, path, metadata={})
    held = layers.context(model, store).calibration.to_json()
    (found,) = compare(path=str(path), pairs=[["x", "y"]], calibration=held)["changes"]
    # x is about normal: E(x - 2x)^2 = 1 of a variance of 4.
    assert found == pytest.approx(0.25, rel=0.1)


def test_operators_behind_a_bypass_follow_in_stages(store):
    model = model_of(tiny.transformer())
    context = layers.lab.context(model, store)
    bypass = BypassNodes(input="x", output="sum1")
    after = edited(model, [bypass], store)
    allowed = fittable(model, context)
    assert followers(after, [bypass], allowed) == ["ffn/up/MatMul", "ffn/down/MatMul"]
    assert followers(after, [bypass], allowed, stages=1) == ["ffn/up/MatMul"]
    assert followers(after, [bypass], ["ffn/down/MatMul"]) == ["ffn/down/MatMul"]


def test_operators_behind_several_bypasses_are_found_by_what_is_read_now(store):
    model = branches(1.0, 1.0)
    edits = [BypassNodes(input="y0", output="y1"), BypassNodes(input="x", output="y0")]
    after = edited(model, edits, store)
    assert followers(after, edits, fittable(model, layers.context(model, store))) == ["z"]


def test_what_is_out_of_scope_is_not_fitted(store):
    model = branches(1.0)
    context = layers.context(model, store, scope=Scope(exclude=("z",)))
    assert fittable(model, context) == ["up0", "down0"]
