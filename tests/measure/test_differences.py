"""What certificates rest on: the values of each sample, and what was settled beforehand."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lissom.errors import MeasurementError, SamplesError
from lissom.graph.model import Port
from lissom.measure import quality
from lissom.measure.differences import Differences, _largest, differences
from lissom.measure.judge import Judge
from lissom.measure.samples import Part, Samples
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny

PORT = Port(name="x", dtype="float32", shape=("batch", 16))
X = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 4, 200)


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


def lost(tmp_path, samples, *, fitted=True, **options):
    return differences(
        saved(tmp_path, 0.0),
        saved(tmp_path, 0.4),
        samples,
        samples.part("certification"),
        by=Judge(**options),
        target=Target(),
        fitted=samples.part("selection") if fitted else None,
    )


def test_labels_are_paired(tmp_path, store):
    samples = Samples.open({"x": X, "label": Y}, (PORT,), store)
    found = lost(tmp_path, samples)
    assert (found.kind, found.kinds, found.complete) == ("labels", ("labels",), True)
    assert len(found.values) == len(samples.part("certification"))
    assert set(np.unique(found.values)) <= {-1.0, 0.0, 1.0}
    assert (np.abs(found.values) <= found.disagreement).all()
    assert found.of("labels") is found.labels
    assert found.assumed("labels") == ""
    with pytest.raises(ValueError, match="only"):
        found.of("bound")


def test_without_labels_the_bound_comes_first_and_the_estimate_beside_it(tmp_path, store):
    samples = Samples.open({"x": X}, (PORT,), store)
    found = lost(tmp_path, samples, original_quality=0.8)
    assert (found.kind, found.kinds) == ("expected", ("bound", "expected"))
    assert found.of("bound").mean() > found.of("expected").mean() > 0
    assert (found.expected <= found.disagreement + 1e-12).all()


def test_confidence_is_fitted_elsewhere(tmp_path, store):
    samples = Samples.open({"x": X}, (PORT,), store)
    apart = lost(tmp_path, samples, original_quality=0.8)
    itself = lost(tmp_path, samples, original_quality=0.8, fitted=False)
    np.testing.assert_array_equal(apart.disagreement, itself.disagreement)
    assert not np.allclose(apart.expected, itself.expected)
    # as much is kept of the original's answers as where they are inferred
    plain = lost(tmp_path, samples), lost(tmp_path, samples, fitted=False)
    np.testing.assert_allclose(plain[0].expected, plain[1].expected)


def test_what_a_run_has_judged_is_not_computed_again(tmp_path, store, monkeypatch):
    samples = Samples.open({"x": X}, (PORT,), store)
    first = lost(tmp_path, samples)
    monkeypatch.setattr(quality, "call", lambda *_, **__: pytest.fail("run again"))
    np.testing.assert_array_equal(lost(tmp_path, samples).values, first.values)


def test_plain_numbers_and_embeddings_say_what_they_are(tmp_path, store):
    samples = Samples.open({"x": X}, (PORT,), store)
    numbers = lost(tmp_path, samples, metric="regression")
    assert (numbers.kind, numbers.kinds) == ("bound", ("error",))
    assert numbers.of("error") is numbers.disagreement is numbers.values
    neighbours = lost(tmp_path, samples, metric="embedding")
    assert neighbours.kinds == ("bound",)
    assert "nearest" in neighbours.assumed("bound")


def test_some_labels_certify_beside_the_bound():
    values = np.array([0.0, 1.0])
    found = Differences(
        labels=values[:1], complete=False, expected=values, disagreement=values, answer="classes"
    )
    assert found.kind == "labels"
    assert found.kinds == ("bound", "labels", "expected")
    assert "at random" in found.assumed("labels")


def test_the_worst_output_of_each_sample_counts():
    found = _largest([np.array([0.0, 1.0, 0.0]), np.array([0.5, 0.0, 0.0])])
    assert found.tolist() == [0.5, 1.0, 0.0]
    with pytest.raises(MeasurementError, match="different numbers"):
        _largest([np.zeros(2), np.zeros(3)])


def test_an_empty_part_is_said(tmp_path, store):
    samples = Samples.open({"x": X[:1]}, (PORT,), store)
    path, nothing = saved(tmp_path, 0.0), Part(name="selection", indices=(), fingerprint="")
    part = samples.part("calibration")
    with pytest.raises(SamplesError, match="none is in the selection part"):
        differences(path, path, samples, part, by=Judge(), target=Target(), fitted=nothing)
