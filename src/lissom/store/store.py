"""The folder that remembers every expensive result, under the hash of what it came from.

    <root>/store.json           the format of this folder
    <root>/objects/ab/<sha256>.onnx|.safetensors      bytes, named by their own hash
    <root>/steps/ab/<key>.json  one step each: its kind, what went in, what came out; for people too
    <root>/scratch/             private folders of running processes
    <root>/locks/               who computes what just now

Everything is written aside, flushed, then renamed, so a reader never sees half a file. Several
processes may share one store. There is no pickle in it.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lissom.errors import DamagedObject, StoreError
from lissom.store import locks
from lissom.store.disk import as_store_error, flush, is_full, own_folder
from lissom.store.hashing import Json, sha256_file, sha256_json
from lissom.store.refs import ArrayRef, FileRef
from lissom.store.small import read_small

__all__ = ["FORMAT", "ArrayRef", "FileRef", "Store"]

FORMAT = 1
"""The number of the layout and of the meaning of keys; another number is another store."""

_ARRAYS = ".safetensors"
_HASH = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"(\.[A-Za-z0-9_]{1,16}){0,3}")
_COPY_BYTES = 1 << 20
_RECORD_BYTES = 64 << 20  # far above any honest record


class Store:
    """A content-addressed folder. Opening makes it where it is absent and tidies it.

    Raises:
        StoreError: The folder cannot be made or read, or was written in another format.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._computing: set[str] = set()
        self._verified: dict[Path, tuple[int, ...]] = {}
        self._guard = threading.Lock()
        with as_store_error(root):
            for folder in ("objects", "steps", "scratch", "locks"):
                own_folder(root / folder)
            self._check_format()
        self.tidy()

    def tidy(self) -> None:
        """Remove what processes left behind that were killed: their scratch, and locks of nobody.

        Raises:
            StoreError: The folder cannot be read.
        """
        with as_store_error(self.root):
            for entry in (self.root / "locks").iterdir():
                # Gone meanwhile, or of another user: not ours to clear.
                with contextlib.suppress(OSError), locks.try_hold(entry):
                    pass
            self._clear_dead_scratch()

    # -- steps ---------------------------------------------------------------------------------

    def key(self, kind: str, inputs: Json) -> str:
        """Name a step: the hash of its kind, of what goes in and of the store's format.

        Raises:
            TypeError: `inputs` is not JSON.
            ValueError: `inputs` holds a NaN or an infinity.
        """
        return sha256_json({"kind": kind, "format": FORMAT, "inputs": inputs})

    def get_json(self, key: str) -> Json | None:
        """Read what a step answered; None if it was never made.

        A record that was damaged, or that depends on an object (a mapping with the key `object`)
        which is gone or damaged, counts as never made: it is removed, and the step is made again.

        Raises:
            StoreError: The record exists and cannot be read.
        """
        path = self._step(key)
        with as_store_error(path):
            try:
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and status.st_size <= _RECORD_BYTES:
                    record = json.loads(path.read_bytes())
                    value = record["value"]
                    sound = record["sha256"] == sha256_json([record["inputs"], value])
                    if sound and self._objects_are_sound(value):
                        return value
            except FileNotFoundError:
                return None
            except (ValueError, KeyError, TypeError, RecursionError):
                pass  # Damaged: as if it had never been made.
            path.unlink(missing_ok=True)
        return None

    def put_json(self, key: str, value: Json, *, kind: str, inputs: Json) -> None:
        """Keep what a step answered, with its kind and inputs beside it for a person to read.

        Raises:
            TypeError: `value` is not JSON.
            ValueError: `value` holds a NaN or an infinity.
            StoreError: The store cannot be written.
        """
        record = {
            "kind": kind,
            "inputs": inputs,
            "value": value,
            "sha256": sha256_json([inputs, value]),
        }
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        path = self._step(key)
        with as_store_error(path), self._written(path) as stream:
            stream.write(text.encode("utf-8", "surrogatepass"))

    def remember(self, kind: str, inputs: Json, compute: Callable[[], Json]) -> Json:
        """Answer from the store, or compute and keep the answer.

        Of several processes that ask at once, one computes and the others wait for it; if it dies,
        the next one computes. An error of `compute` is passed on and nothing is kept; nor is None.

        Raises:
            StoreError: The store cannot be used, or `compute` asked for its own answer.
        """
        key = self.key(kind, inputs)
        value = self.get_json(key)
        if value is not None:
            return value
        mine = f"{threading.get_ident()}:{key}"
        if mine in self._computing:
            raise StoreError(f"step {kind!r} asked for its own answer while it was being computed")
        with contextlib.ExitStack() as stack:
            # A file system without locks costs a computation made twice, never a wrong answer.
            with contextlib.suppress(OSError):
                stack.enter_context(locks.held(self.root / "locks" / f"{key}.lock"))
            value = self.get_json(key)
            if value is not None:
                return value
            self._computing.add(mine)
            try:
                value = compute()
            finally:
                self._computing.discard(mine)
            self.put_json(key, value, kind=kind, inputs=inputs)
        # Read through JSON so that the first answer has the very types of every later one.
        return json.loads(json.dumps(value))

    # -- arrays --------------------------------------------------------------------------------

    def put_array(self, array: np.ndarray) -> ArrayRef:
        """Keep one array of numbers, of any shape.

        Raises:
            StoreError: Its type has no safetensors form (text, objects), or the disk refuses.
        """
        array = np.asarray(array)
        sha256 = self.put_arrays({"array": array})
        return ArrayRef(sha256=sha256, shape=tuple(array.shape), dtype=array.dtype.name)

    def array(self, ref: ArrayRef) -> np.ndarray:
        """Read an array back, read only.

        Raises:
            DamagedObject: It is gone, or its bytes are not those that were kept.
        """
        try:
            return self.arrays(ref.sha256)["array"]
        except KeyError:
            raise DamagedObject(
                f"object {ref.sha256} in {self.root} holds no single array; "
                "it was kept by put_arrays and must be read by arrays"
            ) from None

    def put_arrays(self, arrays: Mapping[str, np.ndarray]) -> str:
        """Keep named arrays together as one object. Answers its SHA-256.

        Raises:
            StoreError: A type has no safetensors form (text, objects), or the disk refuses.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        try:
            with as_store_error(self.root), self.scratch() as folder:
                aside = folder / "arrays"
                save_file(plain, aside)
                return self._adopt(aside, sha256_file(aside), _ARRAYS)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            if "os error" in str(error):
                raise StoreError(f"the store cannot be used at {self.root}: {error}") from error
            kinds = sorted({array.dtype.name for array in plain.values()})
            raise StoreError(f"arrays of types {kinds} cannot be kept: {error}") from error

    def arrays(self, sha256: str) -> dict[str, np.ndarray]:
        """Read named arrays back, read only.

        Raises:
            DamagedObject: They are gone, or the bytes are not those that were kept.
        """
        from safetensors.numpy import load_file

        path = self._sound_object(sha256, _ARRAYS)
        with as_store_error(path):
            found: dict[str, np.ndarray] = load_file(path)
        for array in found.values():
            array.flags.writeable = False
        return found

    # -- files ---------------------------------------------------------------------------------

    def put_file(self, path: Path, suffix: str) -> FileRef:
        """Keep a copy of a file (never a link: the original may change later).

        Args:
            path: The file to copy.
            suffix: The end of its name in the store, as `.onnx`.

        Raises:
            StoreError: It cannot be read or the store cannot be written.
            ValueError: `suffix` is not a plain extension.
        """
        if not _SUFFIX.fullmatch(suffix):
            raise ValueError(f"suffix {suffix!r} is not a plain extension such as '.onnx'")
        with as_store_error(path), self.scratch() as folder:
            aside = folder / "file"
            with path.open("rb") as source, aside.open("wb") as copy:
                shutil.copyfileobj(source, copy, _COPY_BYTES)
            size_bytes = aside.stat().st_size
            # The copy is hashed, not the source, which may change while it is read.
            sha256 = self._adopt(aside, sha256_file(aside), suffix)
        return FileRef(sha256=sha256, suffix=suffix, size_bytes=size_bytes)

    def file(self, ref: FileRef) -> Path:
        """Say where a kept file lies, having checked its hash. It must not be written to.

        Raises:
            DamagedObject: It is gone, or its bytes are not those that were kept.
        """
        return self._sound_object(ref.sha256, ref.suffix)

    # -- scratch -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private, empty folder on the store's disk, removed with all in it at the end.

        Raises:
            StoreError: The store cannot be written, or its disk became full inside the block.
        """
        folder = self.root / "scratch" / secrets.token_hex(8)
        with contextlib.ExitStack() as stack:
            with as_store_error(folder):
                # Locked before it is made: a folder without a lock is always a dead one's.
                stack.enter_context(locks.held(folder.with_suffix(".lock")))
                folder.mkdir()
            try:
                yield folder
            except OSError as error:
                if not is_full(error):
                    raise
                with as_store_error(self.root):
                    raise
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                # Children that were ended inside the block had folders of their own.
                with contextlib.suppress(OSError):
                    self._clear_dead_scratch()

    # -- inside --------------------------------------------------------------------------------

    def _check_format(self) -> None:
        path = self.root / "store.json"
        try:
            found = json.loads(read_small(path))["format"]
        except FileNotFoundError:
            with self._written(path) as stream:
                stream.write(json.dumps({"format": FORMAT}).encode() + b"\n")
            return
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(f"{path} is not a store's own file; give another folder") from error
        if found != FORMAT:
            raise StoreError(
                f"{self.root} is a store of format {found}, this version writes {FORMAT}; "
                "give another folder, or remove it"
            )

    def _clear_dead_scratch(self) -> None:
        entries = {entry.with_suffix("") for entry in (self.root / "scratch").iterdir()}
        for folder in entries:
            # Gone meanwhile, or of another user: not ours to clear.
            with (
                contextlib.suppress(OSError),
                locks.try_hold(folder.with_suffix(".lock")) as dead,
            ):
                if dead:
                    shutil.rmtree(folder, ignore_errors=True)

    def _step(self, key: str) -> Path:
        return self.root / "steps" / _checked(key)[:2] / f"{key}.json"

    def _object(self, sha256: str, suffix: str) -> Path:
        if not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix):
            raise StoreError(f"{suffix!r} is not the end of the name of anything kept")
        return self.root / "objects" / _checked(sha256)[:2] / f"{sha256}{suffix}"

    def _objects_are_sound(self, value: Json) -> bool:
        if isinstance(value, dict):
            name = value.get("object")
            if isinstance(name, str) and _HASH.fullmatch(name):
                suffix = value.get("suffix", _ARRAYS)
                if not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix):
                    return False
                path = self._object(name, suffix)
                if not self._is_sound(path, name):
                    path.unlink(missing_ok=True)
                    return False
            return all(self._objects_are_sound(part) for part in value.values())
        if isinstance(value, list):
            return all(self._objects_are_sound(part) for part in value)
        return True

    def _sound_object(self, sha256: str, suffix: str) -> Path:
        path = self._object(sha256, suffix)
        with as_store_error(path):
            if self._is_sound(path, sha256):
                return path
            was_there = os.path.lexists(path)
            path.unlink(missing_ok=True)
        state = "does not have the hash that names it (removed)" if was_there else "is gone"
        raise DamagedObject(f"stored object {path} {state}; run again to make it anew")

    def _is_sound(self, path: Path, sha256: str) -> bool:
        try:
            status = path.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(status.st_mode):
            return False  # A link, a pipe, a device: never followed, never opened.
        # The time of the last change of any kind cannot be set back, unlike that of the content.
        seen = (status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino)
        if self._verified.get(path) == seen:
            return True
        if sha256_file(path) != sha256:
            return False
        with self._guard:
            self._verified[path] = seen
        return True

    def _adopt(self, aside: Path, sha256: str, suffix: str) -> str:
        path = self._object(sha256, suffix)
        if not self._is_sound(path, sha256):
            own_folder(path.parent)
            flush(aside)
            aside.chmod(0o444)
            aside.replace(path)
            flush(path.parent)
        return sha256

    @contextlib.contextmanager
    def _written(self, path: Path) -> Iterator[Any]:
        with self.scratch() as folder:
            aside = folder / "record"
            with aside.open("wb") as stream:
                yield stream
            flush(aside)
            own_folder(path.parent)
            aside.replace(path)


def _checked(name: str) -> str:
    if not isinstance(name, str) or not _HASH.fullmatch(name):
        raise StoreError(f"{name!r} is not the name of anything kept: 64 hexadecimal digits are")
    return name
