"""Columns of samples on disk: written one by one, read back one by one.

A column is one input (or the labels) of all samples: a raw file of the elements one after another
in the store, and beside it each sample's shape and place. So ten thousand samples of any shapes
cost no memory, and a child process opens the same files.
"""

import math
import shutil
from array import array as compact
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lissom.errors import SamplesError
from lissom.store.hashing import Json
from lissom.store.store import FileRef, Store

__all__ = ["MAX_BYTES", "Column", "ColumnReader", "ColumnWriter"]

MAX_BYTES = 64 << 30
"""What the samples of one run may take together; more is a mistake or an attack."""

_TEXT = "string"  # text is kept as UTF-8, each element ended by a zero byte
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One named value of every sample, in the store.

    Attributes:
        name: the input's name.
        dtype: NumPy name of the type, or `string`.
        file: the elements of all samples, one after another.
        layout: sha256 of the stored arrays `shapes` [n, rank] and `starts` [n + 1].
    """

    name: str
    dtype: str
    file: FileRef
    layout: str

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "file": self.file.to_json(),
            "layout": {"object": self.layout},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Column":
        """Read what `to_json` wrote."""
        return cls(
            name=value["name"],
            dtype=value["dtype"],
            file=FileRef.from_json(value["file"]),
            layout=value["layout"]["object"],
        )


class ColumnWriter:
    """Takes the samples of one column in order; `finish` puts them into the store."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.dtype = ""
        self._rank = -1
        self._path = path
        self._stream = path.open("wb")
        self._shapes = compact("q")
        self._starts = compact("q", [0])
        self._written = 0

    def append(self, value: Array, where: str) -> bytes:
        """Add one sample's value; answers the bytes that were written.

        Raises:
            SamplesError: the type or rank is not that of the samples before, or the disk is full.
        """
        dtype = _TEXT if value.dtype.kind == "U" else value.dtype.name
        if not self.dtype:
            self.dtype, self._rank = dtype, value.ndim
        if (dtype, value.ndim) != (self.dtype, self._rank):
            raise SamplesError(
                f"{where}: {self.name!r} is {dtype} of rank {value.ndim}; "
                f"before it was {self.dtype} of rank {self._rank}"
            )
        if dtype == _TEXT:
            words = [str(text) for text in value.ravel()]
            if any("\0" in word for word in words):
                raise SamplesError(f"{where}: {self.name!r} holds a zero character; remove it")
            data = "".join(word + "\0" for word in words).encode("utf-8", "surrogatepass")
        else:
            data = np.ascontiguousarray(value).tobytes()
        if len(data) > shutil.disk_usage(self._path.parent).free:
            raise SamplesError(
                f"{where}: no room left for samples on the disk of {self._path.parent}; "
                "give fewer samples, or another store"
            )
        self._stream.write(data)
        self._written += len(data)
        self._shapes.extend(value.shape)
        self._starts.append(self._written)
        return data

    def finish(self, store: Store) -> Column:
        """Close the file and move it into the store."""
        self._stream.close()
        count = len(self._starts) - 1
        shapes = np.asarray(self._shapes, dtype=np.int64).reshape(count, max(0, self._rank))
        starts = np.asarray(self._starts, dtype=np.int64)
        layout = store.put_arrays({"shapes": shapes, "starts": starts})
        file = store.put_file(self._path, ".bin")
        self._path.unlink()
        return Column(name=self.name, dtype=self.dtype, file=file, layout=layout)

    def close(self) -> None:
        """Let go of the file, whatever happened; `finish` need not have been called."""
        self._stream.close()


class ColumnReader:
    """Reads one column's samples from the store, by number."""

    def __init__(self, column: Column, store: Store) -> None:
        layout = store.arrays(column.layout)
        self.shapes: Array = layout["shapes"]
        self._starts: Array = layout["starts"]
        self._text = column.dtype == _TEXT
        self._dtype = np.dtype(np.uint8 if self._text else column.dtype)
        self._path = store.file(column.file)

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape of one sample's value."""
        return tuple(int(size) for size in self.shapes[index])

    def read(self, index: int) -> Array:
        """Copy one sample's value into memory."""
        start, end = int(self._starts[index]), int(self._starts[index + 1])
        # Read, not mapped: pages of a map count as this process's memory once touched.
        with self._path.open("rb") as stream:
            stream.seek(start)
            raw = stream.read(end - start)
        shape = self.shape(index)
        if self._text:
            words = [
                part.decode("utf-8", "surrogatepass")
                for part in raw.split(b"\0")[: math.prod(shape)]
            ]
            return np.asarray(words, dtype=np.str_).reshape(shape)
        return np.frombuffer(raw, dtype=self._dtype).reshape(shape)
