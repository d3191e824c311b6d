"""Layers to round, as trained networks have them: correlated inputs, heavy-tailed weights."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def layer(outputs: int = 16, inputs: int = 48, *, seed: int = 0) -> tuple[Array, Array]:
    """W [outputs, inputs] and H [inputs, inputs] of inputs that move together."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((inputs, inputs // 3)) * rng.uniform(0.2, 2.0, (inputs, 1))
    x = rng.standard_normal((400, inputs // 3)) @ mixing.T
    x += 0.3 * rng.standard_normal((400, inputs))
    return rng.standard_t(5, (outputs, inputs)) / np.sqrt(inputs), x.T @ x / len(x)
