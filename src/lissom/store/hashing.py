"""Names made of content: the SHA-256 of a file, of a JSON value, of a set of arrays.

Two values that mean the same have the same hash on every machine: JSON is written with sorted keys
and no white space, arrays are hashed with their name, type and shape in little-endian order.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Json", "canonical_json", "sha256_arrays", "sha256_file", "sha256_json"]

Json: TypeAlias = Any
"""None, bool, int, float, str, or a list or a string-keyed mapping of these.

It is `Any` for the type checker, since a recursive alias would want a cast at every reading.
"""

_CHUNK_BYTES = 1 << 20


def canonical_json(value: Json) -> str:
    """Write a JSON value in its one canonical form.

    Args:
        value: What `json.dumps` can write; tuples count as lists.

    Raises:
        TypeError: `value` holds something that JSON has no form for (a NumPy scalar, a path).
        ValueError: `value` holds a NaN or an infinity, which JSON cannot say.
    """
    # Written and read once before: keys that are not text (JSON makes them text) sort as text then.
    plain = json.loads(json.dumps(value, allow_nan=False))
    return json.dumps(
        plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_json(value: Json) -> str:
    """Hash a JSON value; the order of keys does not matter. Answers 64 hexadecimal digits.

    Raises:
        TypeError: See `canonical_json`.
        ValueError: See `canonical_json`.
    """
    # A name of a file that is not text for the system has characters that UTF-8 has no form for.
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash a file's bytes, read in pieces. Answers 64 hexadecimal digits.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Hash named arrays of any shapes with their types; the order of names does not matter.

    Raises:
        TypeError: An array holds Python objects, which have no bytes of their own.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        if array.dtype.hasobject:
            raise TypeError(f"array {name!r} holds Python objects; give numbers or fixed strings")
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        head = canonical_json([name, _type_name(array.dtype), list(array.shape)])
        digest.update(head.encode() + b"\n")
        digest.update(little.tobytes())
    return digest.hexdigest()


def _type_name(dtype: np.dtype[Any]) -> str:
    # `name` leaves out the byte order, which is the same for all once the bytes are little-endian;
    # for text and structures it leaves out too much, so their full description is taken.
    return dtype.name if dtype.kind in "biufc" else str(dtype.newbyteorder("<"))
