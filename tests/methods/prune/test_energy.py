"""Energy: what a channel carries into those that read it; what is constant carries nothing."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.methods.prune.energy import Energy
from lissom.methods.prune.wanda import Wanda
from lissom.store.store import Store
from tests.graph.edited import edited
from tests.methods import lab, layers

FIRST = np.diag([1.0, 2.0, 0.0, 3.0])
BIAS = np.asarray([0.0, 0.0, 100.0, 0.0])  # the third is a large constant
SECOND = np.asarray([[2.0, 0.5, 5.0, 1.0], [0.0, 0.5, 5.0, 2.0]])
MODEL = layers.chain((FIRST, BIAS), (SECOND, np.zeros(2)))
HOW = {"ratio": 0.25, "grid": 1, "allocation": "uniform"}


def test_the_formula_by_hand(tmp_path):
    found = Energy()._rank(layers.view(MODEL, layers.context(MODEL, Store(tmp_path))))
    x = np.concatenate([feed["x"] for feed in layers.inputs(MODEL)])
    hidden = np.maximum(x @ FIRST.T + BIAS, 0)
    outputs = hidden @ SECOND.T
    scores = (SECOND**2).sum(axis=0) * hidden.var(axis=0) / outputs.var(axis=0).sum()
    order = np.argsort(scores)
    assert order[0] == 2
    assert found.order.tolist() == order.tolist()
    np.testing.assert_allclose(found.costs, np.cumsum(scores[order])[:-1], rtol=1e-3, atol=1e-5)


def test_a_large_constant_leaves_first_and_the_bias_takes_it(tmp_path):
    store = Store(tmp_path)
    context = layers.context(MODEL, store)
    fixed = Energy(**HOW).plan(MODEL, context)
    assert [one.removed for one in fixed.edits[0].cuts if one.weight == "fc0.w"] == [((2, 3),)]
    assert layers.distance(MODEL, edited(MODEL, fixed.edits, store)) < 1e-6
    # Without repair nothing takes it, and it stays.
    plan = Energy(**HOW, repair=False).plan(MODEL, context)
    assert 2 in layers.left_of(MODEL, plan, store)
    assert layers.distance(MODEL, edited(MODEL, plan.edits, store)) < 1
    # Weights times activations take it for the most important one.
    other = Wanda(**HOW, repair=False).plan(MODEL, context)
    assert 2 in layers.left_of(MODEL, other, store)


def test_no_samples_no_energy(tmp_path):
    store = Store(tmp_path)
    shapes = layers.context(MODEL, store).shapes
    with pytest.raises(MethodError, match="samples are needed"):
        Energy(repair=False).plan(MODEL, lab.context(MODEL, store, shapes=shapes))
