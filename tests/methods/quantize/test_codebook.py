"""Codebooks: by hand, against grids of as many bits, with samples and without, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper
from pydantic import ValidationError

from lissom.errors import MethodError, RecipeError
from lissom.graph.edit import EncodeWeight
from lissom.methods import registry
from lissom.methods.protocol import ALREADY
from lissom.methods.quantize.codebook import Codebook
from lissom.methods.quantize.weight_only import WeightOnly
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, encode, model_of, run
from tests.methods import lab, layers

RNG = np.random.default_rng(0)
FIRST = RNG.standard_t(4, (48, 32)) / 6
SECOND = RNG.standard_t(4, (24, 48)) / 6
NETWORK = layers.chain((FIRST, 0.1 * np.ones(48)), (SECOND, np.zeros(24)))


def drawn(model, store, **changes):
    return layers.context(model, store, **changes)


def distance_after(method, tmp_path):
    store = Store(tmp_path)
    plan = method.plan(NETWORK, drawn(NETWORK, store))
    assert plan.skips == ()
    return layers.distance(NETWORK, edited(NETWORK, plan.edits, store))


def test_by_hand(tmp_path):
    """Four different numbers are four levels, whatever their places."""
    store = Store(tmp_path)
    weight = RNG.choice([-3.0, 0.0, 0.5, 4.0], (16, 32))
    model = layers.chain((weight, None))
    method = Codebook(bits=2, granularity="tensor", rounding="nearest")
    plan = method.plan(model, lab.context(model, store))
    (edit,) = plan.edits
    assert isinstance(edit, EncodeWeight)
    assert edit.encoding.codebook(store).table.tolist() == [-3.0, 0.0, 0.5, 4.0]
    assert layers.distance(model, edited(model, plan.edits, store)) < 1e-12
    assert "1 of 1 weights in 2.12 bits" in plan.summary  # 2 bits, and four halves for 512 weights


@pytest.mark.parametrize("bits", [3, 4])
def test_better_than_a_grid_and_than_nearest(bits, tmp_path):
    """The claims of non-uniform levels and of feedback, on heavy tails."""
    found = distance_after(Codebook(bits=bits), tmp_path)
    nearest = distance_after(Codebook(bits=bits, rounding="nearest"), tmp_path)
    assert found < nearest
    if bits == 4:
        assert nearest < distance_after(WeightOnly(bits=4), tmp_path)


@pytest.mark.parametrize("table", ["nf4", "fp4", "float8_e4m3", "float8_e5m2", "log"])
@pytest.mark.parametrize("granularity", ["tensor", "channel", "block"])
def test_every_table_and_granularity_is_read_back(table, granularity, tmp_path):
    found = distance_after(Codebook(table=table, granularity=granularity), tmp_path)
    assert found < {"float8_e4m3": 0.003, "float8_e5m2": 0.01}.get(table, 0.15)


def test_every_kind_of_weight_is_coded(tmp_path):
    store = Store(tmp_path)
    proto = tiny.transformer()
    model = model_of(proto)
    feeds = [tiny.feeds(proto, seed=seed) for seed in range(6)]
    plan = Codebook(bits=6).plan(model, lab.context(model, store, feeds))
    small = {skip.target for skip in plan.skips}
    assert all("fewer than 512" in skip.reason for skip in plan.skips)
    coded = {edit.weight for edit in plan.edits if isinstance(edit, EncodeWeight)}
    assert coded or small
    old, new = run(model, feeds[0])[0], run(edited(model, plan.edits, store), feeds[0])[0]
    assert np.linalg.norm(new - old) < 0.05 * np.linalg.norm(old)


def test_what_two_operators_read_is_coded_once(tmp_path):
    weight = RNG.standard_normal((32, 32)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "one"),
        helper.make_node("MatMul", ["h", "w"], ["y"], "two"),
    ]
    proto = tiny.model(
        nodes, {"x": ("float32", [2, 32])}, {"y": ("float32", [2, 32])}, {"w": weight}
    )
    model, store = model_of(proto), Store(tmp_path)
    plan = Codebook().plan(model, lab.context(model, store, [tiny.feeds(proto)]))
    (edit,) = plan.edits
    assert edit.consumers == ("one", "two")
    assert edit.encoding.bits == 8  # nothing makes good what is lost there
    assert "w" not in edited(model, plan.edits, store).weights


def test_feedback_needs_samples_and_nearest_does_not(tmp_path):
    context = lab.context(NETWORK, Store(tmp_path))
    with pytest.raises(MethodError, match="samples are needed"):
        Codebook().plan(NETWORK, context)
    assert len(Codebook(rounding="nearest").plan(NETWORK, context).edits) == 2


def test_refusals(tmp_path):
    store = Store(tmp_path)
    nan = layers.chain((np.full((24, 24), np.nan), None))
    plan = Codebook().plan(nan, drawn(nan, store))
    assert [skip.reason for skip in plan.skips] == ["its weights are not finite"]
    assert plan.edits == ()
    scope = Scope(include=("fc1",))
    plan = Codebook().plan(NETWORK, drawn(NETWORK, store, scope=scope))
    assert [(s.target, s.reason) for s in plan.skips] == [("fc0", "not among the included nodes")]
    tiny_one = layers.chain((np.ones((8, 8)), None))
    plan = Codebook().plan(tiny_one, drawn(tiny_one, store))
    assert "fewer than 512 weights" in plan.skips[0].reason
    quantized = edited(NETWORK, [encode(NETWORK, store, "fc0.w", ("fc0",))], store)
    again = Codebook().plan(quantized, replace(drawn(NETWORK, store), original=quantized))
    assert (again.edits, [skip.reason for skip in again.skips]) == ((), [ALREADY])


def test_zeros(tmp_path):
    store = Store(tmp_path)
    model = layers.chain((np.zeros((24, 24)), None))
    plan = Codebook().plan(model, drawn(model, store))
    x = np.ones((1, 24), np.float32)
    assert not run(edited(model, plan.edits, store), {"x": x})[0].any()


@pytest.mark.parametrize("wrong", [{"bits": 1}, {"bits": 9}, {"table": "nf5"}, {"block_size": 48}])
def test_wrong_parameters_are_refused(wrong):
    with pytest.raises(ValidationError):
        Codebook(**wrong)


@pytest.mark.parametrize(
    ("table", "own", "other"), [("nf4", 4, 8), ("fp4", 4, 3), ("float8_e4m3", 8, 4)]
)
def test_a_fixed_table_has_its_own_bits_and_no_others(table, own, other):
    assert Codebook(table=table, bits=own).bits == own
    with pytest.raises(RecipeError) as caught:
        registry.create("quantize.codebook", {"table": table, "bits": other})
    assert str(caught.value) == (
        f"quantize.codebook: bits is {other}, and the table {table} has {own}; "
        "leave bits out, or take the table kmeans or log"
    )


@pytest.mark.parametrize(
    ("given", "bits"), [({}, 4), ({"bits": 3}, 3), ({"table": "float8_e5m2"}, 8)]
)
def test_bits_that_nobody_named(given, bits, tmp_path):
    store = Store(tmp_path)
    method = Codebook(rounding="nearest", **given)
    edits = method.plan(NETWORK, lab.context(NETWORK, store)).edits
    assert {edit.encoding.bits for edit in edits} == {bits}
