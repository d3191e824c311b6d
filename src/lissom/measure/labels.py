"""Labels, some of which may be unknown: -1 among whole numbers, NaN, or empty text.

A few labels are enough to correct what is expected of all samples (see `estimate`), so a label may
be missing wherever nobody has looked.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lissom.errors import SamplesError
from lissom.measure.fitting import Array

__all__ = ["known", "plain"]


def known(label: Array) -> bool:
    """Whether one sample's label says anything: not all of it is -1, NaN or empty."""
    if label.size == 0:
        return False
    kind = label.dtype.kind
    if kind == "f":
        return not bool(np.isnan(label).all())
    if kind == "U":
        return bool((label != "").any())
    return kind in "bu" or bool((label != -1).any())


def plain(labels: object, where: str) -> Array:
    """Labels as an array without objects: None becomes -1, NaN or empty text.

    Args:
        labels: an array, or a list with one entry a sample, None where it is unknown.
        where: what a message calls them.

    Raises:
        SamplesError: they are no array of numbers or strings.
    """
    array = np.asarray(labels)
    if array.dtype.hasobject and array.ndim == 1:
        array = _filled(array, where)
    if array.dtype.hasobject or array.ndim == 0 or array.dtype.kind not in "biufU":
        raise SamplesError(
            f"{where} must be an array of numbers or strings, one entry a sample; "
            "an unknown label is -1, NaN or an empty string"
        )
    return array


def _filled(array: NDArray[Any], where: str) -> Array:
    """A list with None in it, as an array of its own kind."""
    told = np.asarray([entry for entry in array.tolist() if entry is not None])
    if told.size == 0:
        return np.full(len(array), -1)
    if told.ndim != 1 or told.dtype.kind not in "iufU":
        raise SamplesError(f"{where}: beside None only numbers or strings can stand")
    unknown: object = {"f": np.nan, "U": ""}.get(told.dtype.kind, -1)
    dtype = told.dtype if told.dtype.kind != "u" else np.dtype(np.int64)
    return np.asarray([unknown if entry is None else entry for entry in array.tolist()], dtype)
