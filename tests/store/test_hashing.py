"""Hashes: equal for equal meaning, different for anything else."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissom.store.hashing import canonical_json, sha256_arrays, sha256_file, sha256_json

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(value=st.dictionaries(st.text(), json_values, max_size=5))
def test_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert sha256_json(value) == sha256_json(turned)


@settings(deadline=None)
@given(value=json_values)
def test_a_value_and_what_json_makes_of_it_are_the_same(value: object) -> None:
    import json

    assert canonical_json(json.loads(json.dumps(value))) == canonical_json(value)


def test_known_values() -> None:
    assert canonical_json({"b": (1, 2), "a": "é"}) == '{"a":"é","b":[1,2]}'
    assert canonical_json({10: 0, 2: 0}) == '{"10":0,"2":0}'
    assert sha256_json([]) == hashlib.sha256(b"[]").hexdigest()


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        sha256_json({"loss": float("nan")})
    with pytest.raises(TypeError):
        sha256_json({"path": Path("model.onnx")})


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(b"abc" * 1_000_000)
    assert sha256_file(path) == hashlib.sha256(b"abc" * 1_000_000).hexdigest()


def test_arrays_differ_in_name_type_shape_and_values() -> None:
    base = np.arange(6, dtype=np.float32)
    hashes = {
        sha256_arrays({"x": base}),
        sha256_arrays({"y": base}),
        sha256_arrays({"x": base.reshape(2, 3)}),
        sha256_arrays({"x": base.view(np.int32)}),
        sha256_arrays({"x": base + 1}),
        sha256_arrays({"x": base, "y": base}),
        sha256_arrays({}),
        sha256_arrays({"x": np.asarray(["a", "bc"])}),
    }
    assert len(hashes) == 8


def test_memory_layout_does_not_matter() -> None:
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    same = {"x": np.asfortranarray(base)}
    assert sha256_arrays(same) == sha256_arrays({"x": base})
    assert sha256_arrays({"x": base.astype(">f4")}) == sha256_arrays({"x": base})
    assert sha256_arrays({"a": base, "b": base}) == sha256_arrays({"b": base, "a": base})


def test_objects_have_no_bytes() -> None:
    with pytest.raises(TypeError, match="Python objects"):
        sha256_arrays({"x": np.asarray([None])})
