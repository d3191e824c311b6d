"""A measurement's parts never contradict one another."""

import json
from typing import Any

import pytest

from lissom.measure.measurement import Measurement


def test_round_trip() -> None:
    some = Measurement(value=1.5, unit="ms", interval=(1.4, 1.6), n=10)
    for one in (
        some,
        Measurement.unavailable("mJ"),
        Measurement(value=2, unit="x", kind="modelled"),
    ):
        assert Measurement.from_json(json.loads(json.dumps(one.to_json()))) == one


@pytest.mark.parametrize(
    "parts",
    [
        {"value": None, "n": 1},
        {"value": 1.0, "kind": "unavailable"},
        {"value": float("nan"), "n": 1},
        {"value": 1.0, "n": 0},
        {"value": 1.0, "n": 2, "interval": (2.0, 1.0)},
    ],
)
def test_contradictions_are_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"measure|interval|value"):
        Measurement(unit="ms", **parts)
