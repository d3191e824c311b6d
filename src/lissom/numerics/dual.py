"""Linear operators with very many inputs, fitted in closed form from rows instead of moments.

Second moments of p inputs are a matrix [p, p]; of n rows with n < p the same least squares needs
only their products with each other, [n, n]. With X [n, p] and Y the centred rows, K = X X^T and
R = Y - X W0^T:

    fit      W = W0 + R^T (K + n d I)^-1 X: ridge regression in its dual form (Saunders, Gammerman
             and Vovk 1998), the same as `Moments` gives of the same rows
    inverse  (C + d I)^-1 = (I - F F^T) / d with F = X^T L^-T, L L^T = K + n d I (Woodbury). Where
             columns S leave, F becomes F_R (I - F_S^T F_S)^-1/2.

A bounded number of rows is kept, drawn uniformly from all that come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.numerics.moments import Inverse, Moments, Statistics

__all__ = ["Rows", "statistics_for"]

Array: TypeAlias = npt.NDArray[Any]
_BLOCK = 1024  # inputs that are seen in float64 at once
_TINY = 1e-12


def statistics_for(inputs: int, outputs: int, most_bytes: int, *, seed: int = 0) -> Statistics:
    """Moments where their square matrix fits into so many bytes, otherwise rows that do.

    Args:
        inputs: of the operator.
        outputs: of the operator.
        most_bytes: what the matrix, or the rows in float64 and their products, may take.
        seed: of the choice of rows.
    """
    if 8 * inputs * inputs <= most_bytes:
        return Moments.empty(inputs, outputs)
    most = min(most_bytes // (8 * inputs), int((most_bytes / 8) ** 0.5))
    return Rows.empty(inputs, outputs, most=max(2, most), seed=seed)


@dataclass(slots=True, kw_only=True, eq=False)
class Rows:
    """Rows of what an operator reads and of what it should give.

    Each row that comes is given a random number; those with the least are kept. So rows that two
    keep below one bound are a uniform choice from all that both have seen.

    Attributes:
        most: how many rows are kept.
        x: of the inputs, float32, [rows, inputs].
        y: of the outputs, float32, [rows, outputs].
        numbers: the random number of each row, [rows].
        weights: how often each row counts, [rows].
        bound: rows with numbers from here on have been dropped.
    """

    most: int
    x: Array
    y: Array
    numbers: Array
    weights: Array
    bound: float = 1.0
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @classmethod
    def empty(cls, inputs: int, outputs: int, *, most: int, seed: int = 0) -> Rows:
        """Of no rows."""
        return cls(
            most=most,
            x=np.zeros((0, inputs), np.float32),
            y=np.zeros((0, outputs), np.float32),
            numbers=np.zeros(0),
            weights=np.zeros(0),
            _random=np.random.default_rng(seed),
        )

    @property
    def rows(self) -> float:
        """How many are kept: the sum of their weights."""
        return float(self.weights.sum())

    @property
    def mean(self) -> Array:
        """Of each input."""
        return np.asarray(self.weights @ self.x / (self.rows or 1.0))

    @property
    def second(self) -> Array:
        """The mean square of each input."""
        total = np.einsum("n,np,np->p", self.weights, self.x, self.x, dtype=np.float64)
        return np.asarray(total / (self.rows or 1.0))

    @property
    def mean_y(self) -> Array:
        """Of each output."""
        return np.asarray(self.weights @ self.y / (self.rows or 1.0))

    @property
    def variance(self) -> float:
        """Of the outputs, all together."""
        distance = self.y - self.mean_y
        return float(self.weights @ (distance * distance).sum(axis=1) / (self.rows or 1.0))

    def add(self, x: Array, y: Array, weights: Array | None = None) -> None:
        """Add rows x [rows, inputs] and y [rows, outputs], each counted so often; None: once."""
        weights = np.ones(len(x)) if weights is None else weights.astype(np.float64)
        numbers = self._random.random(len(x))
        taken = numbers < self.bound
        self.x = np.concatenate([self.x, x[taken].astype(np.float32)])
        self.y = np.concatenate([self.y, y[taken].astype(np.float32)])
        self.numbers = np.concatenate([self.numbers, numbers[taken]])
        self.weights = np.concatenate([self.weights, weights[taken]])
        if len(self.x) > self.most:
            self._keep_below(float(np.partition(self.numbers, self.most)[self.most]))

    def _keep_below(self, bound: float) -> None:
        kept = self.numbers < bound
        self.x, self.y = self.x[kept], self.y[kept]
        self.numbers, self.weights = self.numbers[kept], self.weights[kept]
        self.bound = bound

    def joined(self, other: Rows) -> Rows:
        """Of the rows of both, as if one choice had been made from all."""
        bound = min(self.bound, other.bound)
        kept = [one.numbers < bound for one in (self, other)]
        parts = list(zip((self, other), kept, strict=True))
        return Rows(
            most=self.most + other.most,
            x=np.concatenate([one.x[own] for one, own in parts]),
            y=np.concatenate([one.y[own] for one, own in parts]),
            numbers=np.concatenate([one.numbers[own] for one, own in parts]),
            weights=np.concatenate([one.weights[own] for one, own in parts]),
            bound=bound,
        )

    def of_columns(self, columns: Array) -> Rows:
        """Of some of the inputs only."""
        return Rows(
            most=self.most,
            x=self.x[:, columns],
            y=self.y,
            numbers=self.numbers,
            weights=self.weights,
            bound=self.bound,
        )

    def error(self, weight: Array, bias: Array) -> float:
        """The mean squared error of an operator [outputs, inputs], over its outputs together."""
        left = self.y - bias
        for part in self._blocks():
            left -= self.x[:, part].astype(np.float64) @ weight[:, part].T
        return float(self.weights @ (left * left).sum(axis=1) / (self.rows or 1.0))

    def solved(self, start: Array, dampings: Sequence[float]) -> Iterator[tuple[Array, Array]]:
        """For each damping the weight and bias, by ridge regression towards a start."""
        from scipy.linalg import cho_factor, cho_solve

        mean, count = self.mean, self.rows
        products, scale = self._products(mean)
        residual = self._root() * (self.y - self.mean_y)
        for part in self._blocks():
            residual -= self._centred(mean, part) @ start[:, part].T
        for damping in dampings:
            weight = start.astype(np.float64)
            if len(self.x):
                damped = products + count * damping * scale * np.eye(len(self.x))
                dual = cho_solve(cho_factor(damped, overwrite_a=True), residual)
                for part in self._blocks():
                    weight[:, part] += dual.T @ self._centred(mean, part)
            yield weight, self.mean_y - weight @ mean

    def inverse(self, damping: float) -> Inverse:
        """Of the damped covariance; the damping, above 0, is a share of the mean variance."""
        from scipy.linalg import cholesky, solve_triangular

        mean = self.mean
        products, scale = self._products(mean)
        low = np.zeros((self.x.shape[1], len(self.x)))
        if len(self.x):
            damped = products + self.rows * damping * scale * np.eye(len(self.x))
            factor = cholesky(damped, lower=True)
            for part in self._blocks():
                low[part] = solve_triangular(factor, self._centred(mean, part), lower=True).T
        return _LowRank(low, damping * scale)

    def _blocks(self) -> Iterator[slice]:
        for start in range(0, self.x.shape[1], _BLOCK):
            yield slice(start, start + _BLOCK)

    def _root(self) -> Array:
        return np.asarray(np.sqrt(self.weights)[:, None])

    def _centred(self, mean: Array, part: slice) -> Array:
        return np.asarray(self._root() * (self.x[:, part].astype(np.float64) - mean[part]))

    def _products(self, mean: Array) -> tuple[Array, float]:
        """K [rows, rows], and the inputs' mean variance."""
        found = np.zeros((len(self.x), len(self.x)))
        for part in self._blocks():
            own = self._centred(mean, part)
            found += own @ own.T
        scale = float(np.trace(found)) / (self.rows or 1.0) / self.x.shape[1] or 1.0
        return found, scale


