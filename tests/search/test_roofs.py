"""Where operators stand under the roofline."""

import json

import pytest

from lissom.graph.cost import Work
from lissom.measure.profile import NodeTime
from lissom.search.roofs import LIMITS, standings
from tests import tiny
from tests.graph.edited import model_of
from tests.measure.made import CEILINGS


def ran(stands_for: str | None, ms: float) -> NodeTime:
    return NodeTime(node="n", op_type="Conv", milliseconds=ms, share=0.0, stands_for=stands_for)


def test_time_arithmetic_and_bytes_together() -> None:
    model = model_of(tiny.cnn())
    work = {
        "conv1": Work(macs=40_000_000, weight_bytes=4000, activation_bytes=396_000),
        "conv2": Work(macs=40_000_000, weight_bytes=4000, activation_bytes=396_000),
        "relu1": Work(macs=0, weight_bytes=0, activation_bytes=4000),
    }
    profile = (ran("conv1", 0.6), ran("conv1", 0.4), ran("conv2", 2.0), ran("relu1", 0.5),
               ran(None, 0.5))  # fmt: skip
    found = standings(model, profile, work, CEILINGS)
    assert set(found) == {"conv1", "conv2"}
    one = found["conv1"]
    assert one.milliseconds == pytest.approx(1.0)
    assert one.share == pytest.approx(0.25)
    assert one.gflops == pytest.approx(80)
    assert one.intensity == pytest.approx(200)
    assert one.roofline == pytest.approx(0.8)
    assert one.limit == "compute"
    assert found["conv2"].limit == "width"
    assert json.loads(json.dumps(one.to_json()))["limit"] in LIMITS
