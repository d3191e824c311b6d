"""Rotation: outliers are spread over a block, and the function stays."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.methods.equalize.rotate import Rotate
from lissom.methods.quantize.static import Static
from lissom.store.store import Store
from tests import tiny
from tests.graph.channels.small import feed_of
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers


def uneven(*, seed=0):
    """Two products in a row; one channel between them is 40 times larger than the others."""
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((16, 8)), rng.standard_normal((8, 16))
    first[5] *= 40
    second[:, 9] *= 40
    return layers.chain(
        (first, rng.standard_normal(16)), (second, np.zeros(8)), form="MatMul", relu=False
    )


def rotated(model, store, **how):
    context = lab.context(model, store, [feed_of(model)])
    plan = Rotate(**how).plan(model, context)
    return edited(model, plan.edits, store), plan


def test_the_function_stays_and_weights_are_more_even(tmp_path):
    model = uneven()
    made, plan = rotated(model, Store(tmp_path))
    assert plan.summary == "1 blocks rotated"
    assert layers.distance(model, made) < 1e-8
    for name in ("fc0.w", "fc1.w"):
        assert np.abs(made.weight(name)).max() < np.abs(model.weight(name)).max() / 2


def test_the_papers_claim_integers_hold_more_of_it(tmp_path):
    model, store = uneven(), Store(tmp_path)
    made, _ = rotated(model, store)
    lost = []
    for each in (model, made):
        context = lab.context(each, store, layers.inputs(each, count=50))
        plan = Static(granularity="tensor").plan(each, context)
        lost.append(layers.distance(model, edited(each, plan.edits, store)))
    assert lost[1] < lost[0] / 2


def test_attention_keeps_its_answers(tmp_path):
    proto = tiny.transformer()
    weights = {tensor.name: tensor for tensor in proto.graph.initializer}
    value = np.frombuffer(weights["attention/v.weight"].raw_data, np.float32).reshape(16, 16).copy()
    value[:, 3] *= 30
    weights["attention/v.weight"].raw_data = value.tobytes()
    model = model_of(proto)
    made, plan = rotated(model, Store(tmp_path))
    assert plan.summary == "2 blocks rotated"
    feed = tiny.feeds(proto)
    old, new = run(model, feed)[0], run(made, feed)[0]
    assert np.abs(new - old).max() < 1e-4 * np.abs(old).max()


def test_small_blocks_and_even_weights_stay(tmp_path):
    model = uneven()
    _, plan = rotated(model, Store(tmp_path), least=32)
    assert plan.edits == ()
    assert "fewer than 32" in " ".join(skip.reason for skip in plan.skips)
    signs = np.where(np.arange(64).reshape(8, 8) % 3, 1.0, -1.0)
    even = layers.chain((signs, np.zeros(8)), (signs, np.zeros(8)), relu=False)
    _, plan = rotated(even, Store(tmp_path))
    assert plan.edits == ()
    assert "no more even" in " ".join(skip.reason for skip in plan.skips)


def test_it_must_be_run_once(tmp_path):
    with pytest.raises(MethodError, match="shapes"):
        Rotate().plan(uneven(), lab.context(uneven(), Store(tmp_path)))
