import numpy as np
import onnx
import pytest
from onnx import helper

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.measure.generated import generated, guesses, latency_feed, try_guesses
from lissom.measure.samples import Samples
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def port(name, dtype, *shape):
    return Port(name=name, dtype=dtype, shape=shape)


def plain(ports):
    return [[p.name, p.dtype, list(p.shape), p.ranked] for p in ports]


def saved(tmp_path, model):
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    return path


def test_open_sizes_of_one_name_are_equal_and_the_first_axis_is_the_batch():
    ports = (port("a", "float32", "N", "T", 5), port("b", "int64", "N", "T"))
    for feed in guesses(ports, batch=3):
        assert feed["a"].shape[0] == 3
        assert feed["a"].shape[:2] == feed["b"].shape
        assert feed["b"].min() >= 0


def test_names_say_what_values_mean():
    ports = (
        port("input", "float32", None, None),
        port("state", "float32", 2, None, 128),
        port("sr", "int64"),
        port("attention_mask", "int64", None, None),
    )
    feed = next(guesses(ports))
    assert feed["state"].shape == (2, 1, 128)
    assert feed["sr"] == 16000
    assert feed["attention_mask"].min() == 1


def test_images_and_text():
    feed = next(guesses((port("x", "float32", None, 3, "?", "?"), port("t", "string", "N"))))
    assert feed["x"].shape == (1, 3, 224, 224)
    assert feed["t"].tolist() == ["a"]


def test_a_seed_repeats_a_guess():
    ports = (port("x", "float16", "N", 4),)
    first, again, other = (next(guesses(ports, seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first["x"], again["x"])
    assert not np.array_equal(first["x"], other["x"])


def test_a_type_that_cannot_be_invented_is_said():
    with pytest.raises(SamplesError, match="--data"):
        next(guesses((port("x", "sequence(float32)"),)))


def lookup(rows):
    """A table of `rows` rows: only small integers can be looked up."""
    node = helper.make_node("Gather", ["table", "ids"], ["out"])
    return tiny.model(
        [node],
        {"ids": ("int64", ["N", "T"])},
        {"out": ("float32", ["N", "T", 2])},
        {"table": np.zeros((rows, 2), np.float32)},
    )


def test_guesses_go_on_until_one_runs(tmp_path, store):
    path = saved(tmp_path, lookup(2))
    ports = (port("ids", "int64", "N", "T"),)
    feed = generated(path, ports, Target(batch=2), store)
    assert feed["ids"].shape[0] == 2
    assert feed["ids"].max() < 2
    again = generated(path, ports, Target(batch=2), store)
    assert np.array_equal(feed["ids"], again["ids"])


def test_a_model_that_no_guess_runs_asks_for_data(tmp_path):
    node = helper.make_node("Reshape", ["x", "shape"], ["out"])
    model = tiny.model(
        [node],
        {"x": ("float32", ["N", "T"])},
        {"out": ("float32", [7919])},
        {"shape": np.array([7919])},
    )
    path = saved(tmp_path, model)
    with pytest.raises(SamplesError, match="give --data"):
        try_guesses(str(path), plain((port("x", "float32", "N", "T"),)), Target().to_json(), 0)


def test_the_feed_to_time_is_of_middle_size(tmp_path, store):
    ports = (port("ids", "int64", "N", "T"),)
    feeds = [{"ids": np.arange(n)[None]} for n in (1, 9, 4, 4, 4)]
    samples = Samples.open(feeds, ports, store)
    for batch in (1, 2, 5):
        feed = latency_feed(samples, tmp_path, ports, Target(batch=batch), store)
        assert feed["ids"].shape == (batch, 4)


def test_without_samples_the_feed_is_generated(tmp_path, store):
    path = saved(tmp_path, tiny.mlp())
    ports = (port("x", "float32", "batch", 16),)
    assert latency_feed(None, path, ports, Target(batch=3), store)["x"].shape == (3, 16)
