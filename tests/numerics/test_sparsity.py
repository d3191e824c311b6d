"""Zeros by hand, patterns, and the claims of the papers: corrected zeros cost less."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissom.numerics.moments import Moments
from lissom.numerics.sparsity import BLOCK, importance, mask_of, sparsify

RNG = np.random.default_rng(0)


def problem(inputs: int = 32, outputs: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A matrix and the inputs that it meets, correlated and of different sizes."""
    mixing = RNG.standard_normal((inputs, inputs)) * RNG.uniform(0.1, 3.0, inputs)
    return (
        RNG.standard_normal((outputs, inputs)),
        RNG.standard_normal((500, inputs)) @ mixing,
        mixing,
    )


def statistics(x: np.ndarray) -> Moments:
    found = Moments.empty(x.shape[1], 1)
    found.add(x, x[:, :1])
    return found


def error(before: np.ndarray, after: np.ndarray, x: np.ndarray) -> float:
    centred = x - x.mean(axis=0)
    return float((((before - after) @ centred.T) ** 2).sum())


def test_importance_by_hand() -> None:
    weight, second = np.array([[2.0, -3.0]]), np.array([4.0, 1.0])
    root = np.array([1.0, 2.0])
    assert importance(weight, "magnitude", second, root).tolist() == [[2.0, 3.0]]
    assert importance(weight, "wanda", second, root).tolist() == [[4.0, 3.0]]
    assert importance(weight, "obs", second, root).tolist() == [[4.0, 2.25]]


def test_masks_by_hand() -> None:
    worth = np.array([[1.0, 5.0, 2.0, 6.0, 9.0], [7.0, 3.0, 8.0, 4.0, 0.0]])
    half = mask_of(worth, "2:4", 0.9, rows=False)
    assert half.astype(int).tolist() == [[1, 0, 1, 0, 0], [0, 1, 0, 1, 0]]
    least = mask_of(worth, "unstructured", 0.3, rows=False)
    assert np.sort(worth[least]).tolist() == [0.0, 1.0, 2.0]
    each = mask_of(worth, "unstructured", 0.4, rows=True)
    assert each.sum(axis=1).tolist() == [2, 2]


def test_a_block_is_zero_together() -> None:
    weight, x, _ = problem(inputs=2 * BLOCK + 3)
    made = sparsify(weight, statistics(x), ratio=0.5, pattern="block")
    whole = made[:, : 2 * BLOCK].reshape(len(made), -1, BLOCK)
    zero = (whole == 0).all(axis=2)
    assert zero.sum() == zero.size // 2
    assert (whole != 0).all(axis=2).sum() == zero.size // 2
    assert (made[:, 2 * BLOCK :] != 0).all()


@settings(max_examples=40, deadline=None)
@given(ratio=st.floats(0.05, 0.95), seed=st.integers(0, 100))
def test_the_share_of_zeros_is_what_was_asked(ratio: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, x = rng.standard_normal((6, 20)), rng.standard_normal((99, 20))
    made = sparsify(weight, statistics(x), ratio=ratio)
    assert int((made == 0).sum()) == int(weight.size * ratio)
    assert np.isfinite(made).all()


@pytest.mark.parametrize("pattern", ["unstructured", "2:4", "4:8"])
def test_corrected_zeros_cost_less_than_plain_ones(pattern: str) -> None:
    """SparseGPT against magnitude without correction, section 4."""
    weight, x, _ = problem()
    plain = np.where(mask_of(np.abs(weight), pattern, 0.5, rows=False), 0.0, weight)
    costs = {
        criterion: error(
            weight,
            sparsify(weight, statistics(x), ratio=0.5, pattern=pattern, criterion=criterion),
            x,
        )
        for criterion in ("obs", "wanda", "magnitude")
    }
    assert costs["obs"] < costs["magnitude"] < error(weight, plain, x)
    assert costs["wanda"] < error(weight, plain, x)


def test_what_another_input_can_stand_in_for_is_free() -> None:
    x = RNG.standard_normal((200, 3))
    x = np.concatenate([x, x], axis=1)  # every input twice
    weight = RNG.standard_normal((4, 6))
    made = sparsify(weight, statistics(x), ratio=0.5, pattern="unstructured", damping=1e-6)
    assert error(weight, made, x) < 1e-4 * error(weight, np.zeros_like(weight), x)
