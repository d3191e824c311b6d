"""Samples that would fill memory, disks or days: archives, arrays, folders, labels."""

import io
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lissom.graph.model import Port
from tests.hostile.case import Case
from tests.hostile.graph_cases import NAMES

__all__ = ["PORT", "cases", "header", "npy", "read_samples", "zipped"]

PORT = Port(name="x", dtype="float32", shape=("N", 3))
FREE = Port(name="x", dtype="float32", shape=("N", "T"), ranked=True)
PICKLE = b"cos\nsystem\n(S'touch owned'\ntR."
Write = Callable[[Path], object]


def read_samples(path: Path, aside: Path, ports: tuple[Port, ...] = (PORT,), **more: Any) -> object:
    """Open samples as the library does, and read what was opened."""
    from lissom.measure.samples import Samples
    from lissom.store.store import Store

    samples = Samples.open(path, ports, Store(aside / "store"), **more)
    whole = samples.whole()
    return [feed.inputs["x"].shape for feed in samples.feeds(whole, limit=3)], samples.count


def read_free(path: Path, aside: Path) -> object:
    return read_samples(path, aside, (FREE,))


def read_labelled(path: Path, aside: Path) -> object:
    return read_samples(path, aside, labels=path.with_name("labels.npy"))


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def header(text: str, *, version: bytes = b"\x01\x00", length: int | None = None) -> bytes:
    """The head of an `.npy` file, of any text."""
    data = text.encode("latin1") + b"\n"
    size = len(data) if length is None else length
    kind = "<H" if version[0] == 1 else "<I"
    return (
        b"\x93NUMPY" + version + struct.pack(kind, size & 0xFFFF if kind == "<H" else size) + data
    )


def described(descr: str, shape: str, *, order: str = "False") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")


