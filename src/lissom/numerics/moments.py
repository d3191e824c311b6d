"""Linear operators fitted in closed form, from streamed second moments, in float64.

An operator y = W x + b over rows of x [rows, inputs] and y [rows, outputs] is determined by sums
over rows: of 1, x, y, x xT, y xT and y^2. They are gathered row by row, in memory that does not
grow with their number, and can be added. Columns of x that leave are left out afterwards.

    fit      min over W, b of E|y - W x_K - b|^2 + d |W - W0|^2   (ridge regression towards W0)
    eliminate  which columns cost least, and what, if W is fitted anew without them

Above a width their square matrix is too large: then `lissom.numerics.dual` keeps rows instead.
Both are `Statistics`: what is fitted and eliminated here does not know which it has.

The cost of columns S is tr(W_S [(C^-1)_SS]^-1 W_S^T) with C the covariance of x, and what is left
of W after it W - W_S [(C^-1)_SS]^-1 (C^-1)_S: Optimal Brain Surgeon (Hassibi and Stork 1992,
equations 5 and 6) for blocks of columns, whose constant parts the bias takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Elimination", "Fit", "Inverse", "Moments", "Statistics", "eliminate", "fit"]

Array: TypeAlias = npt.NDArray[Any]
_CONSTANT = 1e-14  # a variance as a share of the mean square


class Inverse(Protocol):
    """(C + d I)^-1 of the inputs' covariance C, from which inputs leave; what is left shrinks.

    Places are those of what is left now.
    """

    def cost(self, places: Array, part: Array) -> float:
        """tr(W_S [(C^-1)_SS]^-1 W_S^T) of some inputs S, whose weights are part [outputs, S]."""

    def leave(self, places: Array, part: Array) -> tuple[float, Array]:
        """Let inputs leave.

        Returns:
            What it costs, and what is added to the weights of those that stay [outputs, stay].
        """

    def sweeps(self, step: int) -> Iterator[Array]:
        """Rows of U with C^-1 = U^T U, so many at a time, from their diagonal on; uses it up."""


class Statistics(Protocol):
    """What rows say about an operator that reads x and should give y."""

    @property
    def rows(self) -> float:
        """How many there are: the sum of their weights."""

    @property
    def mean(self) -> Array:
        """Of each input."""

    @property
    def second(self) -> Array:
        """The mean square of each input."""

    @property
    def mean_y(self) -> Array:
        """Of each output."""

    @property
    def variance(self) -> float:
        """Of the outputs, all together."""

    def add(self, x: Array, y: Array, weights: Array | None = None) -> None:
        """Add rows x [rows, inputs] and y [rows, outputs], each counted so often; None: once."""

    def joined(self, other: Self) -> Self:
        """Of the rows of both."""

    def of_columns(self, columns: Array) -> Self:
        """Of some of the inputs only."""

    def error(self, weight: Array, bias: Array) -> float:
        """The mean squared error of an operator [outputs, inputs], over its outputs together."""

    def solved(self, start: Array, dampings: Sequence[float]) -> Iterator[tuple[Array, Array]]:
        """For each damping the weight and bias, by ridge regression towards a start."""

    def inverse(self, damping: float) -> Inverse:
        """Of the damped covariance; the damping is a share of the inputs' mean variance."""


