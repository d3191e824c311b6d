"""The noise floor: from given timings, and of a tiny model against itself."""

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from lissom.measure.load import Load
from lissom.measure.noise import LEAST, Noise, measure_noise, of_timing
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny
from tests.search.made import timing


@pytest.mark.parametrize(
    ("low", "high", "floor"), [(0.98, 1.01, 0.02), (0.99, 1.03, 0.03), (0.999, 1.001, LEAST)]
)
def test_the_floor_is_the_end_that_is_farther_from_one(
    low: float, high: float, floor: float
) -> None:
    found = of_timing(timing(1.0, low, high))
    assert found.floor == pytest.approx(floor)
    assert found.interval == (low, high)
    assert not found.disturbed
    assert Noise.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_an_interval_that_leaves_the_truth_out_makes_a_floor_all_the_same() -> None:
    assert of_timing(timing(1.02, 1.01, 1.03)).floor == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("low", "high", "biased"),
    [(0.983, 0.996, True), (1.004, 1.02, True), (0.983, 1.001, False), (0.9985, 0.9995, False)],
)
def test_a_clock_that_favours_one_of_two_equals_is_said(
    low: float, high: float, biased: bool
) -> None:
    assert any("biased" in one for one in of_timing(timing(0.99, low, high)).words) == biased


def test_words_say_what_was_in_the_way() -> None:
    calm = of_timing(timing(1.0, 0.98, 1.01))
    assert calm.words == (
        "Timed against itself, the original looks 0.980 to 1.010 times as fast (95% interval): "
        "differences of up to 2.0% are noise and rank nothing.",
    )
    busy = replace(
        calm, busy=0.4, load=Load(quiet=False, waited_seconds=12.2, throttled_seconds=1.5)
    )
    assert busy.disturbed
    told = " ".join(busy.words)
    assert "still busy with other work after 12 s of waiting" in told
    assert "for 40% of the time" in told
    assert "stopped for 1.5 s" in told
    crowded = replace(calm, load=Load(others=0.5))
    assert "used 50% of the machine's processors" in crowded.words[1]
    assert not crowded.disturbed


def test_a_model_against_itself(tmp_path: Path) -> None:
    path = tmp_path / "mlp.onnx"
    onnx.save(tiny.mlp(), path)
    store = Store(tmp_path / "store")
    found = measure_noise(path, tiny.feeds(tiny.mlp()), Target(), store, seconds=0.1)
    assert found.floor >= LEAST
    assert found.interval[0] <= found.interval[1]
    assert found.rounds >= 5
