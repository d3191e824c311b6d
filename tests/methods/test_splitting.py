"""Groups that can be split, those that cannot, and what is said of each."""

import numpy as np

from lissom.graph.channels.groups import channels
from lissom.methods.scope import Scope
from lissom.methods.splitting import refusal_to_split, split_units
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of
from tests.methods import lab, layers


def found_in(model, store, feeds, **scope):
    context = lab.context(model, store, feeds, scope=Scope(**scope))
    return channels(model, context.shapes_of(model)), context


def test_a_split_is_counted(tmp_path):
    model = model_of(tiny.cnn())
    found, context = found_in(model, Store(tmp_path), [tiny.feeds(tiny.cnn())])
    assert [refusal_to_split(found, group, context) for group in found.groups] == [None, None]
    chosen = split_units(found, lambda group: {0: 3, 2: 2}, {"conv2": "not today"})
    assert chosen.times == {"conv1": {0: 3, 2: 2}}
    assert chosen.added == 3
    assert [(skip.target, skip.reason) for skip in chosen.skips] == [("conv2", "not today")]
    assert {one.weight for one in chosen.edit.growths} >= {"conv1.weight", "conv2.weight"}


def test_a_split_that_cannot_be_is_a_skip(tmp_path):
    model = layers.chain((np.eye(3), np.zeros(3)), (np.eye(3), np.zeros(3)))
    found, _ = found_in(model, Store(tmp_path), layers.inputs(model, count=1))
    chosen = split_units(found, lambda group: {7: 2}, {})
    assert chosen.times == {}
    assert "units 0 to 2" in chosen.skips[0].reason


def test_no_group_is_said(tmp_path):
    model = layers.chain((np.eye(2), None))
    found, _ = found_in(model, Store(tmp_path), layers.inputs(model, count=1))
    assert split_units(found, lambda group: {}, {}).skips[0].target == "model"


def test_what_stays_has_a_reason(tmp_path):
    first, second = (np.eye(3), np.zeros(3)), (np.zeros((3, 3)), np.zeros(3))
    feeds = layers.inputs(layers.chain(first, second), count=1)
    for model, scope, words in (
        (layers.chain(first, second), {}, "are zero"),
        (layers.chain(first, (np.full((2, 3), np.nan), np.zeros(2))), {}, "not finite"),
        (layers.chain(first, first), {"exclude": ("fc1",)}, "exclude"),
    ):
        found, context = found_in(model, Store(tmp_path), feeds, **scope)
        assert words in (refusal_to_split(found, found.groups[0], context) or "")
