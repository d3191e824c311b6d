import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.measure.answers import Outlook
from lissom.measure.collect import Collector
from lissom.measure.expected import compare, confidence_temperature
from lissom.numerics.statistics import softmax

CLASSES = Outlook(output="o", kind="classes", axis=1)
LINES = Outlook(output="o", kind="ctc", axis=2, blank=0)
VECTORS = Outlook(output="o", kind="embedding")


def collected(outlook, *outs, keep=32):
    collector = Collector(outlook, keep=keep)
    for out in outs:
        collector.take(np.asarray(out))
    return collector.arrays()


def test_the_expected_drop_by_hand():
    original = collected(CLASSES, np.log([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1]]))
    candidate = collected(CLASSES, [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], keep=1)
    found = compare(original, candidate, CLASSES, temperature=1.0)
    assert found.disagreement.tolist() == [1.0, 0.0]
    assert found.drop == pytest.approx([0.5, 0.0], abs=1e-6)
    # At temperature 1/2 probabilities are squared: 49, 4 and 1 of 54.
    sharper = compare(original, candidate, CLASSES, temperature=0.5)
    assert sharper.drop == pytest.approx([45 / 54, 0.0], abs=1e-6)


def test_top_five_by_hand():
    scores = np.log([[0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05]])
    other = scores[:, [5, 1, 2, 3, 4, 0, 6]]
    original, candidate = collected(CLASSES, scores), collected(CLASSES, other, keep=5)
    found = compare(original, candidate, CLASSES, temperature=1.0, top=5)
    assert found.disagreement.tolist() == [1.0]
    assert found.drop == pytest.approx([0.3 - 0.08], abs=1e-6)
    shuffled = collected(CLASSES, scores[:, [1, 0, 2, 3, 4, 5, 6]], keep=5)
    same = compare(original, shuffled, CLASSES, temperature=1.0, top=5)
    assert (same.disagreement.tolist(), same.drop.tolist()) == ([0.0], [0.0])


def test_an_answer_that_is_not_finite_is_a_loss():
    original = collected(CLASSES, np.log([[0.9, 0.1]]))
    candidate = collected(CLASSES, [[np.nan, 0.0]], keep=1)
    found = compare(original, candidate, CLASSES, temperature=1.0)
    assert found.disagreement.tolist() == [1.0]
    assert found.drop == pytest.approx([0.9], abs=1e-6)


def test_lines_differ_by_what_is_read():
    scores = np.log(np.array([[[0.1, 0.8, 0.1], [0.1, 0.8, 0.1]]]))
    same_line = np.array([[[0.0, 0.0, 5.0], [0.0, 5.0, 0.0]], [[0.0, 5.0, 0.0], [5.0, 0.0, 0.0]]])
    original = collected(LINES, scores, scores)
    candidate = collected(LINES, same_line, keep=1)
    found = compare(original, candidate, LINES, temperature=1.0)
    # The second candidate reads (1), as the original does, with a blank at its end.
    assert found.disagreement.tolist() == [1.0, 0.0]
    line = 0.8 * 0.8 + 2 * 0.8 * 0.1
    assert found.drop == pytest.approx([line - 0.1 * 0.8, 0.0], abs=1e-6)


def test_positions_are_averaged_and_a_missing_step_disagrees():
    steps = Outlook(output="o", kind="sequence", axis=2)
    original = collected(steps, np.log([[[0.9, 0.1], [0.6, 0.4]]]))
    candidate = collected(steps, [[[1.0, 0.0], [0.0, 1.0]]], keep=1)
    found = compare(original, candidate, steps, temperature=1.0)
    assert found.disagreement.tolist() == [0.5]
    assert found.drop == pytest.approx([0.1], abs=1e-6)
    short = collected(steps, [[[1.0, 0.0]]], keep=1)
    assert compare(original, short, steps, temperature=None).disagreement.tolist() == [1.0]


@given(st.integers(0, 500), st.floats(0.3, 3))
def test_a_drop_is_never_above_the_disagreement(seed, temperature):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(20, 6))
    original = collected(CLASSES, scores)
    candidate = collected(CLASSES, scores + rng.normal(size=(20, 6)), keep=5)
    found = compare(original, candidate, CLASSES, temperature=temperature)
    assert (found.drop >= 0).all()
    assert (found.drop <= found.disagreement).all()
    itself = compare(original, original, CLASSES, temperature=temperature)
    assert not itself.drop.any()
    assert not itself.disagreement.any()


