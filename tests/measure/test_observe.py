"""What is observed equals what the runtime answers, however it was fetched; and only once."""

import numpy as np
import pytest

from lissom.errors import MeasurementError
from lissom.graph.expose import expose, intermediate_values
from lissom.measure import observe as module
from lissom.measure.evidence import Need
from lissom.measure.observe import gather_ranges, observe, shapes
from lissom.measure.samples import Samples
from lissom.numerics.smoothed import KEPT
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of, run

PROTO = tiny.cnn()
MODEL = model_of(PROTO)
FEEDS = [tiny.feeds(PROTO, batch=1, seed=seed) for seed in range(5)]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    return Samples.open(iter(FEEDS), MODEL.inputs, store)


def test_ranges_are_those_of_the_runtime(samples):
    values = ("image", "c1", "p1", "logits", "no such value", "conv1.weight")
    needs = {Need.RANGES: values}
    told = []
    seen = observe(MODEL, samples, samples.whole(), needs, Target(), progress=told.append)
    assert set(seen.histograms) == {"image", "c1", "p1", "logits"}
    assert (seen.count, told[-1]) == (5, 5)
    exposed = expose(MODEL, ["c1", "p1"])
    names = [port.name for port in exposed.outputs]
    answers = [dict(zip(names, run(exposed, feed), strict=True)) | feed for feed in FEEDS]
    order = [int(run.indices[0]) for run in samples.feeds(samples.whole())]
    for name, histogram in seen.histograms.items():
        every = np.concatenate([answer[name].reshape(-1) for answer in answers])
        assert histogram.count == every.size
        np.testing.assert_allclose(histogram.low, every.min(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(histogram.high, every.max(), rtol=1e-4, atol=1e-5)
        weights = KEPT ** np.arange(len(FEEDS) - 1, -1, -1)
        usual = np.average([answers[at][name].max() for at in order], weights=weights)
        np.testing.assert_allclose(seen.averages[name].range.high, max(0.0, usual), rtol=1e-3)


def test_the_same_question_is_answered_from_the_store(samples, monkeypatch):
    needs = {Need.RANGES: ("c2",)}
    part = samples.whole()
    first = observe(MODEL, samples, part, needs, Target(), limit=3)
    monkeypatch.setattr(module, "call", lambda *_, **__: pytest.fail("it was computed twice"))
    again = observe(MODEL, samples, part, needs, Target(), limit=3)
    assert again.count == 3
    np.testing.assert_array_equal(again.histogram("c2").counts, first.histogram("c2").counts)


def test_groups_of_outputs_do_not_change_the_answer(samples, monkeypatch, tmp_path):
    from lissom.graph.save import save

    values = [name for name in intermediate_values(MODEL) if name != "logits"]
    path = tmp_path / "model.onnx"
    save(expose(MODEL, values), path, metadata={})
    arguments = {
        "path": str(path),
        "samples": samples.to_json(),
        "indices": list(samples.whole().indices),
        "values": [*values, "image"],
        "target": Target().to_json(),
    }
    answers = []
    for limit in (1, 2**30):
        monkeypatch.setattr(module, "_GROUP_BYTES", limit)
        answers.append(gather_ranges(**arguments)["ranges"]["object"])
    assert answers[0] == answers[1]


def test_shapes_are_concrete(tmp_path):
    found = shapes(MODEL, tiny.feeds(PROTO, batch=3), Target(), Store(tmp_path))
    assert found["image"] == (3, 3, 8, 8)
    assert found["p1"] == (3, 8, 4, 4)
    assert found["logits"] == (3, 5)
    assert "conv1.weight" not in found


def test_a_feed_that_does_not_fit_is_the_runtimes_refusal(tmp_path):
    with pytest.raises(MeasurementError):
        shapes(MODEL, {"image": np.zeros((1, 2, 8, 8), np.float32)}, Target(), Store(tmp_path))
