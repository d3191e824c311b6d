"""Recipes that grow, that name code, and that are no text at all."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lissom.errors import InputError
from lissom.measure.images import Preprocessing
from lissom.recipe import Recipe
from lissom.search.opening import read_mapping
from tests.hostile.case import Case
from tests.hostile.graph_cases import NAMES

__all__ = ["cases", "read_recipe"]


def read_recipe(path: Path, aside: Path) -> object:
    recipe = Recipe.load(path)
    return recipe.to_yaml(), [str(step) for step in recipe.steps]


def step(text: str) -> str:
    return f"lissom: 1\nname: a\nsteps:\n  - {text}\n"


def laughs() -> str:
    lines = ["lissom: 1", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    return "\n".join(lines)


TEXTS = {
    "aliases": laughs(),
    "an anchor in itself": "lissom: 1\nsteps: &a [*a]\n",
    "merged keys": "lissom: 1\na: &a {x: 1}\nb: {<<: *a}\n",
    "a call": step("!!python/object/apply:os.system ['touch owned']"),
    "a new object": step("!!python/object/new:subprocess.Popen [['touch', 'owned']]"),
    "a name of Python": step("method: !!python/name:os.system"),
    "a module": "lissom: 1\nsteps: !!python/module:os\n",
    "an unknown tag": "lissom: 1\nsteps: !evil {}\n",
    "an unknown method": step("method: os.system"),
    "a private method": step("method: quantize.__init__"),
    "a path": step("method: ../../../etc/passwd"),
    "a deep attribute": step("method: quantize.static.Static.__class__"),
    "a room": step("method: lissom.isolate.child"),
    "a method of a number": step("method: 17"),
    "a method of a list": step("method: [quantize.static]"),
    "an unknown parameter": step("{method: quantize.static, parameters: {__class__: x}}"),
    "a parameter of lists": step("{method: quantize.static, parameters: {ranges: [[[]]]}}"),
    "parameters of text": step("{method: quantize.static, parameters: all}"),
    "a keyword self": step("{method: quantize.static, parameters: {self: 1}}"),
    "targets of numbers": step("{method: quantize.static, include: [1, 2]}"),
    "a name of a path": "lissom: 1\nname: ../../outside/owned\nsteps: []\n",
    "a name of markup": "lissom: 1\nname: <script>\nsteps: []\n",
    "a seed of 5000 digits": f"lissom: 1\nseed: {'9' * 5000}\nsteps: []\n",
    "a seed of infinity": "lissom: 1\nseed: .inf\nsteps: []\n",
    "a seed of NaN": "lissom: 1\nseed: .nan\nsteps: []\n",
    "a date that is none": "lissom: 1\nseed: 2001-99-99\nsteps: []\n",
    "a number of base 60": "lissom: 1\nseed: " + "1:" * 2000 + "1\nsteps: []\n",
    "a number of base 60 without end": "lissom: 1\nseed: " + "1:" * 60_000 + "1\n",
    "a key of a list": "lissom: 1\n? [a, b]\n: c\n",
    "a key twice": "lissom: 1\nlissom: 2\nsteps: []\n",
    "two documents": "lissom: 1\n---\nlissom: 1\n",
    "deep lists": "lissom: 1\nsteps: " + "[" * 5000 + "]" * 5000,
    "deep mappings": "lissom: 1\nsteps: " + "{a: " * 2000 + "1" + "}" * 2000,
    "a list": "- lissom\n",
    "a number": "17",
    "nothing": "",
    "an open quote": 'lissom: "1',
    "tabs": "\tlissom: 1",
    "a later format": "lissom: 99\nsteps: []\n",
    "a format of text": "lissom: '1'\nsteps: []\n",
    "a zero character": "lissom: 1\0\n",
    "100000 steps": "lissom: 1\nsteps:\n" + "  - {method: nothing}\n" * 30_000,
}


def truncate(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)


PLACES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": lambda path: path.mkdir(),
    "nothing": lambda path: None,
    "10 GB": lambda path: truncate(path, 10 << 30),
}


def placed(name: str, make: Callable[[Path], object]) -> Case:
    def write(folder: Path) -> Path:
        path = folder / "hostile.yaml"
        make(path)
        return path

    return Case(kind="recipes", name=f"at {name}", write=write, read=read_recipe, refused=True)


def read_preprocessing(path: Path, aside: Path) -> object:
    """Read the file as the one that says how images are prepared."""
    try:
        return Preprocessing.from_json(read_mapping(path))
    except InputError as error:
        # what it holds is judged without its name
        raise type(error)(f"{path.name}: {error}") from error


def cases() -> list[Case]:
    found = [case(name, text.encode()) for name, text in TEXTS.items()]
    found += [
        case("not UTF-8", b"\xff\xfe\x00lissom"),
        case("2 MB", b"a" * (2 << 20)),
    ]
    found += [placed(name, make) for name, make in PLACES.items()]
    found += [
        replace(one, kind="preprocessing files", read=read_preprocessing) for one in list(found)
    ]
    for name, text in NAMES.items():
        kept = text.replace("\0", "").replace("\n", " ")
        hostile = (
            repr(kept) if kept.isprintable() else f'"{kept.encode("unicode_escape").decode()}"'
        )
        found.append(case(f"a method of {name}", step(f"method: {hostile}").encode()))
    return found


def case(name: str, content: bytes) -> Case:
    def write(folder: Path) -> Path:
        path = folder / "hostile.yaml"
        path.write_bytes(content)
        return path

    return Case(kind="recipes", name=name, write=write, read=read_recipe, refused=True)
