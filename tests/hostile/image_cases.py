"""Folders of images that are bombs, or no images, or would call another program."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from lissom.graph.model import Port
from tests.hostile.case import Case
from tests.hostile.sample_cases import read_samples

__all__ = ["cases", "encoded", "read_folder"]

PORT = Port(name="x", dtype="float32", shape=("N", 3, 4, 4))
HOW = {"width": 4, "height": 4}


def read_folder(path: Path, aside: Path, **how: Any) -> object:
    return read_samples(path, aside, (PORT,), preprocessing={**HOW, **how})


def chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def png(width: int, height: int, *chunks: bytes, color: int = 2, depth: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IEND", b"")


def packed(size: int) -> bytes:
    """So many zeros, packed: a thousandth of them."""
    made = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [made.compress(block) for _ in range(size >> 20)]
    return b"".join([*parts, made.flush()])


def encoded(kind: str, **more: Any) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (9, 99, 200)).save(stream, kind, **more)
    return stream.getvalue()


def frames() -> bytes:
    stream = io.BytesIO()
    one = Image.new("P", (8, 8))
    one.save(stream, "GIF", save_all=True, append_images=[one.copy() for _ in range(500)])
    return stream.getvalue()


def contents() -> dict[str, tuple[str, Callable[[], bytes]]]:
    """By name: the end of the file's name, and what makes its content."""
    jpeg, tiff, bmp = encoded("JPEG"), encoded("TIFF"), encoded("BMP")
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(owned) run\n%%EOF\n"
    sizes = jpeg.index(b"\xff\xc0") + 5
    return {
        "2^31 - 1 squared": (".png", lambda: png((1 << 31) - 1, (1 << 31) - 1)),
        "100000 squared": (".png", lambda: png(100_000, 100_000)),
        "9999 squared, packed": (
            ".png",
            lambda: png(9999, 9999, chunk(b"IDAT", packed(9999 * 3 * 9999 + (1 << 20)))),
        ),
        "9999 squared of 16 bits": (
            ".png",
            lambda: png(
                9999, 9999, chunk(b"IDAT", packed(9999 * 8 * 9999 + (1 << 20))), color=6, depth=16
            ),
        ),
        "a text of 1 GB": (
            ".png",
            lambda: png(4, 4, chunk(b"zTXt", b"k\0\0" + packed(1 << 28))),
        ),
        "0 by 0": (".png", lambda: png(0, 0)),
        "no data": (".png", lambda: png(4, 4)),
        "cut off": (".png", lambda: encoded("PNG")[:50]),
        "a colour of 77": (".png", lambda: png(4, 4, color=77)),
        "500 frames": (".gif", frames),
        "a JPEG of 65535 squared": (
            ".jpg",
            lambda: jpeg[:sizes] + b"\xff\xff\xff\xff" + jpeg[sizes + 4 :],
        ),
        "a JPEG cut off": (".jpg", lambda: jpeg[:200]),
        "a TIFF of many strips": (".tif", lambda: tiff[:8] + b"\xff" * len(tiff[8:])),
        "a TIFF that points at itself": (
            ".tif",
            lambda: b"II*\0\x08\0\0\0" + b"\x01\0\0\x01\x03\0\x01\0\0\0\x01\0\0\0\x08\0\0\0",
        ),
        "a BMP below zero": (
            ".bmp",
            lambda: bmp[:18] + struct.pack("<ii", -8, -(1 << 31)) + bmp[26:],
        ),
        "a PPM of 10^9 squared": (".ppm", lambda: b"P6 1000000000 1000000000 255\n\0\0\0"),
        "a PPM of endless digits": (".ppm", lambda: b"P6 " + b"9" * 100_000),
        "a WebP of nothing": (".webp", lambda: b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 20),
        "PostScript": (".png", lambda: eps),
        "text": (".png", lambda: b"<svg onload=alert(1)>"),
        "empty": (".jpg", lambda: b""),
    }


FINE = {"500 frames", "9999 squared, packed", "9999 squared of 16 bits", "a text of 1 GB"}


def cases() -> list[Case]:
    found = []
    for name, (suffix, make) in contents().items():

        def write(folder: Path, suffix: str = suffix, make: Callable[[], bytes] = make) -> Path:
            path = folder / "images"
            path.mkdir()
            (path / f"hostile{suffix}").write_bytes(make())
            return path

        found.append(
            Case(
                kind="images",
                name=name,
                write=write,
                read=read_folder,
                refused=name not in FINE,
                named=False,
                fast=name in {"PostScript", "2^31 - 1 squared", "cut off"},
            )
        )

    def piped(folder: Path) -> Path:
        (folder / "images").mkdir()
        os.mkfifo(folder / "images" / "a.png")
        return folder / "images"

    found.append(
        Case(kind="images", name="a pipe", write=piped, read=read_folder, refused=True, named=False)
    )
    found.append(
        Case(
            kind="images",
            name="prepared at 16384 squared",
            write=one_image,
            read=lambda path, aside: read_folder(path, aside, width=16_384, height=16_384, scale=2),
            refused=True,
            named=False,
            fast=False,
        )
    )
    return found


def one_image(folder: Path) -> Path:
    (folder / "images").mkdir()
    (folder / "images" / "a.png").write_bytes(encoded("PNG"))
    return folder / "images"
