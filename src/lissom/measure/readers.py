"""From what a user has (files, folders, arrays, iterables) to single feeds, one after another.

Files come from strangers: nothing is ever unpickled, sizes are checked as declared before anything
is unpacked, members of an archive are unpacked, piece by piece, into a private folder and mapped.
"""

import math
import os
import secrets
import shutil
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.measure.entries import confined, opened
from lissom.measure.fitting import Array, check_names, listed
from lissom.measure.images import IMAGE_SUFFIXES, Preprocessing, read_images
from lissom.measure.spool import MAX_BYTES
from lissom.store.disk import is_full

__all__ = ["RawFeed", "Source", "feeds_of", "read_npy"]

RawFeed: TypeAlias = tuple[str, Mapping[str, Array]]
"""Where a feed comes from, for messages, and its arrays by name (labels among them)."""

Source: TypeAlias = Path | str | Mapping[str, Array] | Iterable[Mapping[str, Array]] | Any
"""A path, stacked arrays by name, feeds one by one, or an object with `get_next()`."""

_MAX_MEMBERS = 1000
_MAX_RATIO = 100  # of unpacked to packed bytes, once the former are more than these:
_FREE_BYTES = 256 << 20
_MAX_EMPTY = 1 << 20
_HEADS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_CHUNK_BYTES = 1 << 20
_REMAP_BYTES = 64 << 20
_BROKEN = (
    ValueError, TypeError, OverflowError, SyntaxError, EOFError, MemoryError, RecursionError,
    AttributeError, KeyError, IndexError, struct.error, tokenize.TokenError,
)  # fmt: skip


def feeds_of(
    source: Source, ports: Sequence[Port], scratch: Path, preprocessing: Preprocessing | None
) -> Iterator[RawFeed]:
    """Read a source feed by feed, each array a whole input of one run.

    Args:
        source: see `Source`. A path is an `.npz` of stacked arrays, an `.npy` for a model with one
            input, a folder of `.npz` files (one feed each) or a folder of images.
        ports: the model's inputs.
        scratch: a private folder for what must be unpacked.
        preprocessing: how images become inputs; needed for a folder of images, refused elsewhere.

    Raises:
        SamplesError: the source cannot be read, is too large, or its names do not fit.
    """
    images = False
    get_next = getattr(source, "get_next", None)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        images = path.is_dir() and not any(path.glob("*.npz"))
        feeds = _from_path(path, ports, scratch, preprocessing)
    elif isinstance(source, Mapping):
        feeds = _stacked({name: _plain(name, a) for name, a in source.items()}, ports, "samples")
    elif callable(get_next):
        feeds = _numbered(iter(get_next, None))
    elif isinstance(source, Iterable) and not isinstance(source, np.ndarray):
        feeds = _numbered(source)
    else:
        raise SamplesError(
            f"samples cannot be read from a {type(source).__name__}; give a path, a mapping from "
            "input names to arrays, an iterable of such feeds, or an object with get_next()"
        )
    if preprocessing is not None and not images:
        raise SamplesError("preprocessing is for a folder of images; these samples are arrays")
    return feeds


def read_npy(path: Path, scratch: Path) -> Array:
    """Map a copy of an `.npy` file, read only.

    The file itself is not mapped: whoever cut it off meanwhile would end this process.

    Args:
        path: the file.
        scratch: a private folder, on whose disk there is room for the copy.

    Raises:
        SamplesError: not such a file, damaged, too large, or it holds Python objects.
    """
    copy = scratch / f"copy-{secrets.token_hex(4)}.npy"
    with opened(path) as source:
        size_bytes = os.fstat(source.fileno()).st_size
        free_bytes = shutil.disk_usage(scratch).free
        if size_bytes > min(MAX_BYTES, free_bytes):
            raise SamplesError(
                f"{path.name} has {size_bytes} bytes; at most {MAX_BYTES} are read, and the "
                f"store's disk has room for {free_bytes}; give fewer samples, or another --store"
            )
        with copy.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)
    return _guarded(path.name, lambda: _mapped(copy), path)


