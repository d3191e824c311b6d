"""The count of certificates that hold, on a population made up here."""

import numpy as np
import onnx
from onnx import numpy_helper

from bench import certificates as module
from bench.certificates import Population, coverage, rounded
from tests import tiny

CLASSES = 5


def known(count: int = 3000) -> dict[str, np.ndarray]:
    """An original that is right 90% of the time, and two that differ a little and a lot."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, count)
    scores = rng.normal(size=(count, CLASSES)).astype(np.float32)
    scores[np.arange(count), labels] += 3.0
    near = scores + 0.05 * rng.normal(size=scores.shape).astype(np.float32)
    far = scores + 0.6 * rng.normal(size=scores.shape).astype(np.float32)
    return {"labels": labels, "original": scores, "near": near, "far": far}


def test_bounds_are_right_about_as_often_as_stated() -> None:
    found = coverage(known(), 40)
    assert set(found["candidates"]) == {"near", "far"}
    for kind in ("labels", "bound", "expected"):
        assert found["summary"]["least_right"][kind] >= 0.85
    assert found["summary"]["most_false_held"] <= 0.15
    assert {one["kind"] for one in found["joint"]} == {"labels", "bound", "expected"}
    assert 0.01 in {one["limit"] for one in found["joint"]}


def test_what_is_held_is_what_certificates_say() -> None:
    drawing = module.Drawing(Population(known()), np.random.default_rng(1))
    for kind in ("labels", "bound", "expected"):
        for limit in (0.005, 0.02, 0.2):
            named = drawing.held(kind, limit)
            drawing.check(kind, limit, named)
            assert set(named) <= {"near", "far"}
    assert drawing.held("bound", 0.99) == drawing.order("bound", 0.99)


def test_rounding_keeps_shapes_and_leaves_a_few_levels() -> None:
    model = rounded(tiny.mlp(), 3)
    onnx.checker.check_model(model)
    weights = [numpy_helper.to_array(weight) for weight in model.graph.initializer]
    assert max(len(np.unique(one)) for one in weights if one.ndim == 2) <= 7
