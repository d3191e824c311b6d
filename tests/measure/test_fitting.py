import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.measure.fitting import check_names, fit, label_key, listed, pick

IDS = Port(name="input_ids", dtype="int64", shape=("N", "T"))
MASK = Port(name="attention_mask", dtype="int64", shape=("N", "T"))


def port(dtype="float32", shape=("N", 3)):
    return Port(name="x", dtype=dtype, shape=shape)


def test_a_near_name_is_suggested():
    with pytest.raises(SamplesError, match="rename 'input-ids' to 'input_ids'"):
        check_names(["input-ids", "attention_mask"], (IDS, MASK), "s.npz")
    with pytest.raises(SamplesError, match="missing: 'attention_mask'"):
        check_names(["input_ids"], (IDS, MASK), "s.npz")


def test_labels_may_stand_beside_the_inputs():
    check_names(["input_ids", "attention_mask", "labels"], (IDS, MASK), "s.npz")
    assert label_key(["x", "label"], (port(),)) == "label"
    assert label_key(["labels"], (Port(name="labels", dtype="int64", shape=()),)) is None


def test_safe_casts_are_made():
    for given_type, wanted in (
        ("float64", "float32"),
        ("float32", "float16"),
        ("int32", "int64"),
        ("uint8", "int32"),
        ("int64", "uint8"),
    ):
        found = fit(np.ones((1, 3), given_type), port(wanted), "here")
        assert found.dtype == np.dtype(wanted)


@pytest.mark.parametrize(
    ("array", "to", "message"),
    [
        (np.ones((1, 3), np.uint8), port(), "preprocess"),
        (np.ones((1, 3), np.float32), port("int64"), "convert it"),
        (np.ones((1, 3), bool), port(), "convert it"),
        (np.ones((1, 3), np.int64), port("bool"), "convert it"),
        (np.full((1, 3), -1), port("uint8"), "outside the range"),
        (np.full((1, 3), 1e9), port("float16"), "too large"),
        (np.ones((1, 3)), port("string"), "give text"),
        (np.ones((1, 3)), port("sequence(float32)"), "cannot hold"),
        (np.ones((1, 4)), port(), "axis 1 must be 3"),
        (np.ones(3), port(), "rank 1; the model takes rank 2"),
        (np.array([[1, 2, np.nan]]), port(), "NaN"),
        (np.array([[0, 0, np.inf]]), port(), "an infinity and is no mask"),
        (np.array([[1, 2, -np.inf]]), port(), "an infinity and is no mask"),
    ],
)
def test_what_does_not_fit_is_said(array, to, message):
    with pytest.raises(SamplesError, match=message):
        fit(array, to, "here")


@pytest.mark.parametrize("row", [[0, -np.inf, 0], [-0.5, -1.0, -np.inf], [-np.inf] * 3])
def test_minus_infinity_is_for_masks(row):
    assert fit(np.array([row]), port(), "here").tolist() == [row]


def test_an_input_of_unknown_rank_takes_any():
    anything = Port(name="x", dtype="float32", shape=(), ranked=False)
    assert fit(np.ones((2, 3, 4)), anything, "here").shape == (2, 3, 4)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_a_cast_keeps_every_value_or_is_refused(values):
    array = np.array([values])
    try:
        found = fit(array, Port(name="x", dtype="int16", shape=("N", "T")), "here")
    except SamplesError:
        assert max(values) > 32767 or min(values) < -32768
    else:
        assert found.tolist() == [values]


def test_pick_leaves_labels_out():
    feed = {"x": np.ones((1, 3)), "label": np.array([1])}
    assert list(pick(feed, (port(),), "here")) == ["x"]


def test_long_lists_are_cut():
    assert listed("abcdefghij").endswith("and 2 more")