@dataclass(slots=True, kw_only=True, eq=False)
class Moments:
    """Sums over rows of what an operator reads and of what it should give.

    Attributes:
        rows: how many; a row counts as often as its weight says, in all sums.
        x: of the inputs, [inputs].
        xx: of their products, [inputs, inputs].
        y: of the outputs, [outputs].
        yx: of outputs times inputs, [outputs, inputs].
        yy: of squared outputs, [outputs].
    """

    rows: float
    x: Array
    xx: Array
    y: Array
    yx: Array
    yy: Array

    @classmethod
    def empty(cls, inputs: int, outputs: int) -> Moments:
        """Of no rows."""
        return cls(
            rows=0,
            x=np.zeros(inputs),
            xx=np.zeros((inputs, inputs)),
            y=np.zeros(outputs),
            yx=np.zeros((outputs, inputs)),
            yy=np.zeros(outputs),
        )

    def add(self, x: Array, y: Array, weights: Array | None = None) -> None:
        """Add rows x [rows, inputs] and y [rows, outputs]: many at a time, each call costs."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        if weights is not None:  # of second moments, so that plain sums take them once more
            root = np.sqrt(weights.astype(np.float64))
            x, y = x * root[:, None], y * root[:, None]
        count = np.ones(len(x)) if weights is None else root
        self.rows += float(count @ count)
        self.x += count @ x
        self.xx += x.T @ x
        self.y += count @ y
        self.yx += y.T @ x
        self.yy += (y * y).sum(axis=0)

    def joined(self, other: Moments) -> Moments:
        """Of the rows of both."""
        return Moments(
            rows=self.rows + other.rows,
            x=self.x + other.x,
            xx=self.xx + other.xx,
            y=self.y + other.y,
            yx=self.yx + other.yx,
            yy=self.yy + other.yy,
        )

    def of_columns(self, columns: Array) -> Moments:
        """Of some of the inputs only."""
        return Moments(
            rows=self.rows,
            x=self.x[columns],
            xx=self.xx[np.ix_(columns, columns)],
            y=self.y,
            yx=self.yx[:, columns],
            yy=self.yy,
        )

    @property
    def covariance(self) -> Array:
        """Of the inputs, [inputs, inputs]."""
        mean, found = self.mean, self.xx / (self.rows or 1.0)
        for row, own in zip(found, mean, strict=True):  # one at a time: the matrix may be large
            row -= own * mean
        # What is constant has no variance; with weights, rounding leaves a little, of any sign.
        constant = np.diag(found) <= _CONSTANT * self.second
        found[constant] = 0.0
        found[:, constant] = 0.0
        return np.asarray(found)

    @property
    def mean(self) -> Array:
        """Of each input."""
        return np.asarray(self.x / (self.rows or 1.0))

    @property
    def second(self) -> Array:
        """The mean square of each input."""
        return np.asarray(np.diag(self.xx) / (self.rows or 1.0))

    @property
    def mean_y(self) -> Array:
        """Of each output."""
        return np.asarray(self.y / (self.rows or 1.0))

    @property
    def variance(self) -> float:
        """Of the outputs, all together."""
        count = self.rows or 1.0
        return float((self.yy / count - (self.y / count) ** 2).sum())

    def bias_for(self, weight: Array) -> Array:
        """The bias [outputs] with which an operator [outputs, inputs] gives the right means."""
        return np.asarray((self.y - weight @ self.x) / (self.rows or 1.0))

    def error(self, weight: Array, bias: Array) -> float:
        """The mean squared error of an operator [outputs, inputs], over its outputs together."""
        count = self.rows or 1.0
        cross = self.yx - np.outer(bias, self.x)
        quadratic = ((weight @ self.xx) * weight).sum() - 2 * (weight * cross).sum()
        constant = (self.yy - 2 * bias * self.y + count * bias * bias).sum()
        return float(max(0.0, quadratic + constant) / count)

    def solved(self, start: Array, dampings: Sequence[float]) -> Iterator[tuple[Array, Array]]:
        """For each damping the weight and bias, by ridge regression towards a start."""
        from scipy.linalg import cho_factor, cho_solve

        count, covariance = (self.rows or 1.0), self.covariance
        scale = _mean_variance(covariance)
        residual = self.yx / count - np.outer(self.mean_y, self.mean) - start @ covariance
        for damping in dampings:
            factor = cho_factor(_damped(covariance, damping * scale), overwrite_a=True)
            weight = start + cho_solve(factor, residual.T).T
            yield weight, self.mean_y - weight @ self.mean

    def inverse(self, damping: float) -> Inverse:
        """Of the damped covariance; the damping is a share of the inputs' mean variance."""
        from scipy.linalg import inv

        damped = self.covariance
        np.einsum("ii->i", damped)[:] += damping * _mean_variance(damped)
        # Overwritten, since it may be large; it is symmetric, and LAPACK wants columns.
        return _Dense(inv(damped.T, overwrite_a=True))


def _mean_variance(covariance: Array) -> float:
    return float(np.trace(covariance)) / len(covariance) or 1.0


def _damped(covariance: Array, by: float) -> Array:
    found = covariance.copy()
    np.einsum("ii->i", found)[:] += by
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """A fitted operator.

    Attributes:
        weight: [outputs, inputs].
        bias: [outputs].
        damping: that was taken, as a share of the inputs' mean variance.
    """

    weight: Array
    bias: Array
    damping: float


DAMPINGS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


_S = TypeVar("_S", bound=Statistics)


