import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.measure import quality as module
from lissom.measure.judge import Judge
from lissom.measure.quality import Quality, judge
from lissom.measure.samples import Part, Samples
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny

PORT = Port(name="x", dtype="float32", shape=("batch", 16))
X = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def saved(tmp_path, noise):
    model, rng = tiny.mlp(), np.random.default_rng(1)
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        array = array + noise * array.std() * rng.normal(size=array.shape)
        weight.CopyFrom(numpy_helper.from_array(array.astype(np.float32), weight.name))
    onnx.save(model, tmp_path / f"{noise}.onnx")
    return tmp_path / f"{noise}.onnx"


def judged(tmp_path, samples, noise, **options):
    original, candidate = saved(tmp_path, 0.0), saved(tmp_path, noise)
    part = samples.part("selection")
    return judge(original, candidate, samples, part, by=Judge(**options), target=Target())


def inside(quality):
    assert quality.drop_interval[0] <= quality.drop <= quality.drop_interval[1]
    assert quality.score_interval[0] <= quality.score <= quality.score_interval[1]
    low, high = quality.disagreement_interval
    assert low <= quality.disagreement <= high


def test_a_model_beside_itself_loses_nothing(tmp_path, store):
    samples = Samples.open({"x": X}, (PORT,), store)
    found = judged(tmp_path, samples, 0.0, original_quality=0.9)
    assert (found.drop, found.disagreement, found.score) == (0.0, 0.0, 0.9)
    assert (found.metric, found.drop_kind) == ("top1", "expected")
    assert 0 < found.drop_interval[1] < 0.03
    assert found.count == len(samples.part("selection"))
    inside(found)


def test_labels_measure_and_their_absence_estimates(tmp_path, store, monkeypatch):
    import onnxruntime

    session = onnxruntime.InferenceSession(saved(tmp_path, 0.0))
    labels = session.run(None, {"x": X})[0].argmax(axis=1)
    plain = Samples.open({"x": X}, (PORT,), store)
    labelled = Samples.open({"x": X, "label": labels}, (PORT,), store)
    expected = judged(tmp_path, plain, 0.4)
    measured = judged(tmp_path, labelled, 0.4)
    assert (expected.drop_kind, measured.drop_kind) == ("expected", "labels")
    # The original is always right here, so every disagreement is a loss.
    assert measured.drop == pytest.approx(measured.disagreement) == expected.disagreement
    assert measured.score == pytest.approx(1 - measured.drop)
    assert 0 < expected.drop < expected.disagreement
    for found in (expected, measured):
        inside(found)
        assert Quality.from_json(json.loads(json.dumps(found.to_json()))) == found

    def forbidden(*_args, **_options):
        raise AssertionError("a model was run twice")

    monkeypatch.setattr(module, "call", forbidden)
    assert judged(tmp_path, plain, 0.4) == expected


def test_a_known_quality_corrects_confidence(tmp_path, store):
    samples = Samples.open({"x": X}, (PORT,), store)
    drops = [judged(tmp_path, samples, 0.4, original_quality=q).drop for q in (0.5, 0.8, 0.99)]
    assert drops == sorted(drops)
    assert drops[0] < drops[2]


def test_few_labels_correct_the_estimate(tmp_path, store):
    import onnxruntime

    session = onnxruntime.InferenceSession(saved(tmp_path, 0.0))
    truth = session.run(None, {"x": X})[0].argmax(axis=1)
    some = [int(label) if i % 4 == 0 else None for i, label in enumerate(truth)]
    samples = Samples.open({"x": X}, (PORT,), store, labels=some)
    plain = judged(tmp_path, Samples.open({"x": X}, (PORT,), store), 0.4)
    found = judged(tmp_path, samples, 0.4)
    assert found.drop_kind == plain.drop_kind == "expected"
    assert found.count == plain.count
    # The original is always right, which its own confidence does not know.
    assert found.drop > plain.drop
    assert abs(found.score + found.disagreement - 1) < 0.05 < plain.score + plain.disagreement - 1
    assert "known labels" in found.meaning
    assert "by the few labels" in found.meaning
    inside(found)
    known = judged(tmp_path, samples, 0.4, original_quality=0.9)
    assert known.score == pytest.approx(0.9 - known.drop)
    nothing = Samples.open({"x": X}, (PORT,), store, labels=np.full(200, -1))
    assert not nothing.labels


def test_where_no_estimate_exists_few_labels_speak_alone(tmp_path, store, monkeypatch):
    (tmp_path / "metric_of_quality.py").write_text(
        "import numpy as np\n"
        "def near(outputs, labels):\n"
        "    out = outputs['y']\n"
        "    return np.exp(-np.abs(out - labels.reshape(-1, 1)).mean(axis=1))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    samples = Samples.open(
        {"x": X}, (PORT,), store, labels=np.where(np.arange(200) % 2, np.nan, 0.5)
    )
    monkeypatch.setattr(module, "HONEST_KINDS", frozenset())
    found = judged(tmp_path, samples, 0.4, metric="metric_of_quality:near")
    part = samples.part("selection")
    assert (found.metric, found.drop_kind) == ("metric_of_quality:near", "labels")
    assert 0 < found.count < len(part)
    inside(found)


def test_where_no_honest_estimate_exists_the_bound_is_given(tmp_path, store):
    samples = Samples.open({"x": X}, (PORT,), store)
    for metric in ("embedding", "regression"):
        found = judged(tmp_path, samples, 0.4, metric=metric)
        assert (found.metric, found.drop_kind) == (metric, "bound")
        assert found.drop == found.disagreement > 0
        inside(found)
    known = judged(tmp_path, samples, 0.4, metric="embedding", original_quality=0.8)
    assert known.drop_kind == "expected"
    assert known.drop < known.disagreement


def test_an_empty_part_is_said(tmp_path, store):
    samples = Samples.open({"x": X[:1]}, (PORT,), store)
    path = saved(tmp_path, 0.0)
    nothing = Part(name="selection", indices=(), fingerprint="")
    with pytest.raises(SamplesError, match="none is in the selection part"):
        judge(path, path, samples, nothing, by=Judge(), target=Target())