def zipped(*members: tuple[str, bytes], packed: bool = True) -> bytes:
    stream = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore", UserWarning)  # one name twice is what some cases are
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def patched(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Overwrite a field behind each signature of a zip record."""
    out = bytearray(data)
    at = out.find(signature)
    while at >= 0:
        out[at + offset : at + offset + len(value)] = value
        at = out.find(signature, at + 4)
    return bytes(out)


CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
GOOD = npy(np.ones((4, 3), np.float32))


def file_case(kind: str, name: str, content: bytes, suffix: str, **more: Any) -> Case:
    def write(folder: Path) -> Path:
        path = folder / f"hostile{suffix}"
        path.write_bytes(content)
        return path

    return Case(kind=kind, name=name, write=write, read=more.pop("read", read_samples), **more)


def arrays() -> list[Case]:
    good = b"\0" * 48
    heads = {
        "shape of 2^62": described("'<f4'", "(4611686018427387904,)"),
        "shape of 10^12 rows": described("'<f4'", "(1000000000000, 3)"),
        "shape of 2^32 by 2^32": described("'<f4'", "(4294967296, 4294967296)"),
        "shape below zero": described("'<f4'", "(-4, 3)"),
        "shape of floats": described("'<f4'", "(4.0, 3)"),
        "shape of text": described("'<f4'", "('4', 3)"),
        "shape of truth": described("'<f4'", "(True, 3)"),
        "no shape": header("{'descr': '<f4', 'fortran_order': False, }"),
        "a shape of 5000 axes": described("'<f4'", "(" + "1," * 3000 + ")"),
        "Python objects": described("'|O'", "(4, 3)") + PICKLE,
        "objects in a structure": described("[('a', '|O')]", "(4, 3)") + PICKLE,
        "a structure": described("[('x', '<f4'), ('y', '<i4')]", "(2, 3)"),
        "a text of 2^30 letters": described("'<U1073741824'", "(4, 3)"),
        "text": described("'<U1'", "(4, 3)"),
        "bytes": described("'|S4'", "(4, 3)"),
        "nothing": described("'|V0'", "(4, 3)"),
        "dates": described("'<M8[s]'", "(4, 3)"),
        "complex": described("'<c8'", "(2, 3)"),
        "an unknown type": described("'<q9'", "(4, 3)"),
        "an expression": header("{'descr': __import__('os').system('touch owned')}"),
        "a deep expression": header("(" * 3000 + ")" * 3000),
        "a list of lists": described("[" * 300 + "]" * 300, "(4, 3)"),
        "a head of 60000 letters": header(" " * 60_000),
        "a head of 2^31 bytes": header("{}", version=b"\x02\x00", length=1 << 31),
        "version 9": header("{}", version=b"\x09\x09"),
        "a head in pieces": header("{'descr': '<f4', 'shape': (4, "),
        "no array": b"\x93NUMPY",
        "a pickle": PICKLE,
    }
    found = [
        file_case("npy", name, head + good, ".npy", refused=True) for name, head in heads.items()
    ]
    empty = {
        "10^12 empty rows": described("'<f4'", "(1000000000000, 0)"),
        "2^62 empty rows": described("'<f4'", "(4611686018427387904, 0)"),
        "2^62 columns of none": described("'<f4'", "(0, 4611686018427387904)"),
    }
    found += [
        file_case("npy", name, head, ".npy", read=read_free, refused=True)
        for name, head in empty.items()
    ]
    nan = npy(np.full((4, 3), np.nan, np.float32))
    found.append(file_case("npy", "NaN", nan, ".npy", refused=True))
    old = header("{'descr': '<f4', 'fortran_order': False, 'shape': (4L, 3L), }")
    found.append(file_case("npy", "a head of Python 2", old + good, ".npy"))
    return found


# Python's own reader cuts names at a zero and counts members itself: what is left is sound.
HARMLESS = {"a zero character", "65535 members"}


def archives() -> list[Case]:
    zeros = bytes(300 << 20)
    plain = zipped(("x.npy", GOOD))
    contents: dict[str, bytes] = {
        "honest bomb": zipped(("x.npy", described("'<f4'", "(26214400, 3)") + zeros)),
        "declares 2^32 - 2": patched(plain, CENTRAL, 24, struct.pack("<I", 0xFFFFFFFE)),
        "declares too little": patched(plain, CENTRAL, 24, struct.pack("<I", 10)),
        "one name twice": zipped(("x.npy", GOOD), ("x.npy", GOOD)),
        "a name with and without .npy": zipped(("x.npy", GOOD), ("x", GOOD)),
        "a parent": zipped(("../../outside/owned.npy", GOOD)),
        "an absolute path": zipped(("/etc/owned.npy", GOOD)),
        "a folder": zipped(("x/", b"")),
        "a zero character": zipped(("x\0.npy", GOOD)),
        "2000 arrays": zipped(*((f"a{i}.npy", GOOD) for i in range(2000))),
        "an archive inside": zipped(("x.npy", plain)),
        "a pickle": zipped(("x.npy", described("'|O'", "(4, 3)") + PICKLE)),
        "a pickle by name": zipped(("x.pkl", PICKLE)),
        "nothing": zipped(),
        "a secret": patched(patched(plain, CENTRAL, 8, b"\1\0"), LOCAL, 6, b"\1\0"),
        "an unknown packing": patched(patched(plain, CENTRAL, 10, b"\x63\0"), LOCAL, 8, b"\x63\0"),
        "lzma": patched(patched(plain, CENTRAL, 10, b"\x0e\0"), LOCAL, 8, b"\x0e\0"),
        "bzip2": patched(patched(plain, CENTRAL, 10, b"\x0c\0"), LOCAL, 8, b"\x0c\0"),
        "an offset outside": patched(plain, CENTRAL, 42, struct.pack("<I", 1 << 30)),
        "65535 members": patched(plain, END, 8, b"\xff\xff\xff\xff"),
        "a directory outside": patched(plain, END, 16, struct.pack("<I", 1 << 30)),
        "a wrong checksum": patched(plain, CENTRAL, 16, b"abcd"),
        "a text": b"not an archive at all",
        "empty": b"",
    }
    found = [
        file_case("npz", name, data, ".npz", refused=name not in HARMLESS)
        for name, data in contents.items()
    ]
    for part in (5, 30, 60, 95):
        data = plain[: len(plain) * part // 100]
        found.append(file_case("npz cut off", f"at {part}%", data, ".npz", refused=True))
    for name, text in NAMES.items():
        data = zipped((f"{text[:60_000].replace(chr(0), '')}.npy", GOOD))
        found.append(file_case("npz of hostile names", name, data, ".npz", refused=True))
    return found


def unfit() -> list[Case]:
    """Sound files that are not what the model takes."""
    contents = {
        "no axis": np.float32(1),
        "one axis": np.ones(4, np.float32),
        "five axes": np.ones((1, 1, 1, 1, 1), np.float32),
        "other width": np.ones((4, 5), np.float32),
        "integers": np.ones((4, 3), np.int32),
        "truth": np.ones((4, 3), np.bool_),
        "no rows": np.ones((0, 3), np.float32),
        "no columns": np.ones((4, 0), np.float32),
        "too large for float32": np.full((4, 3), 1e300),
    }
    return [
        file_case("samples that do not fit", name, npy(array), ".npy", refused=True, named=False)
        for name, array in contents.items()
    ]


def labelled() -> list[Case]:
    labels = {
        "too few": npy(np.zeros(3, np.int64)),
        "too many": npy(np.zeros(5, np.int64)),
        "one number": npy(np.int64(1)),
        "Python objects": described("'|O'", "(4,)") + PICKLE,
        "declared of 2^60": described("'<i8'", "(1152921504606846976,)"),
        "a text": b"not an array",
        "empty rows": described("'<i8'", "(4611686018427387904, 0)"),
        "dates": npy(np.zeros(4, "datetime64[s]")),
    }

    def case(name: str, content: bytes) -> Case:
        def write(folder: Path) -> Path:
            (folder / "labels.npy").write_bytes(content)
            path = folder / "hostile.npy"
            path.write_bytes(GOOD)
            return path

        return Case(
            kind="labels", name=name, write=write, read=read_labelled, refused=True, named=False
        )

    return [case(name, content) for name, content in labels.items()]


def places() -> list[Case]:
    """Paths that are no files, and folders that never end."""

    def looped(path: Path) -> None:
        path.mkdir()
        (path / "again").symlink_to(path, target_is_directory=True)

    def in_folder(name: str, make: Write) -> Write:
        def write(path: Path) -> None:
            path.mkdir()
            make(path / name)

        return write

    made: dict[str, tuple[str, Write]] = {
        "a pipe": (".npz", os.mkfifo),
        "a pipe of arrays": (".npy", os.mkfifo),
        "a device": (".npy", lambda path: path.symlink_to("/dev/zero")),
        "a device as an archive": (".npz", lambda path: path.symlink_to("/dev/urandom")),
        "a link to itself": (".npz", lambda path: path.symlink_to(path)),
        "nothing": (".npz", lambda path: None),
        "an empty folder": ("", lambda path: path.mkdir()),
        "a folder in itself": ("", looped),
        "a folder with a pipe": ("", in_folder("a.npz", os.mkfifo)),
        "a folder with a folder": ("", in_folder("a.npz", lambda path: path.mkdir())),
        "a folder with a device": (
            "",
            in_folder("a.npz", lambda path: path.symlink_to("/dev/zero")),
        ),
        "a folder with a bad archive": ("", in_folder("a.npz", lambda p: p.write_bytes(b"PK"))),
    }

    def case(name: str, suffix: str, make: Write) -> Case:
        def write(folder: Path) -> Path:
            path = folder / f"hostile{suffix}"
            make(path)
            return path

        return Case(
            kind="samples that are no files", name=name, write=write, read=read_samples,
            refused=True, named=False,
        )  # fmt: skip

    return [case(name, suffix, make) for name, (suffix, make) in made.items()]


def cases() -> list[Case]:
    return [*arrays(), *archives(), *unfit(), *labelled(), *places()]