def _mapped(path: Path) -> Array:
    """Map an `.npy` file whose bytes are as many as it declares.

    Raises:
        ValueError: it is no such file, damaged, or holds Python objects.
    """
    # NumPy multiplies sizes in 64 bits, so what they need is told before it maps anything.
    with path.open("rb") as file:
        read_head = _HEADS.get(np.lib.format.read_magic(file))
        if read_head is None:
            raise ValueError("its version is unknown")
        shape, _, dtype = read_head(file)
        held = os.fstat(file.fileno()).st_size - file.tell()
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"its shape is {shape}")
    needed = math.prod(shape) * dtype.itemsize
    if needed > held and not dtype.hasobject:
        raise ValueError(f"it declares {needed} bytes and holds {held}")
    if needed == 0 and math.prod(size or 1 for size in shape) > _MAX_EMPTY:
        raise ValueError(f"its shape {shape} is empty and huge")
    array: Array = np.lib.format.open_memmap(path, mode="r")
    return array


def _guarded(name: str, read: Callable[[], Array], path: Path) -> Array:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a head that Python 2 wrote is as good as any
            array = read()
    except _BROKEN as error:
        raise SamplesError(
            f"{name} cannot be read as an array: {error}; "
            "save it with numpy.save, as numbers or fixed-width strings"
        ) from error
    except OSError as error:
        raise SamplesError(f"{path} cannot be read: {error}") from error
    if array.nbytes > MAX_BYTES:
        raise SamplesError(f"{name} declares {array.nbytes} bytes; at most {MAX_BYTES} are read")
    return array


def _from_path(
    path: Path, ports: Sequence[Port], scratch: Path, preprocessing: Preprocessing | None
) -> Iterator[RawFeed]:
    if path.is_dir():
        try:
            files = sorted(path.glob("*.npz"))
            images = any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in path.iterdir())
        except OSError as error:
            raise SamplesError(f"{path} cannot be read: {error.strerror or error}") from error
        if files:
            return _folder(confined(path, files), scratch)
        if images:
            return read_images(path, ports, preprocessing, scratch)
        raise SamplesError(f"{path} holds neither .npz files nor images; put one feed in each .npz")
    if not path.is_file():
        raise SamplesError(f"{path} does not exist; give a .npz, a .npy or a folder")
    if path.suffix.lower() == ".npy":
        if len(ports) != 1:
            raise SamplesError(
                f"{path.name} holds one array and the model has {len(ports)} inputs "
                f"({listed(port.name for port in ports)}); save an .npz with these names"
            )
        return _stacked({ports[0].name: read_npy(path, scratch)}, ports, path.name)
    if path.suffix.lower() == ".npz":
        return _stacked(_unpack(path, scratch), ports, path.name)
    raise SamplesError(f"{path.name} is neither .npz nor .npy; save with numpy.savez")


