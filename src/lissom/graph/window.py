"""A file's bytes by position, read and not mapped.

Whoever cuts a mapped file off while it is read ends the process that reads it. Here that is an
error like any other.
"""

from typing import IO, Final, overload

from lissom.errors import ModelError

__all__ = ["Window"]

_PIECE_BYTES: Final = 1 << 20


class Window:
    """Indexed as bytes are; a piece of the file around the last position is kept.

    Raises:
        ModelError: On reading: the file is shorter than it was.
    """

    def __init__(self, stream: IO[bytes], size_bytes: int, where: str) -> None:
        self._stream = stream
        self._size_bytes = size_bytes
        self._where = where
        self._start = 0
        self._piece = b""

    def __len__(self) -> int:
        return self._size_bytes

    @overload
    def __getitem__(self, key: int) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> bytes: ...
    def __getitem__(self, key: int | slice) -> int | bytes:
        """One byte, or those of a slice without a step, from positions that are not negative."""
        if isinstance(key, slice):
            start, stop, _ = key.indices(self._size_bytes)
            return self._read(start, stop - start)
        place = key - self._start
        if not 0 <= place < len(self._piece):
            length = min(_PIECE_BYTES, self._size_bytes - key)
            self._piece, self._start, place = self._read(key, length), key, 0
        return self._piece[place]

    def _read(self, start: int, length: int) -> bytes:
        self._stream.seek(start)
        found = self._stream.read(max(0, length))
        if len(found) < length:
            raise ModelError(f"{self._where} became shorter while it was read; try again")
        return found
