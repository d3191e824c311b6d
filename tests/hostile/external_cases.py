"""Models whose weights lie in other files: outside the folder, behind links, past the end."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from onnx import TensorProto, helper

from tests import tiny
from tests.hostile.case import Case, read_model

__all__ = ["cases"]

Make = Callable[[Path], object]
BYTES = 1 << 12


def write_model(folder: Path, entries: list[tuple[str, str]], *, place: str = "weight") -> Path:
    """A model one tensor of which is what these entries say."""
    proto = tiny.mlp()
    if place == "weight":
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
    else:
        tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[4], name="t")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries:
        tensor.external_data.add(key=key, value=value)
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    if place == "attribute":
        proto.graph.node.insert(0, constant)
    elif place == "body":
        body = helper.make_graph([constant], "body", [], [])
        proto.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=body))
    elif place == "function":
        proto.functions.append(
            helper.make_function("d", "F", [], ["c"], [constant], [helper.make_opsetid("", 17)])
        )
    path = folder / "hostile.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def beside(folder: Path) -> None:
    """What a stranger may lay beside the model: links of every kind, pipes, folders."""
    outside = folder.parent / "outside"
    (folder / "good.bin").write_bytes(b"\0" * BYTES)
    (folder / "short.bin").write_bytes(b"\0" * 10)
    (folder / "link.bin").symlink_to(outside / "secret.bin")
    (folder / "inner-link.bin").symlink_to(folder / "good.bin")
    (folder / "dangling.bin").symlink_to(folder / "nowhere")
    (folder / "loop.bin").symlink_to(folder / "loop.bin")
    (folder / "linked").symlink_to(outside, target_is_directory=True)
    (folder / "device.bin").symlink_to("/dev/zero")
    (folder / "folder.bin").mkdir()
    os.link(outside / "secret.bin", folder / "hard.bin")
    os.mkfifo(folder / "pipe.bin")


LOCATIONS: Mapping[str, str] = {
    "a parent": "../outside/secret.bin",
    "a parent in between": "folder.bin/../../outside/secret.bin",
    "a parent after a file": "good.bin/../../outside/secret.bin",
    "an absolute path": "/etc/passwd",
    "a doubled slash": "//etc/passwd",
    "a drive": "C:/secret.bin",
    "backslashes": "..\\outside\\secret.bin",
    "a share": "\\\\host\\share",
    "nothing": "",
    "a dot": ".",
    "dots": "..",
    "a zero character": "good.bin\0.txt",
    "a terminal escape": "\x1b[2J\x1b]0;owned\x07.bin",
    "markup": "<script>alert(1)</script>.bin",
    "a very long name": "a" * 5000,
    "a very deep path": "a/" * 3000 + "b",
    "a link out": "link.bin",
    "a link inside": "inner-link.bin",
    "a dangling link": "dangling.bin",
    "a link to itself": "loop.bin",
    "a linked folder": "linked/secret.bin",
    "a hard link": "hard.bin",
    "a pipe": "pipe.bin",
    "a device": "device.bin",
    "a folder": "folder.bin",
    "a missing file": "missing.bin",
    "a file as a folder": "good.bin/x",
    "a web address": "https://example.org/w.bin",
    "a variable": "$HOME/.bashrc",
    "a home": "~/.bashrc",
}

RANGES: Mapping[str, list[tuple[str, str]]] = {
    "offset past the end": [("location", "good.bin"), ("offset", str(BYTES))],
    "offset of 2^63": [("location", "good.bin"), ("offset", str(1 << 63))],
    "offset below zero": [("location", "good.bin"), ("offset", "-8")],
    "offset of words": [("location", "good.bin"), ("offset", "many")],
    "offset of 10000 digits": [("location", "good.bin"), ("offset", "9" * 10_000)],
    "length of 2^62": [("location", "good.bin"), ("length", str(1 << 62))],
    "length below zero": [("location", "good.bin"), ("length", "-1")],
    "length too short": [("location", "good.bin"), ("length", "8")],
    "a short file": [("location", "short.bin")],
    "two locations": [("location", "good.bin"), ("location", "../outside/secret.bin")],
    "no location": [("offset", "0")],
}


def case(name: str, entries: list[tuple[str, str]], *, place: str = "weight") -> Case:
    def write(folder: Path) -> Path:
        beside(folder)
        return write_model(folder, entries, place=place)

    return Case(kind="external data", name=name, write=write, read=read_model, refused=True)


def shared(folder: Path) -> Path:
    """A small file of which thousands of tensors are made."""
    (folder / "good.bin").write_bytes(b"\0" * (1 << 20))
    proto = tiny.mlp()
    for number in range(3000):
        tensor = proto.graph.initializer.add(
            name=f"w{number}", data_type=TensorProto.FLOAT, dims=[1 << 18]
        )
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="good.bin")
    path = folder / "hostile.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def own_file(folder: Path) -> Path:
    """A model whose weights are its own bytes: no harm, if it is read at all."""
    return write_model(folder, [("location", "hostile.onnx")])


def cases() -> list[Case]:
    found = [case(f"at {name}", [("location", place)]) for name, place in LOCATIONS.items()]
    found += [case(name, entries) for name, entries in RANGES.items()]
    hidden = [("location", "../outside/secret.bin")]
    found += [
        case(f"hidden in a {place}", hidden, place=place)
        for place in ("attribute", "body", "function")
    ]
    found += [
        Case(
            kind="external data",
            name="shared by thousands",
            write=shared,
            read=read_model,
            refused=True,
        ),
        Case(
            kind="external data",
            name="the model itself",
            write=own_file,
            read=read_model,
            fast=False,
        ),
    ]
    return found
