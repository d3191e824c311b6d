"""Whether an array fits a model's input: names, types, ranks, fixed dimensions, in plain words.

Casts are made among floats (float64 to float32) and among integers (int32 to int64), if the values
fit into the type. Whatever would need a decision, such as turning bytes into floats, is refused
with a hint.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.near import near

__all__ = ["LABEL_KEYS", "Array", "check_names", "fit", "label_key", "listed", "pick"]

LABEL_KEYS = ("label", "labels")
"""The names under which labels may stand beside the inputs."""

Array = np.ndarray[Any, np.dtype[Any]]


def listed(names: Iterable[str]) -> str:
    """Name things in a message: quoted, at most eight."""
    shown = [repr(name) for name in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")


def label_key(names: Iterable[str], ports: Sequence[Port]) -> str | None:
    """Find the name that holds labels; None if there is none, or if it is an input's name."""
    inputs = {port.name for port in ports}
    return next((name for name in LABEL_KEYS if name in names and name not in inputs), None)


def check_names(given: Iterable[str], ports: Sequence[Port], where: str) -> None:
    """Check that exactly the model's inputs are given; labels may stand beside them.

    Raises:
        SamplesError: an input is missing, or a name is not an input; near names are suggested.
    """
    names = set(given)
    expected = [port.name for port in ports]
    names.discard(label_key(names, ports) or "")
    missing = [name for name in expected if name not in names]
    extra = sorted(names.difference(expected))
    if not missing and not extra:
        return
    parts = [f"{where}: the model's inputs are {listed(expected)}"]
    if missing:
        parts.append(f"missing: {listed(missing)}")
    if extra:
        parts.append(f"not an input: {listed(extra)}")
    meant = {name: like[0] for name in extra if (like := near(name, missing))}
    if len(missing) == 1 == len(extra):
        meant = {extra[0]: missing[0]}
    if meant:
        parts.append("rename " + ", ".join(f"{a!r} to {b!r}" for a, b in meant.items()))
    raise SamplesError("; ".join(parts))


def fit(array: Array, port: Port, where: str) -> Array:
    """Return the array as the port takes it: the port's type, rank and fixed dimensions.

    A first axis of 1 passes where the port wants a fixed batch: samples are grouped later.

    Args:
        array: one whole input, its rank that of the port.
        port: the model's input.
        where: what the message calls the place, such as `x.npz, sample 3`.

    Raises:
        SamplesError: type, rank or a fixed dimension does not fit, NaN, or an infinity in what is
            no mask.
    """
    array = np.asarray(array)
    shape = port.shape if port.ranked else (None,) * array.ndim
    if array.ndim != len(shape):
        raise SamplesError(
            f"{where}: input {port.name!r} is {_shape(array.shape)}, rank {array.ndim}; "
            f"the model takes rank {len(port.shape)}, {_shape(port.shape)}"
        )
    for axis, (found, wanted) in enumerate(zip(array.shape, shape, strict=True)):
        grouped = axis == 0 and found == 1
        if isinstance(wanted, int) and found != wanted and not grouped:
            raise SamplesError(
                f"{where}: input {port.name!r} is {_shape(array.shape)}; the model takes "
                f"{_shape(port.shape)}: axis {axis} must be {wanted}"
            )
    cast = _cast(array, port, where)
    if cast.dtype.kind == "f" and np.isnan(cast).any():
        raise SamplesError(f"{where}: input {port.name!r} holds NaN; leave this sample out")
    # A mask that is added to scores holds -inf where nothing may be seen, and nothing above zero.
    if cast.dtype.kind == "f" and np.isinf(cast).any() and cast.max() > 0:
        raise SamplesError(
            f"{where}: input {port.name!r} holds an infinity and is no mask (0 or less); "
            "leave this sample out"
        )
    return cast


def _shape(shape: Sequence[int | str | None]) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def _cast(array: Array, port: Port, where: str) -> Array:
    kind = array.dtype.kind
    refused = f"{where}: input {port.name!r} is {array.dtype.name}, the model takes {port.dtype}"
    if port.dtype == "string":
        if kind != "U":
            raise SamplesError(f"{refused}: give text (a NumPy array of fixed-width strings)")
        return array
    try:
        wanted = np.dtype(port.dtype)
    except TypeError:
        raise SamplesError(f"{refused}, which samples cannot hold") from None
    if array.dtype == wanted:
        return array
    if kind == "f" == wanted.kind:
        with np.errstate(over="ignore"):
            cast = array.astype(wanted)
        if np.isinf(cast).sum() != np.isinf(array).sum():
            raise SamplesError(f"{refused}: its values are too large for {port.dtype}")
        return cast
    if kind in "iu" and wanted.kind in "iu":
        cast = array.astype(wanted)
        if not np.array_equal(cast, array):
            raise SamplesError(f"{refused}: its values are outside the range of {port.dtype}")
        return cast
    hint = f"convert it to {port.dtype} yourself"
    if kind in "iu" and wanted.kind == "f":
        hint = (
            f"preprocess it as in training (scale, subtract the mean), then save it as {port.dtype}"
        )
    elif kind in "OV":
        hint = "arrays of Python objects or structures are never read; save plain numbers"
    raise SamplesError(f"{refused}: {hint}")


def pick(arrays: Mapping[str, Array], ports: Sequence[Port], where: str) -> dict[str, Array]:
    """Check one feed's names and fit each input; labels are left out.

    Raises:
        SamplesError: see `check_names` and `fit`.
    """
    check_names(arrays, ports, where)
    return {port.name: fit(arrays[port.name], port, where) for port in ports}
