"""Links, soft and hard, from what a stranger prepared to files that are none of his."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lissom.graph.model import Port
from tests.hostile.case import Case
from tests.hostile.image_cases import HOW, encoded
from tests.hostile.result_cases import read_results, record
from tests.hostile.sample_cases import npy, read_samples, zipped

__all__ = ["cases"]

IMAGE = Port(name="x", dtype="float32", shape=("N", 3, "H", "W"))
FEED = zipped(("x.npy", npy(np.ones((1, 3), np.float32))))


def read_pictures(path: Path, aside: Path) -> object:
    return read_samples(path, aside, (IMAGE,), preprocessing=HOW)


def outside(folder: Path) -> Path:
    """A sound file of somebody else, beside what was given."""
    return folder.parent / "theirs"


def pictured(link: Callable[[Path, Path], object], suffix: str, content: bytes) -> Any:
    """A folder with one good file, and a link to another's."""

    def write(folder: Path) -> Path:
        place = folder / "samples"
        place.mkdir()
        (place / f"a{suffix}").write_bytes(content)
        outside(place).write_bytes(content)
        link(place / f"b{suffix}", outside(place))
        return place

    return write


def relative(path: Path, target: Path) -> None:
    path.symlink_to(Path("..") / target.name)


def through_a_folder(path: Path, target: Path) -> None:
    (path.parent / "deep").symlink_to(target.parent, target_is_directory=True)
    path.symlink_to(Path("deep") / target.name)


SOFT: dict[str, Callable[[Path, Path], object]] = {
    "an absolute link": lambda path, target: path.symlink_to(target),
    "a relative link": relative,
    "a link through a folder": through_a_folder,
    "a link to nothing": lambda path, target: path.symlink_to("nothing"),
    "a link to itself": lambda path, target: path.symlink_to(path),
    "a link to a device": lambda path, target: path.symlink_to("/dev/zero"),
    "a link to the folder": lambda path, target: path.symlink_to(path.parent),
}


def hard_results() -> list[Case]:
    """Files of results that are also somebody else's: they are replaced, never written to."""

    def case(name: str) -> Case:
        def write(folder: Path) -> Path:
            path = folder / "hostile"
            path.mkdir()
            (path / "run.json").write_bytes(record())
            secret = folder.parent / "outside" / "secret.bin"
            (path / name).unlink(missing_ok=True)
            os.link(secret, path / name)
            return path

        return Case(
            kind="results", name=f"{name} as a hard link", write=write, read=read_results,
            refused=name in {"run.json", "model.onnx"}, named=False,
        )  # fmt: skip

    return [case(name) for name in ("run.json", "result.json", "model.onnx", ".lock")]


def cases() -> list[Case]:
    found = []
    for name, link in SOFT.items():
        for what, suffix, content, read in (
            ("feeds", ".npz", FEED, read_samples),
            ("images", ".png", encoded("PNG"), read_pictures),
        ):
            found.append(
                Case(
                    kind="links out of a folder of samples",
                    name=f"{name}, {what}",
                    write=pictured(link, suffix, content),
                    read=read,
                    refused=True,
                    named=False,
                )
            )
    return [*found, *hard_results()]
