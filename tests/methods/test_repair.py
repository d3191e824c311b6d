"""What is redundant can leave for nothing: the repaired network answers as the original did."""

import json

import numpy as np
import pytest

from lissom.graph.channels.removal import removal
from lissom.methods.repair import repair
from lissom.store.store import Store
from tests.graph.edited import edited
from tests.methods import layers

RNG = np.random.default_rng(0)
EXACT = 1e-6  # of the variance


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


def normal(*shape):
    return RNG.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))


def without(model, units, store):
    """The model without units, as it is and repaired, and the repair."""
    context = layers.context(model, store)
    edit = removal(layers.found_in(model, context), units)
    fixed = repair(model, edit, context.calibration, context)
    plain = edited(model, [edit], store)
    return plain, edited(model, [edit, *fixed.edits], store), fixed


def combined():
    """The last of six channels is a sum of the others."""
    first = normal(6, 8)
    first[5] = first[0] + 2 * first[1] - first[2]
    return first, normal(6)


def doubled(*shape):
    """The last channel is three times the first, through a Relu too."""
    weight, bias = normal(*shape), 0.1 * normal(shape[0])
    weight[-1], bias[-1] = 3 * weight[0], 3 * bias[0]
    return weight, bias


def constant(*shape):
    """The last channel says the same to whatever comes."""
    weight, bias = normal(*shape), normal(shape[0])
    weight[-1], bias[-1] = 0, 2.5
    return weight, bias


def biased(weight, bias):
    bias[-1] = bias[0] + 2 * bias[1] - bias[2] + 4
    return weight, bias


REDUNDANT = {
    "a sum of others": layers.chain(biased(*combined()), (normal(3, 6), normal(3)), relu=False),
    "a double": layers.chain(doubled(6, 8), (normal(3, 6), normal(3))),
    "a constant": layers.chain(constant(6, 8), (normal(3, 6), normal(3))),
    "a constant, no bias": layers.chain(constant(6, 8), (normal(3, 6), None)),
    "a constant, bias behind": layers.chain(
        constant(6, 8), (normal(3, 6), normal(3)), form="MatMul"
    ),
    "a constant, none behind": layers.chain(constant(6, 8), (normal(3, 6), None), form="MatMul"),
    "a double in convolutions": layers.convolutions(
        doubled(6, 2, 3, 3), (normal(4, 6, 3, 3), normal(4))
    ),
    "a constant in convolutions": layers.convolutions(
        constant(6, 2, 3, 3), (normal(4, 6, 3, 3), None), pads=0
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUNDANT)
def test_what_is_redundant_leaves_for_nothing(name, store):
    model = REDUNDANT[name]
    group = "conv0" if "convolutions" in name else "fc0"
    plain, repaired, fixed = without(model, {group: [5]}, store)
    assert repaired.parameters < model.parameters
    assert layers.distance(model, plain) > 0.05
    assert layers.distance(model, repaired) < EXACT
    assert all(0 <= error < EXACT for error in fixed.errors.values())


def test_a_layer_whose_second_moments_would_take_32_gib_is_repaired(store):
    weight, bias = doubled(16, 2, 3, 3)
    nodes = [
        ("Conv", "x conv0.w conv0.b", "conv0", {"pads": [1, 1, 1, 1]}),
        ("Relu", "conv0", "relu"),
        ("Flatten", "relu", "flat"),
        ("Gemm", "flat fc.w fc.b", "fc", {"transB": 1}),
    ]
    weights = {"conv0.w": weight, "conv0.b": bias, "fc.w": normal(2, 65_536), "fc.b": normal(2)}
    model = layers.model(nodes, weights, ["n", 2, 64, 64])
    plain, repaired, fixed = without(model, {"conv0": [15]}, store)
    assert repaired.weights["fc.w"].shape == (2, 15 * 64 * 64)
    assert layers.distance(model, repaired) < 0.7 * layers.distance(model, plain)
    assert fixed.errors["fc"] < 1e-3


def test_two_layers_are_repaired_one_after_the_other(store):
    model = layers.chain(doubled(6, 8), doubled(7, 6), (normal(3, 7), normal(3)))
    plain, repaired, fixed = without(model, {"fc0": [5], "fc1": [6]}, store)
    assert list(fixed.errors) == ["fc1", "fc2"]
    assert layers.distance(model, plain) > 0.05
    assert layers.distance(model, repaired) < EXACT
    assert repaired.weights["fc1.w"].shape == (6, 5)


def test_what_two_branches_of_a_sum_could_both_make_good_is_made_good_once(store):
    """The left branch loses a double; the right one has it, too, and loses what says nothing."""
    left, right = normal(6, 8), normal(6, 8)
    left[5] = 3 * left[0]
    right[0], right[5] = left[0], 0
    nodes = [
        ("Gemm", "x left.w", "left", {"transB": 1}),
        ("Gemm", "x right.w", "right", {"transB": 1}),
        ("Relu", "left", "left.relu"),
        ("Relu", "right", "right.relu"),
        ("Gemm", "left.relu a.w", "a", {"transB": 1}),
        ("Gemm", "right.relu b.w", "b", {"transB": 1}),
        ("Add", "a b", "sum"),
    ]
    weights = {"left.w": left, "right.w": right, "a.w": normal(3, 6), "b.w": normal(3, 6)}
    model = layers.model(nodes, weights, ["n", 8])
    plain, repaired, _ = without(model, {"left": [5], "right": [5]}, store)
    assert layers.distance(model, plain) > 0.05
    assert layers.distance(model, repaired) < EXACT


def test_what_cannot_be_restored_is_better_than_unrepaired_and_its_error_is_said(store):
    model = layers.chain((normal(16, 8), normal(16)), (normal(3, 16), normal(3)))
    plain, repaired, fixed = without(model, {"fc0": range(8)}, store)
    assert layers.distance(model, repaired) < layers.distance(model, plain)
    (error,) = fixed.errors.values()
    assert 0.001 < error < 1.0


def test_what_stands_before_a_removal_is_not_touched(store):
    model = layers.chain((normal(5, 8), normal(5)), doubled(6, 5), (normal(3, 6), normal(3)))
    _, _, fixed = without(model, {"fc1": [5]}, store)
    assert [edit.weight for edit in fixed.edits] == ["fc2.w", "fc2.b"]


def test_the_same_repair_is_computed_once_and_goes_through_json(store, monkeypatch):
    model = REDUNDANT["a double"]
    first = without(model, {"fc0": [5]}, store)[2]
    monkeypatch.setattr("lissom.methods.errand.call", lambda *_, **__: pytest.fail("again"))
    again = without(model, {"fc0": [5]}, store)[2]
    assert again == first
    assert json.dumps(dict(first.errors))
