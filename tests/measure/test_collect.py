import numpy as np
import pytest

from lissom.errors import MeasurementError
from lissom.measure.answers import Outlook
from lissom.measure.collect import Collector, positions


def collected(kind, outs, keep=4, **options):
    collector = Collector(Outlook(output="o", kind=kind, **options), keep=keep)
    assert [collector.take(out) for out in outs] == [len(out) for out in outs]
    return collector.arrays()


def test_classes_keep_the_likeliest():
    found = collected("classes", [np.array([[0.0, 3.0, 1.0]]), np.array([[5.0, 0.0, 1.0]])], 2)
    assert found["index"].tolist() == [[1, 2], [0, 2]]
    assert found["lengths"].tolist() == [1, 1]
    assert found["classes"].tolist() == [3]


def test_lines_of_any_length():
    outs = [np.zeros((1, 4, 30)), np.zeros((1, 6, 30))]
    assert collected("ctc", outs, axis=2, blank=0)["lengths"].tolist() == [4, 6]


def test_maps_are_sampled_at_the_same_positions():
    scores = np.random.default_rng(0).normal(size=(2, 5, 64, 64))
    first = collected("map", [scores], axis=1)
    last = collected("map", [np.moveaxis(scores, 1, 3)], axis=3)
    assert first["lengths"].tolist() == [256, 256]
    np.testing.assert_array_equal(first["index"], last["index"])


def test_binary_values_are_two_classes():
    found = collected("binary", [np.array([[0.2, 0.9]])])
    assert found["index"][:, 0].tolist() == [0, 1]
    np.testing.assert_allclose(np.exp(found["logp"][:, 0]), [0.8, 0.9], atol=1e-6)


def test_answers_that_are_not_finite_are_marked():
    outs = [np.array([[1.0, np.nan]]), np.array([[np.inf, 0]]), np.array([[0.0, -np.inf]])]
    found = collected("classes", outs)
    assert found["bad"].tolist() == [1, 1, 0]
    assert np.isfinite(found["logp"]).all()


def test_plain_values_and_words():
    assert collected("regression", [np.arange(3.0)])["values"].tolist() == [0, 1, 2]
    words = collected("identifiers", [np.array([["a", "b"]]), np.array([["a", "a"]])])["values"]
    assert words[0] == words[2] == words[3] != words[1]


def test_nothing_and_vectors_of_two_lengths_are_errors():
    outlook = Outlook(output="o", kind="embedding")
    with pytest.raises(MeasurementError, match="no answers"):
        Collector(outlook, keep=1).arrays()
    collector = Collector(outlook, keep=1)
    collector.take(np.zeros((1, 3), np.float32))
    collector.take(np.zeros((1, 4), np.float32))
    with pytest.raises(MeasurementError, match="changes its width"):
        collector.arrays()


def test_positions_are_distinct_and_always_the_same():
    assert positions(5, 10).tolist() == [0, 1, 2, 3, 4]
    found = positions(1000, 10)
    assert len(set(found.tolist())) == 10
    np.testing.assert_array_equal(found, positions(1000, 10))


def test_padding_of_a_sequence_is_no_answer():
    steps = Outlook(output="o", kind="sequence", axis=2)
    scores = np.random.default_rng(0).normal(size=(2, 3, 4))
    collector = Collector(steps, keep=2)
    collector.take(scores, np.array([[True, True, False], [False, False, False]]))
    found = collector.arrays()
    assert found["lengths"].tolist() == [2, 0]
    assert found["index"][:, 0].tolist() == scores[0, :2].argmax(axis=1).tolist()
    # A mask of another shape says nothing of these steps.
    other = Collector(steps, keep=2)
    other.take(scores, np.ones((2, 9), bool))
    assert other.arrays()["lengths"].tolist() == [3, 3]
