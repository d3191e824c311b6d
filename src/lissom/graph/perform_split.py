"""Let weights have channels several times, shared out where a sum goes over them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lissom.errors import BrokenPromise
from lissom.graph.cutting import WeightGrowth
from lissom.graph.edit import SplitChannels, describe
from lissom.graph.perform_counts import count_anew, put
from lissom.graph.perform_draft import Draft

__all__ = ["split_channels"]


def split_channels(draft: Draft, edit: SplitChannels) -> None:
    """Grow weights, rewrite settings, and say the sizes that values have now.

    Raises:
        BrokenPromise: the edit names what the model does not have.
    """
    why = describe(edit)
    for one in edit.growths:
        value = draft.ir.graph.initializers.get(one.weight)
        if value is None or value.const_value is None or value.is_graph_input():
            raise BrokenPromise(f"{why}: the model has no weight {one.weight!r} of its own")
        put(value, _grown(value.const_value.numpy(), one, why))
    count_anew(draft, edit, why)


def _grown(array: np.ndarray[Any, Any], growth: WeightGrowth, why: str) -> np.ndarray[Any, Any]:
    """The array with runs of indices repeated, and shared out if a sum goes along the axis."""
    if not 0 <= growth.axis < array.ndim:
        raise BrokenPromise(f"{why}: {growth.weight!r} has no axis {growth.axis}")
    size, done = array.shape[growth.axis], 0
    order: list[int] = []
    counts: list[int] = []
    for start, end, times in growth.copied:
        if not done <= start < end <= size or times < 2:
            raise BrokenPromise(
                f"{why}: {growth.weight!r} has no such indices along axis {growth.axis}"
            )
        order += [*range(done, start), *(list(range(start, end)) * times)]
        counts += [*[1] * (start - done), *[times] * (times * (end - start))]
        done = end
    order += range(done, size)
    counts += [1] * (size - done)
    found = np.take(array, order, growth.axis)
    if not growth.shared:
        return np.ascontiguousarray(found)
    wide = [1] * array.ndim
    wide[growth.axis] = len(counts)
    return np.ascontiguousarray(found / np.asarray(counts, array.dtype).reshape(wide))
