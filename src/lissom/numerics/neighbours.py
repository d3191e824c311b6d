"""Nearest neighbours among embeddings, and how sure an embedding is of them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest", "normalized", "similarities"]

Vectors = NDArray[np.float32]
_BLOCK = 512


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
