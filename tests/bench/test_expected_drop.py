"""The estimators that are compared, and the damage that makes their candidates."""

import numpy as np
import pytest
from onnx import numpy_helper

from bench import expected_drop, ragged
from lissom.measure.collect import Collector
from lissom.numerics.statistics import softmax
from tests import tiny


def weights(model):
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


@pytest.mark.parametrize("how", ["noise-0.1", "channel-4", "tensor-3", "block-4"])
def test_large_weights_are_damaged_and_the_same_way_each_time(how):
    made = [weights(expected_drop.damaged(tiny.mlp(), how)) for _ in range(2)]
    before = weights(tiny.mlp())
    for name, array in before.items():
        np.testing.assert_array_equal(made[0][name], made[1][name])
        changed = not np.array_equal(made[0][name], array)
        assert changed == (array.ndim >= 2 and array.size >= 256)


def test_rounding_has_the_levels_that_it_says():
    array = np.random.default_rng(0).normal(size=(6, 50)).astype(np.float32)
    assert len(np.unique(expected_drop.rounded(array, "tensor", 3))) <= 7
    each = expected_drop.rounded(array, "channel", 3)
    assert max(len(np.unique(row)) for row in each) <= 7
    blocks = expected_drop.rounded(array, "block", 3).ravel()[:288].reshape(-1, 32)
    assert max(len(np.unique(np.round(block, 5))) for block in blocks) <= 7


def test_partners_are_found_whatever_the_order_of_the_feeds():
    rng = np.random.default_rng(1)
    tokens = [np.arange(length) for length in (3, 1, 2, 4)]
    rows = rng.normal(size=(2, 8)).astype(np.float32)
    rows = np.concatenate([rows, rows + 0.01])
    order = np.argsort([len(row) for row in tokens], kind="stable")
    data = ragged.packed("tokens", tokens)
    assert expected_drop._right_partner([rows[order]], data).tolist() == [True, True]


def test_every_estimator_knows_that_nothing_is_lost_by_no_change():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(300, 10)) * 3
    quality = float(softmax(scores).max(axis=1).mean())

    def collected(values):
        collector = Collector(expected_drop.OUTLOOKS["fmnist_vgg"], keep=32)
        collector.take(values)
        return collector.arrays()

    reference = expected_drop.Reference("fmnist_vgg", collected(scores), quality)
    same = reference.estimates(collected(scores))
    worse = reference.estimates(collected(scores + 2 * rng.normal(size=scores.shape)))
    for name in ("lissom", "counted", "difference", "thresholded", "disagreement"):
        assert same[name] == pytest.approx(0.0, abs=1e-6)
    for name in ("lissom", "counted", "counted_raw", "disagreement"):
        assert worse[name] > 0.02
    assert same["average_confidence"] == pytest.approx(0.0, abs=1e-3)


def test_embeddings_are_estimated_too():
    vectors = np.random.default_rng(0).normal(size=(60, 16)).astype(np.float32)

    def collected(values):
        collector = Collector(expected_drop.OUTLOOKS["minilm"], keep=32)
        collector.take(values)
        return collector.arrays()

    reference = expected_drop.Reference("minilm", collected(vectors), 0.8)
    assert reference.sure.mean() == pytest.approx(0.8, abs=1e-3)
    same = reference.estimates(collected(vectors))
    assert (same["lissom"], same["counted_raw"]) == (0.0, None)


def test_few_labels_are_drawn_and_summed_up():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(800, 10)) * 3
    labels = (softmax(scores).cumsum(axis=1) > rng.random((800, 1))).argmax(axis=1)
    both = []
    for values in (scores, scores + rng.normal(size=scores.shape)):
        collector = Collector(expected_drop.OUTLOOKS["fmnist_vgg"], keep=32)
        collector.take(values)
        found = {f"test.{name}": array for name, array in collector.arrays().items()}
        both.append({**found, "right": values.argmax(axis=1) == labels})
    rows = expected_drop.summed_up(expected_drop.drawn(*both))
    assert [row["labels"] for row in rows] == list(expected_drop.LABELLED)
    assert rows[0]["labels_alone_error"] is None
    assert rows[1]["corrected_error"] < rows[1]["labels_alone_error"]
    assert all(0 <= row["held"] <= 1 for row in rows)