def fit(
    moments: _S,
    start: Array,
    held_out: _S | None = None,
    *,
    dampings: Sequence[float] = DAMPINGS,
    join: bool = True,
) -> Fit:
    """Fit an operator, held near the one that it starts from where rows say little.

    Args:
        moments: of the rows to fit to.
        start: W0 [outputs, inputs].
        held_out: of other rows, which choose the damping; the fit is then to both together.
        dampings: shares of the inputs' mean variance to choose from; the first without other rows.
        join: fit to the other rows too, once they have chosen.
    """
    chosen, least = dampings[0], np.inf
    if held_out is not None and len(dampings) > 1:
        for damping, tried in zip(dampings, moments.solved(start, dampings), strict=True):
            error = held_out.error(*tried)
            if error < least:
                chosen, least = damping, error
        moments = moments.joined(held_out) if join else moments
    weight, bias = next(moments.solved(start, (chosen,)))
    return Fit(weight=weight, bias=bias, damping=chosen)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Elimination:
    """Units in the order in which they leave.

    Attributes:
        order: numbers of units, the first to leave first; the last one stays.
        costs: the error when so many have left, the first after one, [units - 1].
    """

    order: Array
    costs: Array


def eliminate(
    systems: Sequence[tuple[Statistics, Array, Sequence[Array]]],
    *,
    damping: float = 1e-2,
    steps: int = 64,
) -> Elimination:
    """Let units leave one after another, always those that cost least after refitting the rest.

    Args:
        systems: for each operator that reads the units: what rows say of its inputs, its weights
            [outputs, inputs] scaled so that errors can be added up, and the columns of each unit.
        damping: of the covariances, as a share of their mean variance.
        steps: in how many steps at most; several units leave in one where there are more.
    """
    states = [_Surgery(*system, damping) for system in systems]
    count = len(systems[0][2])
    many = max(1, -(-count // steps))
    left = np.arange(count)
    order: list[int] = []
    costs: list[float] = []
    spent = 0.0
    while len(left) > 1:
        each = sum((state.costs(left) for state in states), np.zeros(len(left)))
        leaving = left[np.argsort(each, kind="stable")[: min(len(left) - 1, many)]]
        added = sum(state.remove(leaving) for state in states)
        shares = np.cumsum(each[np.searchsorted(left, leaving)])
        costs += (spent + added * shares / max(shares[-1], 1e-300)).tolist()
        order += leaving.tolist()
        spent += added
        left = np.setdiff1d(left, leaving)
    return Elimination(order=np.asarray([*order, *left]), costs=np.asarray(costs))


class _Surgery:
    """One operator, from which columns leave; what is left of it shrinks."""

    def __init__(
        self, statistics: Statistics, weight: Array, columns: Sequence[Array], damping: float
    ) -> None:
        self._inverse = statistics.inverse(damping)
        self._weight = weight.astype(np.float64)
        self._columns = [np.asarray(each) for each in columns]
        self._place = np.arange(weight.shape[1])  # of each column in what is left

    def costs(self, units: Array) -> Array:
        """What each of the units would cost now."""
        found = np.empty(len(units))
        for number, unit in enumerate(units.tolist()):
            places = self._place[self._columns[unit]]
            found[number] = self._inverse.cost(places, self._weight[:, places])
        return found

    def remove(self, units: Array) -> float:
        """Let units leave together; answer what it cost."""
        columns = np.concatenate([self._columns[unit] for unit in units.tolist()])
        places = self._place[columns]
        cost, correction = self._inverse.leave(places, self._weight[:, places])
        self._weight = np.delete(self._weight, places, axis=1)
        self._weight += correction
        self._place = self._place - np.searchsorted(np.sort(places), self._place)
        return cost


class _Dense:
    """The inverse as a matrix."""

    def __init__(self, inverse: Array) -> None:
        self._inverse = inverse

    def cost(self, places: Array, part: Array) -> float:
        """See `Inverse`."""
        block = self._inverse[np.ix_(places, places)]
        return float((np.linalg.solve(block, part.T) * part.T).sum())

    def leave(self, places: Array, part: Array) -> tuple[float, Array]:
        """See `Inverse`."""
        stays = np.ones(len(self._inverse), bool)
        stays[places] = False
        rows = self._inverse[places]
        step = np.linalg.solve(rows[:, places], rows[:, stays])
        cost = self.cost(places, part)
        self._inverse = self._inverse[np.ix_(stays, stays)]
        self._inverse -= rows[:, stays].T @ step
        return cost, -part @ step

    def sweeps(self, step: int) -> Iterator[Array]:
        """See `Inverse`."""
        from scipy.linalg import cholesky

        factor = cholesky(self._inverse, lower=False)
        for start in range(0, len(factor), step):
            yield factor[start : start + step, start:]
