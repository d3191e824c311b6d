"""Connectionist temporal classification: reading a line off its steps, and how likely a line is.

Source: Graves et al., Connectionist Temporal Classification, ICML 2006, section 4.1 (forward
variables, eq. 5 to 8) and section 3.2 (best path decoding).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lissom.numerics.sketch import Sketch

__all__ = ["collapse", "line_probability"]


def collapse(steps: NDArray[Any], blank: int) -> tuple[int, ...]:
    """Read a line: repeats of the likeliest class of each step [t] are joined, blanks dropped."""
    if len(steps) == 0:
        return ()
    keep = np.ones(len(steps), dtype=bool)
    keep[1:] = steps[1:] != steps[:-1]
    return tuple(int(symbol) for symbol in steps[keep & (steps != blank)])


def line_probability(steps: Sketch, lines: Sequence[Sequence[int]], blank: int) -> list[float]:
    """Probability of each line under the same steps, summed over all ways to write it.

    Args:
        steps: a distribution for each step, [t].
        lines: class numbers without blanks.
        blank: the class that separates.
    """
    return [_forward(steps, line, blank) for line in lines]


def _forward(steps: Sketch, line: Sequence[int], blank: int) -> float:
    # l': the line with blanks around and between its symbols.
    states = np.full(2 * len(line) + 1, blank, dtype=np.int64)
    states[1::2] = line
    symbols, place = np.unique(states, return_inverse=True)
    emit = steps.probability(np.tile(symbols, (len(steps), 1)))[:, place]
    # A blank between two different symbols may be left out (eq. 6).
    skip = np.zeros(len(states))
    skip[3::2] = (states[3::2] != states[1:-2:2]).astype(float)
    alpha = np.zeros(len(states))
    alpha[0] = 1.0
    log_scale = 0.0
    # `alpha` starts before the first step: state 0 stays, or moves to state 1.
    for t, row in enumerate(emit):
        moved = alpha.copy()
        moved[1:] += alpha[:-1]
        if t > 0:
            moved[2:] += alpha[:-2] * skip[2:]
        alpha = moved * row
        total = float(alpha.sum())
        if total <= 0.0:
            return 0.0
        alpha /= total
        log_scale += float(np.log(total))
    ends = float(alpha[-1] + (alpha[-2] if len(states) > 1 else 0.0))
    return min(1.0, ends * float(np.exp(log_scale)))
