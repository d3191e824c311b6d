import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.sketch import sketch
from lissom.numerics.statistics import softmax


def logits(rows, classes, seed=0, scale=3.0):
    return np.random.default_rng(seed).normal(size=(rows, classes)) * scale


@given(st.integers(2, 8), st.floats(0.2, 5), st.integers(0, 99))
def test_a_sketch_of_all_classes_is_exact(classes, temperature, seed):
    scores = logits(5, classes, seed)
    found = sketch(scores, keep=32, probabilities=False)
    exact = softmax(scores / temperature)
    every = np.tile(np.arange(classes), (5, 1))
    np.testing.assert_allclose(found.at(temperature).probability(every), exact, atol=1e-5)
    np.testing.assert_allclose(found.confidence(temperature), exact.max(axis=1), atol=1e-5)


def test_probabilities_and_logits_give_the_same_sketch():
    scores = logits(20, 50)
    first = sketch(scores, keep=4, probabilities=False)
    second = sketch(softmax(scores), keep=4, probabilities=True)
    np.testing.assert_array_equal(first.index, second.index)
    np.testing.assert_allclose(first.logp, second.logp, atol=1e-5)
    np.testing.assert_array_equal(first.top, scores.argmax(axis=1))


def test_what_is_not_kept_shares_the_rest():
    found = sketch(np.array([[0.7, 0.1, 0.15, 0.05]]), keep=2, probabilities=True)
    assert found.index.tolist() == [[0, 2]]
    assert found.probability(np.array([[1, 3, 2]])).ravel() == pytest.approx([0.075, 0.075, 0.15])


@given(st.integers(0, 99), st.floats(0.3, 4))
def test_probabilities_sum_to_one_at_every_temperature(seed, temperature):
    found = sketch(logits(3, 40, seed), keep=5, probabilities=False).at(temperature)
    total = np.exp(found.logp).sum(axis=1) + 35 * np.exp(found.rest)
    np.testing.assert_allclose(total, 1.0, atol=1e-5)


def test_ties_keep_the_choice_of_argmax():
    found = sketch(np.zeros((2, 100)), keep=3, probabilities=False)
    assert found.top.tolist() == [0, 0]
    assert found.probability(np.array([0, 99])) == pytest.approx([0.01, 0.01])


def test_certain_and_masked_classes_stay_finite():
    found = sketch(np.array([[-np.inf, 0.0, -np.inf]]), keep=2, probabilities=False)
    assert found.top.tolist() == [1]
    assert np.isfinite(found.logp).all()
    assert np.isfinite(found.rest).all()
    assert len(found.rows(0, 1)) == 1
