"""Choose one option for each of many units: least cost in all, harm in all within a limit.

The multiple-choice knapsack problem, solved as an integer program (`scipy.optimize.milp`): exact up
to a stated gap, and quick for thousands of units, since its relaxation is nearly whole by itself
(Sinha and Zoltners, 1979, "The multiple-choice knapsack problem").
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["cheapest"]

Array: TypeAlias = npt.NDArray[Any]

_GAP = 1e-4  # of the best cost: far below what a clock can tell
_SECONDS = 10.0


def cheapest(costs: Array, harms: Array, most: float) -> Array | None:
    """The cheapest choice of one option a unit whose harms add up to `most` at most.

    Args:
        costs: [units, options]; infinite where a unit does not have the option.
        harms: [units, options], not negative.
        most: that all harms together may reach.

    Returns:
        The option of each unit, [units]; None where even the least harms add up to more.

    Raises:
        ValueError: shapes differ, a harm is negative, or a unit has no option.
    """
    costs, harms = np.asarray(costs, np.float64), np.asarray(harms, np.float64)
    possible = np.isfinite(costs) & np.isfinite(harms)
    if costs.shape != harms.shape or costs.ndim != 2:
        raise ValueError(f"costs are {list(costs.shape)}, harms {list(harms.shape)}")
    if not len(costs):
        return np.zeros(0, np.int64)
    if not possible.any(axis=1).all():
        raise ValueError("a unit has no option")
    if (harms[possible] < 0).any():
        raise ValueError("a harm is negative")
    least = np.where(possible, harms, np.inf)
    if least.min(axis=1).sum() > most:
        return None
    if np.where(possible, harms, 0.0).max(axis=1).sum() <= most:
        return np.asarray(np.where(possible, costs, np.inf).argmin(axis=1))
    return _solved(costs, harms, possible, most)


def _solved(costs: Array, harms: Array, possible: Array, most: float) -> Array:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_matrix, vstack

    units, _ = costs.shape
    owner, option = np.nonzero(possible)
    count = len(owner)
    one_each = csr_matrix((np.ones(count), (owner, np.arange(count))), shape=(units, count))
    scale = max(most, float(harms[possible].max())) or 1.0
    all_harm = csr_matrix(harms[possible][None, :] / scale)
    answer = milp(
        c=costs[possible],
        constraints=LinearConstraint(
            vstack([one_each, all_harm]),
            np.append(np.ones(units), -np.inf),
            np.append(np.ones(units), most / scale),
        ),
        integrality=np.ones(count),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": _GAP, "time_limit": _SECONDS},
    )
    if answer.x is None:  # out of time before any choice was found: the least harm is one
        return np.asarray(np.where(possible, harms, np.inf).argmin(axis=1))
    chosen = np.zeros(units, np.int64)
    taken = np.flatnonzero(answer.x > 0.5)
    chosen[owner[taken]] = option[taken]
    return chosen
