"""Which groups may change, and the edits of factors."""

import numpy as np

from lissom.graph.scaling.groups import scalable
from lissom.methods.protocol import Skip
from lissom.methods.scaling import allowed, no_groups, rescaled
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests import tiny
from tests.graph.channels.small import shapes_of
from tests.graph.edited import model_of
from tests.methods import lab


def found_in(proto):
    model = model_of(proto)
    return scalable(model, shapes_of(model))


def test_only_what_changes_is_edited(tmp_path):
    found, store = found_in(tiny.mlp()), Store(tmp_path)
    assert rescaled(found, np.ones(found.channels + 1), store) == []
    factors = np.append(np.full(found.channels, 2.0), 1.0)
    edits = rescaled(found, factors, store)
    assert [edit.weight for edit in edits] == ["fc0.weight", "fc0.bias", "fc1.weight"]
    twice = 2 * found.model.weight("fc0.weight")
    assert np.array_equal(store.array(edits[0].values), twice)
    assert store.array(edits[0].values).dtype == np.float32


def test_a_group_is_allowed_if_all_its_nodes_are(tmp_path):
    found = found_in(tiny.mlp())
    context = lab.context(found.model, Store(tmp_path))
    groups, skips = allowed(found, found.groups, context)
    assert (groups, [skip.target for skip in skips]) == (list(found.groups), ["fc1"])
    outside = lab.context(found.model, Store(tmp_path), scope=Scope(exclude=("fc1",)))
    groups, skips = allowed(found, found.groups, outside)
    assert groups == []
    assert skips[0] == Skip(target="fc0", reason="excluded by 'fc1'")


def test_weights_that_are_not_finite_stay(tmp_path):
    proto = tiny.mlp()
    bias = next(t for t in proto.graph.initializer if t.name == "fc0.bias")
    bias.raw_data = np.full((32,), np.nan, np.float32).tobytes()
    found = found_in(proto)
    groups, skips = allowed(found, found.groups, lab.context(found.model, Store(tmp_path)))
    assert groups == []
    assert "not finite" in skips[0].reason


def test_there_is_always_a_reason():
    assert no_groups([])[0].target == "model"
    some = [Skip(target="a", reason="b")]
    assert no_groups(some) is some
