"""SmoothQuant: outlier channels leave activations, and the function stays."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.methods.equalize.smooth import Smooth
from lissom.methods.quantize.static import Static
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers


def outliers(*, seed=0, width=16, factor=200.0):
    """A normalization that makes two channels large, which the weights behind make small again."""
    rng = np.random.default_rng(seed)
    large = np.ones(width)
    large[[3, 7]] = factor
    weights = {
        "gamma": rng.uniform(0.5, 1.5, width) * large,
        "beta": rng.standard_normal(width) * 0.1 * large,
        "w": rng.standard_normal((width, 8)) / large[:, None],
        "v": rng.standard_normal((width, 4)) / large[:, None],
    }
    nodes = [("LayerNormalization", "x gamma beta", "n", {"axis": -1}),
             ("MatMul", "n w", "one"), ("MatMul", "n v", "two"),
             ("Concat", "one two", "y", {"axis": -1})]  # fmt: skip
    return layers.model(nodes, weights, ["n", width])


def smoothed(model, store, feeds, **how):
    plan = Smooth(**how).plan(model, lab.context(model, store, feeds))
    return edited(model, plan.edits, store), plan


def test_the_papers_claim_integers_hold_what_outliers_took(tmp_path):
    model, store = outliers(), Store(tmp_path)
    feeds = layers.inputs(model, count=50)
    made, plan = smoothed(model, store, feeds)
    assert plan.summary.startswith("1 of 1 groups of channels smoothed")
    # The parameters of the normalization take the factors: no node is added.
    assert [edit.weight for edit in plan.edits] == ["gamma", "beta", "w", "v"]
    assert made.node_names == model.node_names
    assert layers.distance(model, made) < 1e-8
    lost = []
    for each in (model, made):
        static = Static().plan(each, lab.context(each, store, feeds))
        lost.append(layers.distance(model, edited(each, static.edits, store)))
    assert lost[1] < lost[0] / 10


def test_a_share_that_is_given_is_taken(tmp_path):
    model, store = outliers(), Store(tmp_path)
    feeds = layers.inputs(model, count=20)
    made, _ = smoothed(model, store, feeds, alpha=1.0)
    rows = np.concatenate([feed["x"] for feed in feeds])
    centred = rows - rows.mean(1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
    peaks = np.abs(normal * made.weight("gamma") + made.weight("beta")).max(0)
    # With all of the range moved, every channel is as large as the others.
    assert peaks.max() / peaks.min() < 1.01


def test_where_nothing_is_gained_nothing_is_done(tmp_path):
    eye = np.eye(8)
    model = layers.chain((eye, np.zeros(8)), (eye, np.zeros(8)), relu=False)
    feeds = [{"x": np.where(np.arange(8) % 2, 255.0, -255.0)[None].astype(np.float32) * sign}
             for sign in (1, -1)]  # fmt: skip
    made, plan = smoothed(model, Store(tmp_path), feeds)
    assert made is model
    assert any("no less" in skip.reason for skip in plan.skips)


@pytest.mark.parametrize("make", [tiny.cnn, tiny.transformer, tiny.mlp])
def test_the_function_stays(make, tmp_path):
    proto = make()
    model, feeds = model_of(proto), [tiny.feeds(proto, batch=2, seed=seed) for seed in range(4)]
    made, plan = smoothed(model, Store(tmp_path), feeds)
    assert plan.edits
    old, new = run(model, feeds[0])[0], run(made, feeds[0])[0]
    assert np.abs(new - old).max() < 1e-4 * np.abs(old).max()


def test_no_samples_no_smoothing(tmp_path):
    model = outliers()
    with pytest.raises(MethodError, match="samples are needed"):
        Smooth().plan(model, lab.context(model, Store(tmp_path)))
