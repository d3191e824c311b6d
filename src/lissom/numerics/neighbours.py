"""Nearest neighbours among embeddings, and how sure an embedding is of them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest", "normalized", "regression", "similarities"]

Vectors = NDArray[np.float32]
_BLOCK = 512
_NEAREST = 10  # of each row: only there a change of similarity matters


def normalized(vectors: Vectors) -> Vectors:
    """Rows [n, d] scaled to length 1; rows of zeros stay."""
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)


def similarities(
    vectors: Vectors, limit: int | None = None
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Cosine similarities of blocks of rows to all rows [block, n]; of a row to itself -inf.

    Args:
        vectors: rows of length 1, [n, d].
        limit: only the first so many rows are asked about; all by default.
    """
    end = len(vectors) if limit is None else min(limit, len(vectors))
    for start in range(0, end, _BLOCK):
        block = slice(start, min(start + _BLOCK, end))
        found = (vectors[block] @ vectors.T).astype(np.float64)
        found[np.arange(len(found)), np.arange(block.start, block.stop)] = -np.inf
        yield block, found


def nearest(vectors: Vectors) -> NDArray[np.int64]:
    """Number of each row's nearest other row, [n].

    Args:
        vectors: rows of length 1, [n, d], n at least 2.
    """
    found = np.zeros(len(vectors), dtype=np.int64)
    for block, similarity in similarities(vectors):
        found[block] = similarity.argmax(axis=1)
    return found


def regression(wanted: Vectors, given: Vectors) -> float:
    """How much of the one similarity a unit of the other predicts, among each row's nearest rows.

    The slope of the least squares line from the given to the wanted similarities of each row to
    its ten nearest by either, less their mean in the row. 1 for equal vectors; near 0 where the
    given order has nothing to do with the wanted one; 0 where it has no order.

    Args:
        wanted: rows of length 1, [n, d], n at least 2.
        given: rows of length 1, [n, e].
    """
    near = min(_NEAREST, len(wanted) - 1)
    together = alone = 0.0
    pairs = zip(similarities(wanted), similarities(given), strict=True)
    for (_, ours), (_, theirs) in pairs:
        each = [np.argpartition(-found, near - 1, axis=1)[:, :near] for found in (ours, theirs)]
        rows = np.concatenate(each, axis=1)
        here, there = (np.take_along_axis(found, rows, axis=1) for found in (ours, theirs))
        here -= here.mean(axis=1, keepdims=True)
        there -= there.mean(axis=1, keepdims=True)
        together += float((here * there).sum())
        alone += float((there * there).sum())
    return together / alone if alone > 0 else 0.0
