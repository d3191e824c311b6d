"""Chance: another seed, other channels; the same seed, the same. And every criterion beats it."""

import numpy as np
import pytest

from lissom.graph.perform import perform
from lissom.methods import registry
from lissom.methods.prune.chance import Chance
from lissom.store.store import Store
from tests.methods import layers

MODEL = layers.redundant()
TRAINED = [layers.redundant(seed=seed) for seed in range(2)]
RATIO = 0.75


def kept(seed, store, **changes):
    plan = Chance(repair=False, grid=1, **changes).plan(
        MODEL, layers.context(MODEL, store, seed=seed)
    )
    return layers.left_of(MODEL, plan, store)


def test_the_seed_decides(tmp_path):
    store = Store(tmp_path)
    first = kept(0, store)
    assert len(first) == 12
    assert kept(0, store) == first
    assert kept(1, store) != first


def test_every_channel_can_stay_and_can_leave(tmp_path):
    store = Store(tmp_path)
    found = [kept(seed, store, ratio=0.9) for seed in range(40)]
    assert set().union(*found) == set(range(24))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


def left_after(method_id, seed, store):
    """The mean error after repair, over networks."""
    method = registry.create(
        method_id, {"ratio": RATIO, "allocation": "uniform", "grid": 1, "repair": True}
    )
    errors = []
    for model in TRAINED:
        plan = method.plan(model, layers.context(model, store, seed=seed))
        errors.append(layers.distance(model, perform(model, plan.edits, store)))
    return float(np.mean(errors))


@pytest.fixture(scope="module")
def by_chance(store):
    return float(np.mean([left_after("prune.chance", seed, store) for seed in range(2)]))


CRITERIA = [
    name
    for name in registry.ids()
    if "allocation" in {each.name for each in registry.parameters(name)}
]


@pytest.mark.parametrize("method_id", [one for one in CRITERIA if one != "prune.chance"])
def test_every_criterion_beats_it_after_the_same_repair(method_id, by_chance, store):
    assert left_after(method_id, 0, store) < by_chance
