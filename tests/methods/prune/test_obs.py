"""Brain surgeon: of two channels that say the same, one leaves; single scores cannot see that."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.methods.prune.energy import Energy
from lissom.methods.prune.magnitude import Magnitude
from lissom.methods.prune.obs import Obs, _rank
from lissom.store.store import Store
from tests.graph.edited import edited
from tests.methods import lab, layers

# The second and the last channel are the same, and the largest of all.
FIRST = np.asarray([[1.0, 0, 0, 0], [0, 3, 3, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 3, 3, 0]])
SECOND = np.asarray([[1.0, 2, 1, 1, 2], [1.0, -2, -1, 1, -2]])
MODEL = layers.chain((FIRST, np.zeros(5)), (SECOND, np.zeros(2)))
HOW = {"ratio": 0.2, "grid": 1, "allocation": "uniform"}


def test_one_of_two_that_are_the_same_leaves_for_nothing(tmp_path):
    store = Store(tmp_path)
    context = layers.context(MODEL, store)
    plan = Obs(**HOW, repair=False).plan(MODEL, context)
    # Of rows that are equal the first is named.
    assert sorted(layers.left_of(MODEL, plan, store)) == [0, 1, 2, 3]
    fixed = edited(MODEL, Obs(**HOW).plan(MODEL, context).edits, store)
    assert layers.distance(MODEL, fixed) < 1e-5
    for other in (Magnitude, Energy):
        repaired = other(**HOW).plan(MODEL, context)
        assert layers.distance(MODEL, edited(MODEL, repaired.edits, store)) > 1e-3


def test_the_other_one_is_then_the_last_to_leave(tmp_path):
    found = _rank(layers.view(MODEL, layers.context(MODEL, Store(tmp_path)), worth=True))
    assert {found.order[0], found.order[-1]} == {1, 4}
    assert np.all(np.diff(found.costs) >= 0)


def test_unseen_groups_are_no_silent_zero(tmp_path):
    view = layers.view(MODEL, layers.context(MODEL, Store(tmp_path)))
    with pytest.raises(ValueError, match="nothing was seen of fc0"):
        _rank(view)


def test_no_samples_no_surgery(tmp_path):
    store = Store(tmp_path)
    shapes = layers.context(MODEL, store).shapes
    with pytest.raises(MethodError, match="samples are needed"):
        Obs(repair=False).plan(MODEL, lab.context(MODEL, store, shapes=shapes))
