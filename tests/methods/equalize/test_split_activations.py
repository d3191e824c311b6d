"""Outlier channel splitting of activations: by hand, the same function, half the range."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.graph.expose import expose
from lissom.methods.equalize.split_activations import SplitActivations
from lissom.methods.quantize.static import Static
from lissom.store.store import Store
from tests import tiny
from tests.graph.channels.nets import NETS
from tests.graph.channels.small import feed_of
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers


def split(model, store, feeds, **how):
    plan = SplitActivations(**how).plan(model, lab.context(model, store, feeds))
    return edited(model, plan.edits, store), plan


def test_by_hand(tmp_path):
    model = layers.chain(
        (np.asarray([[1.0, 2.0], [30.0, 40.0], [5.0, 6.0]]), np.asarray([7.0, 8.0, 9.0])),
        (np.asarray([[1.0, 2.0, 3.0]]), np.asarray([0.5])),
    )
    made, plan = split(model, Store(tmp_path), [{"x": np.ones((1, 2), np.float32)}])
    assert made.weight("fc0.w").tolist() == [[1, 2], [15, 20], [15, 20], [5, 6]]
    assert made.weight("fc0.b").tolist() == [7, 4, 4, 9]
    assert made.weight("fc1.w").tolist() == [[1, 2, 2, 3]]
    assert plan.summary == "1 channels added in 1 groups of channels"


@pytest.mark.parametrize("ratio", [0.02, 0.5])
@pytest.mark.parametrize("name", NETS)
def test_the_function_stays(name, ratio, tmp_path):
    model = model_of(NETS[name]())
    feed = feed_of(model)
    made, plan = split(model, Store(tmp_path), [feed], ratio=ratio)
    for before, after in zip(run(model, feed), run(made, feed), strict=True):
        assert np.abs(after - before).max() <= 1e-4 * (np.abs(before).max() or 1.0)
    assert plan.edits or plan.skips


def test_the_papers_claim_half_the_range_loses_less(tmp_path):
    rng = np.random.default_rng(0)
    large = np.ones(64)
    large[[5, 20, 40]] = 6.0
    first = rng.standard_normal((64, 32)) / np.sqrt(32) * large[:, None]
    second = rng.standard_normal((16, 64)) / 8 / large
    model, store = layers.chain((first, np.zeros(64)), (second, np.zeros(16))), Store(tmp_path)
    feeds = layers.inputs(model, count=200)
    made, _ = split(model, store, feeds, ratio=0.1)
    ranges, lost = [], []
    for each in (model, made):
        exposed = expose(each, ["relu0"])
        ranges.append(max(float(run(exposed, feed)[1].max()) for feed in feeds))
        plan = Static().plan(each, lab.context(each, store, feeds))
        lost.append(layers.distance(model, edited(each, plan.edits, store)))
    assert ranges[1] < 0.55 * ranges[0]
    assert lost[1] < 0.6 * lost[0]


def test_what_does_not_pass_a_factor_is_named(tmp_path):
    model = model_of(tiny.transformer())
    feeds = [tiny.feeds(tiny.transformer(), batch=2)]
    made, plan = split(model, Store(tmp_path), feeds)
    assert made is model
    assert "what stands between does not pass a factor" in {skip.reason for skip in plan.skips}


def test_no_samples_no_splits(tmp_path):
    model = layers.chain((np.eye(2), np.zeros(2)), (np.eye(2), np.zeros(2)))
    with pytest.raises(MethodError, match="samples are needed"):
        SplitActivations().plan(model, lab.context(model, Store(tmp_path)))
