"""Model files whose bytes lie: cut, mutated, of another kind, of impossible lengths and depths."""

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests import tiny
from tests.hostile.bomb_cases import varint
from tests.hostile.case import Case, case_of, model_case, read_model

__all__ = ["cases", "mutated"]

MUTATIONS = 26


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protobuf."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value % (1 << 64))


def mutated(data: bytes, seed: int) -> bytes:
    """Change a few bytes: flip, insert, delete, repeat; mostly where the structure is."""
    rng = random.Random(seed)
    out = bytearray(data)
    for _ in range(rng.choice((1, 2, 4, 16))):
        at = rng.randrange(len(out))
        what = rng.randrange(5)
        if what == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif what == 2:
            del out[at : at + rng.randrange(1, 9)]
        elif what == 3:
            out[at:at] = rng.randbytes(rng.randrange(1, 9))
        else:
            out[at:at] = out[at : at + rng.randrange(1, 200)]
    return bytes(out)


def cut_and_mutated() -> list[Case]:
    whole = tiny.cnn(opset=9).SerializeToString()
    body = tiny.branchy().SerializeToString()
    found = []
    for part in (1, 10, 25, 50, 75, 90, 99):
        data = whole[: len(whole) * part // 100]
        found.append(model_case("truncated", f"at {part}%", data, refused=part < 99))
    found += [
        model_case("truncated", f"{count} bytes short", body[:-count], refused=True)
        for count in (1, 2, 3)
    ]
    for seed in range(MUTATIONS):
        data = mutated(whole if seed % 2 else body, seed)
        found.append(model_case("mutated", f"seed {seed}", data, fast=seed < 2))
    return found


def other_files() -> list[Case]:
    image = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
    contents = {
        "empty": b"",
        "text": b"hello, this is no model\n" * 10,
        "a script": b"#!/bin/sh\necho hello\n" * 10,
        "an ELF header": b"\x7fELF\x02\x01\x01" + b"\0" * 200,
        "an image": image,
        "a zip": b"PK\x03\x04" + b"\0" * 100,
        "a gzip": b"\x1f\x8b\x08\0" + b"\0" * 100,
        "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "JSON": b'{"graph": {}}' * 10,
        "HTML": b"<script>alert(1)</script>" * 10,
        "safetensors": struct.pack("<Q", 1 << 62) + b'{"a": {}}',
        "zeros": bytes(1 << 16),
        "ones": b"\xff" * (1 << 16),
        "noise": random.Random(7).randbytes(1 << 16),
    }
    kind = "not a model"
    found = [model_case(kind, name, data, refused=True) for name, data in contents.items()]
    special: dict[str, Callable[[Path], object]] = {
        "a folder": lambda path: path.mkdir(),
        "a pipe": lambda path: os.mkfifo(path),
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "a link to itself": lambda path: path.symlink_to(path),
        "a dangling link": lambda path: path.symlink_to(path.with_name("nowhere")),
        "nothing": lambda path: None,
    }

    def writer(make: Callable[[Path], object]) -> Callable[[Path], Path]:
        def write(folder: Path) -> Path:
            path = folder / "hostile.onnx"
            make(path)
            return path

        return write

    found += [
        Case(kind=kind, name=name, write=writer(make), read=read_model, refused=True)
        for name, make in special.items()
    ]
    return found


def lengths() -> list[Case]:
    """Fields that declare more than there is, or that a parser reads differently than we do."""
    good = tiny.mlp().SerializeToString()
    kind = "huge declared lengths"
    contents = {
        "2^31": good + b"\x3a" + varint(1 << 31),
        "2^63": good + b"\x3a" + varint(1 << 63),
        "2^64": good + b"\x3a" + varint((1 << 64) - 1),
        "a varint without end": good + b"\x3a" + b"\xff" * 40,
        "inside the graph": b"\x08\x08\x3a\x05\x0a\xff\xff\xff\x7f",
        "field zero": good + b"\x02\x01a",
        "a group": good + b"\x3b" * 10,
        "groups without end": good + b"\x0b" * 100_000,
        "an unknown wire type": good + b"\x0f\x00",
        "a tag of 40 bits": good + varint(1 << 39 | 7 << 3 | 2) + b"\x01a",
        "a graph of a number": b"\x08\x08\x38\x05",
        "two graphs": good + field(7, b""),
    }
    found = [model_case(kind, name, data, refused=True) for name, data in contents.items()]
    return [*found, *double_readings()]


def double_readings() -> list[Case]:
    """Tensors of which a parser sees something else than who checks them field by field."""
    outside = field(13, field(1, b"location") + field(2, b"../outside/secret.bin"))
    honest = number_field(2, 1) + number_field(1, 1) + field(9, b"\0\0\0\0")
    attributes = {
        "location given twice": field(
            5,
            number_field(2, 1)
            + number_field(1, 1)
            + number_field(14, 1)
            + field(13, field(1, b"location") + field(2, b"in.bin"))
            + outside,
        ),
        "outside in 33 bits": field(
            5, number_field(2, 1) + number_field(1, 1) + number_field(14, 1 + (1 << 32)) + outside
        ),
        "tensor in two parts": field(5, honest) + field(5, number_field(14, 1) + outside),
        "type in 33 bits": field(
            5, number_field(2, 1 + (1 << 32)) + number_field(1, 1 << 40) + field(9, b"\0\0\0\0")
        ),
        "type as text": field(5, number_field(2, 1) + field(2, b"a") + honest),
    }
    found = []
    for name, attribute in attributes.items():
        value = field(1, b"value") + attribute + number_field(20, 4)
        constant = field(2, b"c") + field(4, b"Constant") + field(5, value)
        proto = tiny.mlp()
        data = proto.SerializeToString()
        graph = proto.graph.SerializeToString() + field(1, constant)
        proto.ClearField("graph")
        data = proto.SerializeToString() + field(7, graph)
        found.append(model_case("read twice, seen once", name, data, refused=True))
    return found


def nested_bodies(depth: int) -> onnx.ModelProto:
    graph = helper.make_graph([], "deep", [], [])
    for level in range(depth):
        inner = helper.make_node("If", ["flag"], [f"o{level}"], then_branch=graph)
        graph = helper.make_graph([inner], "deep", [], [])
    return helper.make_model(graph)


def wrapped(number: int, depth: int) -> bytes:
    """A message in a message in a message, as raw bytes."""
    content = b""
    for _ in range(depth):
        content = field(number, content)
    return content


def depths() -> list[Case]:
    kind = "deep nesting"
    deep = wrapped(1, 20_000)
    # attribute -> graph -> node -> attribute ..., without a parser's help
    body = b""
    for _ in range(5_000):
        body = field(1, field(4, b"If") + field(5, field(1, b"b") + field(6, body)))
    sequence = b""
    for _ in range(3_000):
        sequence = field(4, field(1, sequence))
    head = b"\x08\x08"
    port = field(1, b"p") + field(2, sequence)
    return [
        case_of(kind, "17 bodies", lambda: nested_bodies(17), refused=True),
        model_case(kind, "5000 bodies", head + field(7, body), refused=True),
        model_case(kind, "bodies in a function", head + field(7, b"") + field(25, field(7, body))),
        model_case(kind, "unknown messages", tiny.mlp().SerializeToString() + field(99, deep)),
        model_case(kind, "a type of sequences", head + field(7, field(11, port)), refused=True),
        model_case(kind, "training graphs", head + field(7, b"") + field(20, field(1, body))),
    ]


def sizes() -> list[Case]:
    """Tensors and ports of sizes that nobody has."""
    kind = "absurd sizes"
    shapes = {
        "2^40 by 2^40": ([1 << 40, 1 << 40], b"\0" * 4),
        "a product of 2^64": ([1 << 32, 1 << 32], b""),
        "a product of 2^64 in floats": ([1 << 31, 1 << 31], b""),
        "below zero": ([-1], b"\0" * 4),
        "two below zero": ([-2, -2], b"\0" * 16),
        "40 axes": ([1] * 40, b"\0" * 4),
        "empty and huge": ([0, 1 << 47], b""),
        "one byte short": ([2], b"\0" * 7),
        "one byte long": ([2], b"\0" * 9),
        "2^63 - 1": ([(1 << 63) - 1], b""),
    }
    found = []
    for name, (shape, raw) in shapes.items():
        proto = tiny.mlp()
        tensor = proto.graph.initializer.add(name="bomb", data_type=1, dims=shape)
        tensor.raw_data = raw
        refused = name != "empty and huge"
        found.append(model_case(kind, f"a weight of {name}", proto, refused=refused))
    for name, shape in {"2^62": [1 << 62, 16], "below zero": [-5, 16], "none": None}.items():
        proto = tiny.mlp()
        port = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        proto.graph.input[0].CopyFrom(port)
        found.append(model_case(kind, f"an input of {name}", proto, fast=name == "2^62"))
    sparse = tiny.mlp()
    made = helper.make_sparse_tensor(
        helper.make_tensor("s", TensorProto.FLOAT, [1], np.ones(1, np.float32)),
        helper.make_tensor("i", TensorProto.INT64, [1], np.zeros(1, np.int64)),
        [1 << 40],
    )
    sparse.graph.sparse_initializer.append(made)
    found.append(model_case(kind, "a sparse weight of 2^40", sparse, refused=True))
    return found


def crowds() -> list[Case]:
    """Millions of entries of two bytes: each is walked, or made an object by a parser."""
    entries = {
        "unknown numbers": number_field(2000, 1),
        "unknown messages": field(99, b""),
        "types of values": field(13, b""),
        "weights": field(5, b""),
        "inputs": field(11, b""),
        "notes": field(16, b""),
        "nodes": field(1, b""),
        "attributes": field(1, field(5, b"") * 1000),
    }
    found = []
    for name, entry in entries.items():

        def content(entry: bytes = entry) -> bytes:
            graph = entry * (12_000_000 // len(entry))
            return number_field(1, 8) + field(8, number_field(2, 17)) + field(7, graph)

        fast = name == "unknown numbers"
        found.append(case_of("crowds of entries", name, content, refused=True, fast=fast))
    few = field(13, b"") * 500_000
    whole = number_field(1, 8) + field(8, number_field(2, 17)) + field(7, few)
    found.append(case_of("crowds of entries", "half a million", lambda: whole))
    return found


def cases() -> list[Case]:
    groups = (cut_and_mutated, other_files, lengths, depths, sizes, crowds)
    return [case for group in groups for case in group()]
