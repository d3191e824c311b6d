"""The environment: complete, JSON and back, and a fingerprint of what latency depends on."""

import json
from dataclasses import replace

import lissom
from lissom.measure.environment import Environment, current


def test_this_machine() -> None:
    here = current()
    assert here.cpu
    assert here.cores >= 1
    assert here.memory_bytes > 1 << 28
    assert here.lissom == lissom.__version__
    assert "onnxruntime" in here.runtimes
    assert Environment.from_json(json.loads(json.dumps(here.to_json()))) == here


def test_fingerprint() -> None:
    here = current()
    assert here.fingerprint == current().fingerprint
    assert replace(here, python="x", lissom="y", memory_bytes=1).fingerprint == here.fingerprint
    assert replace(here, runtimes={"onnxruntime": "0"}).fingerprint != here.fingerprint
    assert replace(here, cpu_features=()).fingerprint != here.fingerprint