class _LowRank:
    """The inverse as (I - F F^T) / damping, with F [inputs, rows]."""

    def __init__(self, low: Array, damping: float) -> None:
        self._low, self._damping = low, damping

    def cost(self, places: Array, part: Array) -> float:
        """See `Inverse`."""
        own = self._low[places]
        if len(places) <= own.shape[1]:
            solved = np.linalg.solve(np.eye(len(own)) - own @ own.T, part.T)
            return self._damping * float((solved * part.T).sum())
        seen = part @ own
        more = np.linalg.solve(np.eye(own.shape[1]) - own.T @ own, seen.T)
        return self._damping * float((part * part).sum() + (more * seen.T).sum())

    def leave(self, places: Array, part: Array) -> tuple[float, Array]:
        """See `Inverse`."""
        before, sizes, behind = np.linalg.svd(self._low[places], full_matrices=False)
        left = np.maximum(1.0 - sizes * sizes, _TINY)
        seen = part @ before
        cost = float((part * part).sum() + (seen * seen * (sizes * sizes / left)).sum())
        self._low = np.delete(self._low, places, axis=0)
        correction = np.empty((len(part), len(self._low)))
        for start in range(0, len(self._low), _BLOCK):
            rows = self._low[start : start + _BLOCK]
            along = rows @ behind.T
            correction[:, start : start + _BLOCK] = (seen * (sizes / left)) @ along.T
            rows += (along * (1.0 / np.sqrt(left) - 1.0)) @ behind
        return self._damping * cost, correction

    def sweeps(self, step: int) -> Iterator[Array]:
        """See `Inverse`."""
        from scipy.linalg import cholesky, solve_triangular

        while len(self._low):
            own = self._low[:step]
            block = (np.eye(len(own)) - own @ own.T) / self._damping
            factor = cholesky(block, lower=False)
            beside = own @ self._low[len(own) :].T / -self._damping
            yield np.hstack([factor, solve_triangular(factor, beside, trans="T")])
            self.leave(np.arange(len(own)), np.zeros((0, len(own))))
