"""Choosing factors in a child process: what is read, what is answered, what is remembered."""

import numpy as np

from lissom.graph.save import save
from lissom.graph.scaling.groups import scalable
from lissom.methods.reading import readings
from lissom.methods.smoothing import readers, smooth_all, smoothed
from lissom.store.refs import ArrayRef
from lissom.store.store import Store
from tests import tiny
from tests.graph.channels.small import shapes_of
from tests.graph.edited import model_of
from tests.methods import lab


def case(tmp_path):
    proto = tiny.cnn()
    model, store = model_of(proto), Store(tmp_path / "store")
    feeds = [tiny.feeds(proto, batch=2, seed=seed) for seed in range(3)]
    shapes = {**shapes_of(model)}
    return scalable(model, shapes), shapes, lab.calibration(model, store, feeds), store


def test_what_reads_a_group(tmp_path):
    found, *_ = case(tmp_path)
    known = readings(found.model)
    read = [[site.node for _, site, _ in readers(group, known)] for group in found.groups]
    # Batch normalization makes the channels of the first group.
    assert read == [["conv2"], ["fc"]]


def test_the_answer_has_every_group_and_is_remembered(tmp_path, monkeypatch):
    found, shapes, calibration, store = case(tmp_path)
    answer = smoothed(found, shapes, [0, 1], None, calibration, store)
    assert answer.factors.shape == (found.channels + 1,)
    assert answer.factors[-1] == 1.0
    assert np.all(answer.factors > 0)
    for place in (0, 1):
        assert answer.after[place] <= answer.before[place]
        assert (answer.alphas[place] is None) == (answer.after[place] == answer.before[place])
    monkeypatch.setattr("lissom.methods.errand.call", None)
    again = smoothed(found, shapes, [0, 1], None, calibration, store)
    assert np.array_equal(again.factors, answer.factors)


def test_in_the_child_a_group_that_was_not_asked_for_stays(tmp_path):
    found, shapes, calibration, store = case(tmp_path)
    path = tmp_path / "model.onnx"
    save(found.model, path, metadata={})
    answer = smooth_all(
        path=str(path),
        shapes={name: list(shape) for name, shape in shapes.items()},
        groups=[1],
        alpha=0.5,
        calibration=calibration.to_json(),
    )
    assert list(answer["groups"]) == ["1"]
    factors = store.array(ArrayRef.from_json(answer["factors"]))
    assert np.all(factors[found.groups[0].channels] == 1.0)
    assert not np.all(factors[found.groups[1].channels] == 1.0)
