"""The numbers behind a coded weight, solved for while the codes are held.

In V = p[g] f each weight is one of a row's few numbers p (a table's levels, or scales) times a
known factor. The output error tr((V - W) H (V - W)^T) is quadratic in p, so its minimum is a
linear system of as many equations as there are numbers. Deep Compression (Han, Mao and Dally, 2015,
arXiv:1510.00149, section 3.3) gets there by gradients; this is where they lead.

    H: second moment or covariance of the inputs, [inputs, inputs]
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["refit"]

Array: TypeAlias = npt.NDArray[Any]

_PULL = 1e-6  # towards the start, where the error hardly depends on a number


def refit(hessian: Array, weight: Array, groups: Array, factors: Array, start: Array) -> Array:
    """The numbers p that minimize the output error of V = p[groups] x factors.

    Args:
        hessian: H [inputs, inputs].
        weight: W [outputs, inputs].
        groups: which number each weight is, [outputs, inputs].
        factors: what it is multiplied by, [outputs, inputs].
        start: p as they are: [outputs, numbers], or [numbers] where all outputs share them.

    Returns:
        p in the shape of `start`, float64.
    """
    from scipy.sparse import csr_matrix

    outputs, inputs = weight.shape
    count, places = start.shape[-1], np.arange(inputs)
    left = np.zeros((*start.shape, count))
    right = np.zeros(start.shape)
    for output in range(outputs):
        basis = csr_matrix((factors[output], (groups[output], places)), shape=(count, inputs))
        side = basis @ hessian
        at = output if start.ndim == 2 else ...
        left[at] += basis @ side.T
        right[at] += side @ weight[output]
    size = np.trace(left, axis1=-2, axis2=-1)[..., None] / count
    pull = _PULL * np.where(size > 0, size, 1.0)
    system = left + pull[..., None] * np.eye(count)
    return np.asarray(np.linalg.solve(system, (right + pull * start)[..., None])[..., 0])
