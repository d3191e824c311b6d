"""References to what the store holds: small, printable, and JSON on request.

Their JSON has the key `object`. The store looks for it in the answers that it keeps, and forgets an
answer whose objects are gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lissom.store.hashing import Json

__all__ = ["ArrayRef", "FileRef"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayRef:
    """An array in the store: the hash of the object that holds it, its shape and its NumPy type."""

    sha256: str
    shape: tuple[int, ...]
    dtype: str

    def to_json(self) -> dict[str, Json]:
        """Write as JSON; the key `object` tells the store that a step depends on it."""
        return {"object": self.sha256, "shape": list(self.shape), "dtype": self.dtype}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "ArrayRef":
        """Read what `to_json` wrote."""
        return cls(sha256=value["object"], shape=tuple(value["shape"]), dtype=value["dtype"])


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """A file in the store: its hash, the end of its name (as `.onnx`) and its size."""

    sha256: str
    suffix: str
    size_bytes: int

    def to_json(self) -> dict[str, Json]:
        """Write as JSON; the key `object` tells the store that a step depends on it."""
        return {"object": self.sha256, "suffix": self.suffix, "size_bytes": self.size_bytes}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "FileRef":
        """Read what `to_json` wrote."""
        return cls(
            sha256=value["object"], suffix=value["suffix"], size_bytes=int(value["size_bytes"])
        )
