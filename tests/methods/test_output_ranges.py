"""Ranges by the error behind the weights: values whose readers can be seen as rows, and others."""

import numpy as np
import pytest
from onnx import helper

from lissom.methods import output_ranges as module
from lissom.methods.output_ranges import by_output, judge_all
from lissom.methods.reading import readings
from lissom.numerics.ranges import Range
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of
from tests.methods import lab

PROTO = tiny.cnn()
MODEL = model_of(PROTO)
FEEDS = [tiny.feeds(PROTO, batch=1, seed=seed) for seed in range(6)]


def case(tmp_path):
    store = Store(tmp_path)
    node = "conv2"
    value = readings(MODEL)[node][1].input
    return store, lab.calibration(MODEL, store, FEEDS), node, value


def test_a_range_is_found_for_what_a_layer_reads_and_kept(tmp_path, monkeypatch):
    store, calibration, node, value = case(tmp_path)
    starts = {value: [Range(-50.0, 50.0)]}
    found = by_output(MODEL, {value: [node]}, starts, calibration, store, bits=8)
    # The start is far too wide for values of a few units.
    assert 0.0 < found[value].high < 25.0
    monkeypatch.setattr(
        "lissom.methods.errand.call", lambda *_, **__: pytest.fail("it was computed twice")
    )
    assert by_output(MODEL, {value: [node]}, starts, calibration, store, bits=8) == found


def test_rows_of_every_sample_are_met(tmp_path):
    _, calibration, node, _ = case(tmp_path)
    reading = readings(MODEL)[node][1]
    met = module._met(MODEL, [reading], calibration, tmp_path)[node]
    assert met.dtype == np.float32
    assert len(met) % len(FEEDS) == 0
    assert len(met) > len(FEEDS)


def test_the_child_answers_within_the_widest_start(tmp_path):
    _, calibration, node, value = case(tmp_path)
    from lissom.graph.save import save

    path = tmp_path / "model.onnx"
    save(MODEL, path, metadata={})
    reading = readings(MODEL)[node][1].to_json()
    wanted = {value: {"readings": [reading], "starts": [[-1.0, 2.0], [0.0, 1.0]]}}
    found = judge_all(path=str(path), wanted=wanted, calibration=calibration.to_json(), bits=8)
    low, high = found[value]
    assert -1.0 <= low <= 0.0 < high <= 2.0


def test_values_without_rows_are_left_out(tmp_path):
    weights = {"w": np.ones((4, 1, 3, 3), np.float32)}
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "deep", group=4, pads=[1, 1, 1, 1])]
    shape = [1, 4, 5, 5]
    proto = tiny.model(nodes, {"x": ("float32", shape)}, {"y": ("float32", shape)}, weights)
    model, store = model_of(proto), Store(tmp_path)
    calibration = lab.calibration(model, store, [tiny.feeds(proto)])
    starts = {"x": [Range(-1.0, 1.0)]}
    assert by_output(model, {"x": ["deep"]}, starts, calibration, store, bits=8) == {}