def test_the_estimate_is_right_where_confidence_is():
    # Truth drawn from the original's own distribution, then hidden behind a wrong temperature.
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(20000, 5)) * 2
    truth = (softmax(scores).cumsum(axis=1) > rng.random((20000, 1))).argmax(axis=1)
    noisy = scores + rng.normal(size=scores.shape)
    right = scores.argmax(axis=1) == truth
    lost = right.mean() - (noisy.argmax(axis=1) == truth).mean()
    original = collected(CLASSES, scores * 0.6)
    candidate = collected(CLASSES, noisy, keep=5)
    temperature = confidence_temperature(original, CLASSES, float(right.mean()))
    assert temperature == pytest.approx(0.6, abs=0.02)
    found = compare(original, candidate, CLASSES, temperature=temperature)
    assert found.drop.mean() == pytest.approx(lost, abs=0.01)


def test_the_temperature_of_lines():
    rng = np.random.default_rng(2)
    original = collected(LINES, *rng.normal(size=(30, 1, 5, 4)) * 4)
    unchanged = compare(original, original, LINES, temperature=1.0)
    assert not unchanged.disagreement.any()
    sharp = confidence_temperature(original, LINES, 0.9)
    assert 0 < sharp < confidence_temperature(original, LINES, 0.6)


def embedded(seed=3, noise=0.3):
    rng = np.random.default_rng(seed)
    topics = rng.normal(size=(60, 16))
    vectors = np.repeat(topics, 2, axis=0) + noise * rng.normal(size=(120, 16))
    return rng, vectors.astype(np.float32)


def test_embeddings_lose_more_with_more_noise():
    rng, vectors = embedded()
    original = collected(VECTORS, vectors)
    drops = []
    for noise in (0.0, 0.3, 0.6, 1.0):
        other = vectors + noise * rng.normal(size=vectors.shape).astype(np.float32)
        found = compare(original, collected(VECTORS, other), VECTORS, temperature=None, quality=0.9)
        drops.append(float(found.drop.mean()))
    assert drops[0] == 0.0
    assert drops == sorted(drops)
    assert drops[-1] > 0.2


def test_turned_embeddings_are_the_same_and_without_quality_there_is_only_the_bound():
    rng, vectors = embedded()
    turn, _ = np.linalg.qr(rng.normal(size=(16, 16)))
    original, turned = collected(VECTORS, vectors), collected(VECTORS, vectors @ turn * 7)
    found = compare(original, turned, VECTORS, temperature=None)
    assert not found.disagreement.any()
    assert found.drop is None


def test_one_embedding_alone_has_no_neighbour():
    one = collected(VECTORS, np.ones((1, 4)))
    found = compare(one, one, VECTORS, temperature=None, quality=0.9)
    assert (found.disagreement.tolist(), found.drop) == ([0.0], None)


def test_errors_are_relative_to_the_spread_between_samples():
    plain = Outlook(output="o", kind="regression")
    values = np.array([[100.0], [102.0], [104.0], [106.0]])
    original = collected(plain, values)
    shifted = compare(original, collected(plain, values + 0.1), plain, temperature=None)
    assert shifted.disagreement == pytest.approx([0.1 / values.std(ddof=1)] * 4, rel=1e-4)
    broken = compare(original, collected(plain, values * np.nan), plain, temperature=None)
    assert broken.disagreement.tolist() == [1.0] * 4
    wider = compare(original, collected(plain, np.ones((4, 2))), plain, temperature=None)
    assert wider.disagreement.tolist() == [1.0] * 4


def test_identifiers_are_equal_or_not():
    ids = Outlook(output="o", kind="identifiers")
    original, candidate = collected(ids, [[1, 2, 3, 4]]), collected(ids, [[1, 2, 3, 5]])
    found = compare(original, candidate, ids, temperature=None)
    assert (found.disagreement.tolist(), found.drop) == ([0.25], None)
