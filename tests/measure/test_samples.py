import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.measure.samples import Samples
from lissom.store.store import Store

X = Port(name="x", dtype="float32", shape=("N", 3))
IDS = Port(name="ids", dtype="int64", shape=("N", "T"))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def rows(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


def every(samples, part, **options):
    return {i: feed for feed in samples.feeds(part, **options) for i in feed.indices}


def test_npz_is_read_sample_by_sample(store, tmp_path):
    x, y = rows(40), np.arange(40)
    np.savez(tmp_path / "s.npz", x=x, label=y)
    samples = Samples.open(tmp_path / "s.npz", (X,), store)
    assert samples.count == 40
    assert samples.labels
    for i, feed in every(samples, samples.whole()).items():
        np.testing.assert_array_equal(feed.inputs["x"], x[i : i + 1])
        assert feed.labels.tolist() == [i]


def test_every_source_gives_the_same_fingerprint(store, tmp_path):
    x = rows(12)
    np.save(tmp_path / "x.npy", x)
    np.savez_compressed(tmp_path / "x.npz", x=np.asfortranarray(x))
    folder = tmp_path / "feeds"
    folder.mkdir()
    for i in range(12):
        np.savez(folder / f"{i:02}.npz", x=x[i : i + 1])

    class Reader:
        def __init__(self):
            self.left = [{"x": x[i : i + 1]} for i in range(12)]

        def get_next(self):
            return self.left.pop(0) if self.left else None

    sources = [
        tmp_path / "x.npy",
        str(tmp_path / "x.npz"),
        folder,
        {"x": x},
        {"x": x.astype(np.float64)},
        {"x": x[:, None]},
        ({"x": x[i : i + 1]} for i in range(12)),
        Reader(),
    ]
    assert len({Samples.open(source, (X,), store).fingerprint for source in sources}) == 1


def test_shapes_may_vary_from_feed_to_feed(store):
    feeds = [{"ids": np.arange(n)[None]} for n in (3, 5, 3, 4, 3)]
    samples = Samples.open(feeds, (IDS,), store)
    got = list(samples.feeds(samples.whole(), batch=2))
    assert sorted(feed.inputs["ids"].shape for feed in got) == [(1, 3), (1, 4), (1, 5), (2, 3)]
    assert sorted(i for feed in got for i in feed.indices) == [0, 1, 2, 3, 4]


def test_a_fixed_batch_groups_samples_and_fills_the_last_run(store):
    fixed = Port(name="x", dtype="float32", shape=(4, 3))
    samples = Samples.open({"x": rows(10)}, (fixed,), store)
    got = list(samples.feeds(samples.whole()))
    assert [feed.inputs["x"].shape for feed in got] == [(4, 3)] * 3
    assert [len(feed.indices) for feed in got] == [4, 4, 2]
    np.testing.assert_array_equal(got[2].inputs["x"][2:], got[2].inputs["x"][:2])


def test_whole_inputs_of_a_fixed_batch_stay_whole(store):
    fixed = Port(name="x", dtype="float32", shape=(4, 3))
    samples = Samples.open({"x": rows(8).reshape(2, 4, 3)}, (fixed,), store)
    assert samples.count == 2
    assert [f.inputs["x"].shape for f in samples.feeds(samples.whole())] == [(4, 3)] * 2


def test_state_that_is_not_batched_goes_one_by_one(store):
    ports = (X, Port(name="state", dtype="float32", shape=(2, "N", 4)))
    data = {"x": rows(6), "state": np.zeros((6, 2, 1, 4), np.float32)}
    samples = Samples.open(data, ports, store)
    assert [f.batch for f in samples.feeds(samples.whole(), batch=3)] == [1] * 6


def test_parts_are_disjoint_and_a_child_sees_the_same(store):
    samples = Samples.open({"x": rows(50)}, (X,), store)
    again = Samples.from_json(json.loads(json.dumps(samples.to_json())))
    parts = [samples.part(n) for n in ("calibration", "selection", "certification")]
    assert sorted(i for part in parts for i in part.indices) == list(range(50))
    assert [again.part(part.name) for part in parts] == parts
    ours, theirs = every(samples, parts[0]), every(again, parts[0])
    assert all(np.array_equal(ours[i].inputs["x"], theirs[i].inputs["x"]) for i in ours)


def test_adding_samples_moves_none(store):
    x = rows(200)
    few, many = (Samples.open({"x": x[:n]}, (X,), store) for n in (120, 200))
    for name in ("calibration", "selection", "certification"):
        assert set(few.part(name).indices) <= set(many.part(name).indices)


def test_limit_takes_the_first_of_the_part(store):
    samples = Samples.open({"x": rows(30)}, (X,), store)
    part = samples.part("selection")
    assert tuple(every(samples, part, limit=5)) == part.indices[:5]


def test_text_inputs_survive(store):
    port = Port(name="t", dtype="string", shape=("N",))
    words = np.array(["a", "", "länger", "日本"])
    samples = Samples.open({"t": words}, (port,), store)
    got = every(samples, samples.whole())
    assert [got[i].inputs["t"].tolist() for i in range(4)] == [[word] for word in words]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"images": rows(3)}, r"rename 'images' to 'x'"),
        ({"x": rows(3), "z": rows(3)}, r"not an input: 'z'"),
        ({"x": rows(3)[:, :2]}, r"axis 1 must be 3"),
        ({"x": rows(3)[0]}, r"has rank 1"),
        ({"x": np.zeros((3, 3), np.uint8)}, r"preprocess it"),
        ({"x": rows(3).astype(object)}, r"Python objects"),
        ({"x": rows(3) * np.nan}, r"NaN"),
        ({"x": rows(3).astype(np.float64) * 1e300}, r"too large for float32"),
        ({"x": rows(3), "label": np.arange(2)}, r"unequal numbers of samples"),
        ({"x": rows(0)}, r"no samples"),
        (7, r"cannot be read from a int"),
        ([7], r"feed 0 is a int"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(store, data, message):
    with pytest.raises(SamplesError, match=message):
        Samples.open(data, (X,), store)


def test_integers_are_widened_and_only_narrowed_when_they_fit(store):
    narrow = Port(name="ids", dtype="int32", shape=("N", "T"))
    samples = Samples.open({"ids": np.array([[1, 2]], np.int64)}, (narrow,), store)
    assert next(samples.feeds(samples.whole())).inputs["ids"].dtype == np.int32
    with pytest.raises(SamplesError, match="outside the range of int32"):
        Samples.open({"ids": np.array([[2**40]])}, (narrow,), store)


def test_labels_from_a_file_must_be_one_each(store, tmp_path):
    np.save(tmp_path / "y.npy", np.arange(5))
    assert Samples.open({"x": rows(5)}, (X,), store, labels=tmp_path / "y.npy").labels
    for count in (4, 6):
        with pytest.raises(SamplesError, match="5 labels for"):
            Samples.open({"x": rows(count)}, (X,), store, labels=tmp_path / "y.npy")
    with pytest.raises(SamplesError, match="npy"):
        Samples.open({"x": rows(5)}, (X,), store, labels=tmp_path / "y.txt")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_what_was_put_in_comes_out(store, seed, sizes):
    rng = np.random.default_rng(seed)
    feeds = [{"ids": rng.integers(0, 9, (1, n))} for n in sizes]
    samples = Samples.open(feeds, (IDS,), store)
    got = every(samples, samples.whole())
    assert all(np.array_equal(got[i].inputs["ids"], feed["ids"]) for i, feed in enumerate(feeds))
