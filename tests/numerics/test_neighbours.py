import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.neighbours import nearest, normalized, regression, similarities


def test_neighbours_by_hand():
    vectors = normalized(np.array([[1, 0], [2, 0.1], [0, 3], [0.2, 1]], np.float32))
    assert nearest(vectors).tolist() == [1, 0, 3, 2]


def test_zeros_stay_zeros():
    assert normalized(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]


@given(st.integers(2, 30), st.integers(0, 99))
def test_no_row_is_its_own_neighbour(count, seed):
    vectors = normalized(np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32))
    assert (nearest(vectors) != np.arange(count)).all()


def test_blocks_cover_all_rows_and_a_limit_stops_early():
    vectors = normalized(np.random.default_rng(0).normal(size=(1200, 3)).astype(np.float32))
    blocks = [block for block, _ in similarities(vectors)]
    assert [block.start for block in blocks] == [0, 512, 1024]
    assert blocks[-1].stop == 1200
    assert sum(len(found) for _, found in similarities(vectors, 600)) == 600


def test_equal_similarities_predict_each_other_and_noise_predicts_nothing():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(700, 8)).astype(np.float32)
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    vectors = normalized(rows)
    assert regression(vectors, normalized(rows @ turn.astype(np.float32))) == pytest.approx(1, 1e-4)
    slopes = []
    for noise in (0.2, 0.6, 2.0):
        noisy = normalized(rows + noise * rng.normal(size=rows.shape).astype(np.float32))
        slopes.append(regression(vectors, noisy))
    assert 1 > slopes[0] > slopes[1] > slopes[2]
    assert slopes[2] < 0.2


def test_rows_without_order_predict_nothing():
    rows = normalized(np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32))
    assert regression(rows, np.zeros((5, 3), np.float32)) == 0.0
    assert regression(rows[:2], rows[:2]) == 0.0
