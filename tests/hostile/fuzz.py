"""Files that were sound and then changed, for Hypothesis: what every reader is fuzzed with."""

import json

import numpy as np
from hypothesis import strategies as st

from lissom.recipe import Recipe, Step
from tests import tiny
from tests.hostile.image_cases import encoded
from tests.hostile.sample_cases import npy, zipped

__all__ = ["Change", "apply", "changes", "images", "models", "records", "recipes", "samples"]

Change = tuple[str, int, int, bytes]

_HOSTILE = (
    b"\0",
    b"\xff" * 10,
    b"\x7f\xff\xff\xff",
    b"\x80" * 9 + b"\x01",
    b"../",
    b"'",
    b"[" * 50,
    b"!!python/name:os.system",
    b"&a *a",
    b"PK\x01\x02",
    b"1e999",
    b"9" * 400,
    b"\x1b[2J",
)


def changes(longest: int) -> st.SearchStrategy[list[Change]]:
    """Up to eight changes of a file of so many bytes: flip, overwrite, insert, delete, repeat."""
    place = st.integers(0, longest)
    content = st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(_HOSTILE))
    kinds = st.sampled_from(("flip", "write", "insert", "delete", "repeat", "cut"))
    return st.lists(st.tuples(kinds, place, st.integers(0, 255), content), min_size=1, max_size=8)


def apply(data: bytes, made: list[Change]) -> bytes:
    out = bytearray(data)
    for kind, place, amount, content in made:
        if not out:
            break
        at = place % len(out)
        if kind == "flip":
            out[at] ^= amount
        elif kind == "write":
            out[at : at + len(content)] = content
        elif kind == "insert":
            out[at:at] = content
        elif kind == "delete":
            del out[at : at + amount]
        elif kind == "repeat":
            out[at:at] = out[at : at + amount]
        elif amount > 200:
            del out[at:]
    return bytes(out)


def mutated(sound: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.sampled_from(sound).flatmap(
        lambda data: changes(len(data)).map(lambda made: apply(data, made))
    )


def models() -> st.SearchStrategy[bytes]:
    made = (tiny.cnn(), tiny.mlp(), tiny.branchy(), tiny.recurrent(), tiny.transformer())
    return mutated([proto.SerializeToString() for proto in made])


def samples() -> st.SearchStrategy[tuple[str, bytes]]:
    """The end of the name and the bytes of a file of samples."""
    array = npy(np.ones((4, 3), np.float32))
    archives = [zipped(("x.npy", array)), zipped(("x.npy", array), ("label.npy", array))]
    return st.one_of(
        st.tuples(st.just(".npy"), mutated([array, npy(np.array([["a", "bc", "d"]]))])),
        st.tuples(st.just(".npz"), mutated([*archives, zipped(("x.npy", array), packed=False)])),
    )


def recipes() -> st.SearchStrategy[bytes]:
    steps = (
        Step(method="quantize.static", parameters={"ranges": "mse"}, exclude=("/head/*",)),
        Step(method="quantize.dynamic"),
    )
    sound = [Recipe(name="a", steps=steps).to_yaml().encode(), Recipe().to_yaml().encode()]
    return st.one_of(mutated(sound), st.text(max_size=60).map(str.encode))


def records() -> st.SearchStrategy[bytes]:
    """The record of a step in a store, and the store's own file."""
    return mutated([json.dumps({"format": 1, "value": {"object": "0" * 64}}).encode()])


def images() -> st.SearchStrategy[tuple[str, bytes]]:
    """Small images of every kind that is read."""
    kinds = {".png": "PNG", ".jpg": "JPEG", ".gif": "GIF", ".bmp": "BMP", ".tif": "TIFF"}
    kinds |= {".ppm": "PPM", ".webp": "WEBP"}
    return st.sampled_from(sorted(kinds)).flatmap(
        lambda suffix: st.tuples(st.just(suffix), mutated([encoded(kinds[suffix])]))
    )
