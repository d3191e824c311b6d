import numpy as np
import onnx
import pytest

from lissom.errors import MeasurementError, OptionError
from lissom.graph.model import Port
from lissom.measure import judging
from lissom.measure.judging import answer
from lissom.measure.samples import Feed, Part, Samples
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny

PORT = Port(name="x", dtype="float32", shape=("batch", 16))
X = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    onnx.save(tiny.mlp(), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def asked(path, samples, *, metric=None, outlooks=None, part=None):
    part = samples.whole() if part is None else part
    target = Target().to_json()
    return answer(str(path), samples.to_json(), part.to_json(), target, metric, outlooks)


def test_answers_of_the_original_and_of_a_candidate(path, tmp_path):
    store = Store(tmp_path / "store")
    samples = Samples.open({"x": X}, (PORT,), store)
    original = asked(path, samples)
    assert [view["kind"] for view in original["outlooks"]] == ["classes"]
    assert original["scores"] is None
    kept = store.arrays(original["answers"][0]["object"])
    assert kept["index"].shape == (40, 4)
    candidate = asked(path, samples, outlooks=original["outlooks"])
    again = store.arrays(candidate["answers"][0]["object"])
    np.testing.assert_array_equal(again["index"], kept["index"])


def test_labels_give_scores(path, tmp_path):
    samples = Samples.open({"x": X, "label": np.zeros(40, int)}, (PORT,), Store(tmp_path / "store"))
    found = asked(path, samples)
    kept = samples.store.arrays(found["answers"][0]["object"])
    scores = samples.store.arrays(found["scores"]["object"])["scores"]
    assert scores.tolist() == (kept["index"][:, 0] == 0).astype(float).tolist()


def test_a_metric_that_fits_nothing_and_an_empty_part_are_errors(path, tmp_path):
    samples = Samples.open({"x": X}, (PORT,), Store(tmp_path / "store"))
    with pytest.raises(OptionError, match="'map' fits none"):
        asked(path, samples, metric="map")
    nothing = Part(name="selection", indices=(), fingerprint="")
    with pytest.raises(MeasurementError, match="no samples"):
        asked(path, samples, part=nothing)


def test_as_much_is_kept_as_of_the_original_where_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "_KEEP_OTHERS", {"classes": 5})
    path = tmp_path / "wide.onnx"
    onnx.save(tiny.mlp(sizes=(16, 9)), path)
    samples = Samples.open({"x": X}, (PORT,), Store(tmp_path / "store"))
    kinds = asked(path, samples)["outlooks"]
    part, target = samples.whole().to_json(), Target().to_json()
    given = (str(path), samples.to_json(), part, target, None, kinds)
    few, many = answer(*given), answer(*given, full=True)
    first, second = (
        samples.store.arrays(one["answers"][0]["object"])["index"].shape[1] for one in (few, many)
    )
    assert (first, second) == (5, 9)


def test_the_mask_among_the_inputs_says_what_is_padding():
    ids, mask = np.ones((2, 3), np.int64), np.array([[1, 1, 0], [1, 0, 0]])
    inputs = {"input_ids": ids, "attention_mask": mask}
    feed = Feed(indices=(0,), inputs=inputs, labels=None, batch=2)
    assert judging._told(feed).tolist() == [[True, True, False]]
    alone = Feed(indices=(0,), inputs=inputs, labels=None, batch=1)
    assert len(judging._told(alone)) == 2
    assert judging._told(Feed(indices=(0,), inputs={"x": ids}, labels=None, batch=1)) is None
