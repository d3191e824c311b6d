import json

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from lissom.errors import MeasurementError, OptionError
from lissom.measure.parity import Parity, parity, relative_error, run_both
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def saved(tmp_path, name, model):
    onnx.save(model, tmp_path / name)
    return tmp_path / name


def nudged(by):
    model = tiny.mlp()
    bias = next(w for w in model.graph.initializer if w.name == "fc1.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(by), bias.name))
    return model


def test_errors_by_hand():
    ours = np.array([1.0, -4.0])
    assert relative_error(ours, ours) == 0.0
    assert relative_error(ours, np.array([1.0, -4.2])) == pytest.approx(0.05)
    assert relative_error(np.array([np.nan, 2.0]), np.array([np.nan, 2.0])) == 0.0
    assert relative_error(np.array([np.nan, 2.0]), np.array([1.0, 2.0])) == np.inf
    assert relative_error(np.array([np.inf]), np.array([-np.inf])) == np.inf
    assert relative_error(ours, ours[:1]) == np.inf
    assert relative_error(np.array([1, 2]), np.array([1, 2])) == 0.0
    assert relative_error(np.array([1, 2]), np.array([1, 3])) == np.inf
    assert relative_error(np.zeros(2), np.array([0.0, 1e-6])) == pytest.approx(1e-6)
    assert relative_error(np.array(["a"]), np.array(["a"])) == 0.0


@given(st.floats(0.01, 1e6), st.integers(0, 99))
def test_scale_does_not_matter(scale, seed):
    rng = np.random.default_rng(seed)
    ours, theirs = rng.normal(size=(2, 9))
    found = relative_error(ours * scale, theirs * scale)
    assert found == pytest.approx(relative_error(ours, theirs))


def test_a_model_against_itself_and_against_others(tmp_path, store):
    original = saved(tmp_path, "a.onnx", tiny.mlp())
    feeds = [{"x": np.random.default_rng(i).normal(size=(2, 16)).astype("f4")} for i in range(3)]
    same = parity(original, original, feeds, Target(), store)
    assert (same.max_relative_error, same.held, same.worst_output, same.feeds) == (0.0, True, "", 3)
    near = parity(original, saved(tmp_path, "b.onnx", nudged(1e-6)), feeds, Target(), store)
    assert near.held
    assert near.worst_output == "y"
    far = parity(original, saved(tmp_path, "c.onnx", nudged(0.1)), feeds, Target(), store)
    assert not far.held
    assert json.loads(json.dumps(far.to_json()))["held"] is False
    assert not list((store.root / "scratch").iterdir())


def test_whole_numbers_must_be_equal(tmp_path, store):
    def cast(value):
        return tiny.model(
            [helper.make_node("Add", ["x", "one"], ["y"])],
            {"x": ("int64", ["n"])},
            {"y": ("int64", ["n"])},
            {"one": np.array([value])},
        )

    first, second = (saved(tmp_path, f"{v}.onnx", cast(v)) for v in (1, 2))
    found = parity(first, second, [{"x": np.arange(3)}], Target(), store)
    assert not found.held
    assert found.to_json()["max_relative_error"] is None


def test_no_feeds_and_refused_feeds_are_errors(tmp_path, store):
    original = saved(tmp_path, "a.onnx", tiny.mlp())
    with pytest.raises(ValueError, match="at least one feed"):
        parity(original, original, [], Target(), store)
    with pytest.raises(MeasurementError):
        run_both(str(original), str(original), [{}], [Target().to_json()] * 2)


def test_the_other_may_run_elsewhere(tmp_path, store):
    original = saved(tmp_path, "a.onnx", tiny.mlp())
    feeds = [tiny.feeds(tiny.mlp())]
    found = parity(original, original, feeds, Target(), store, other_target=Target(threads=2))
    assert found.held
    absent = Target(options=(("absent", "1"),))
    with pytest.raises(OptionError, match="absent"):
        parity(original, original, feeds, Target(), store, other_target=absent)


@pytest.mark.parametrize("error", [0.25, np.inf])
def test_parity_as_json_and_back(error):
    one = Parity(max_relative_error=error, worst_output="y", held=False, feeds=3)
    assert Parity.from_json(json.loads(json.dumps(one.to_json()))) == one