def _plain(name: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise SamplesError(
            f"{name!r} is an array of Python objects (rows of unequal length?); "
            "give numbers or fixed-width strings, and unequal feeds one by one"
        )
    return array


def _stacked(arrays: Mapping[str, Array], ports: Sequence[Port], where: str) -> Iterator[RawFeed]:
    """Cut arrays along their first axis: samples."""
    check_names(arrays, ports, where)
    counts: dict[str, int] = {}
    whole: dict[str, bool] = {}
    ranks = {port.name: len(port.shape) if port.ranked else None for port in ports}
    for name, array in arrays.items():
        if array.ndim == 0:
            raise SamplesError(f"{where}: {name!r} is one number; its first axis must be samples")
        counts[name] = len(array)
        rank = ranks.get(name)
        whole[name] = name not in ranks or rank == array.ndim - 1
        if name in ranks and rank is not None and rank not in (array.ndim, array.ndim - 1):
            raise SamplesError(
                f"{where}: {name!r} has rank {array.ndim}; the model's input has rank {rank}, so "
                f"give rank {rank} (first axis: samples) or {rank + 1} (whole inputs stacked)"
            )
    if len(set(counts.values())) > 1:
        raise SamplesError(f"{where}: unequal numbers of samples: {counts}")
    return _cut(arrays, whole, min(counts.values(), default=0), where)


def _cut(
    arrays: Mapping[str, Array], whole: Mapping[str, bool], count: int, where: str
) -> Iterator[RawFeed]:
    read = 0
    for i in range(count):
        if read > _REMAP_BYTES:
            # Pages that were read count as this process's memory until they are unmapped.
            arrays, read = {name: _remapped(array) for name, array in arrays.items()}, 0
        read += sum(array.nbytes // count for array in arrays.values())
        yield (
            f"{where}, sample {i}",
            {
                name: np.asarray(array[i] if whole[name] else array[i : i + 1])
                for name, array in arrays.items()
            },
        )


def _remapped(array: Array) -> Array:
    if isinstance(array, np.memmap) and array.filename is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as at the first reading
            again: Array = np.lib.format.open_memmap(array.filename, mode="r")
        return again
    return array


def _numbered(feeds: Iterable[Any]) -> Iterator[RawFeed]:
    for i, feed in enumerate(feeds):
        if not isinstance(feed, Mapping):
            raise SamplesError(
                f"feed {i} is a {type(feed).__name__}; give mappings from input names to arrays"
            )
        yield f"feed {i}", {name: _plain(name, value) for name, value in feed.items()}


def _folder(files: Sequence[Path], scratch: Path) -> Iterator[RawFeed]:
    total = 0
    for path in files:
        arrays = _unpack(path, scratch, follow=False)
        total += sum(array.nbytes for array in arrays.values())
        if total > MAX_BYTES:
            raise SamplesError(f"{path.parent}: more than {MAX_BYTES} bytes of samples")
        # Copied and let go, since the next file is unpacked over this one.
        copied = {name: np.array(array) for name, array in arrays.items()}
        del arrays
        yield path.name, copied


def _unpack(path: Path, scratch: Path, *, follow: bool = True) -> dict[str, Array]:
    """Unpack an archive's arrays into scratch and map them.

    Raises:
        SamplesError: damaged, too large as declared, or it holds Python objects.
    """
    try:
        with opened(path, follow=follow) as stream, zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            _check_declared(path, members, scratch)
            arrays: dict[str, Array] = {}
            for i, member in enumerate(members):
                target = scratch / f"member{i}.npy"
                _extract(archive, member, target)
                name = member.filename.removesuffix(".npy")
                arrays[name] = _guarded(f"{path.name}, {name!r}", partial(_mapped, target), path)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, *_BROKEN) as error:
        raise SamplesError(
            f"{path.name} is not a sound .npz file: {error}; save it with numpy.savez"
        ) from error
    except OSError as error:
        if is_full(error):
            raise  # it is the store's disk, which says what to do
        raise SamplesError(f"{path} cannot be read: {error}") from error
    return arrays


def _check_declared(path: Path, members: Sequence[zipfile.ZipInfo], scratch: Path) -> None:
    name, free_bytes = path.name, shutil.disk_usage(scratch).free
    declared = sum(member.file_size for member in members)
    if len(members) > _MAX_MEMBERS:
        raise SamplesError(f"{name} holds {len(members)} arrays; at most {_MAX_MEMBERS} are read")
    if declared > MAX_BYTES:
        raise SamplesError(
            f"{name} declares {declared} bytes unpacked; at most {MAX_BYTES} are read"
        )
    if declared > free_bytes:
        raise SamplesError(
            f"{name} declares {declared} bytes unpacked, and the store's disk has room for "
            f"{free_bytes}; free some room there ({scratch.parent.parent}), or give another --store"
        )
    packed = path.stat().st_size
    if declared > max(_FREE_BYTES, _MAX_RATIO * packed):
        raise SamplesError(
            f"{name} has {packed} bytes and declares {declared} unpacked, as no honest samples do; "
            "if it is honest, save it with numpy.savez, which does not compress"
        )
    names = [member.filename.removesuffix(".npy") for member in members]
    if len(set(names)) != len(names):
        raise SamplesError(f"{name} holds two arrays of one name")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    left = member.file_size
    with archive.open(member) as source, target.open("wb") as copy:
        while chunk := source.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile(f"{member.filename!r} is longer than it declares")
            copy.write(chunk)
