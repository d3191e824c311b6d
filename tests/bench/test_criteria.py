"""The bench of criteria on a tiny task: every criterion and every seed is there."""

from pathlib import Path

import numpy as np
import pytest

from bench import criteria, task
from lissom.methods import registry
from tests.graph.channels.nets import NETS


def test_every_criterion_of_the_registry_is_compared() -> None:
    fields = {name: {p.name for p in registry.parameters(name)} for name in registry.ids()}
    cutting = {name for name, own in fields.items() if {"allocation", "ratio"} <= own}
    assert {f"prune.{name}" for name in criteria.CRITERIA} | {criteria.CHANCE} == cutting
    assert set(criteria.RATIOS) == set(task.NAMES)
    assert set(criteria.ACROSS) < set(criteria.CRITERIA)


def test_the_distance_by_hand() -> None:
    one = [[np.asarray([[0.0, 2.0]])], [np.asarray([[4.0, 6.0]])]]
    other = [[np.asarray([[1.0, 2.0]])], [np.asarray([[4.0, 4.0]])]]
    assert criteria.distance(one, other) == pytest.approx((1 + 4) / (5.0 * 4))
    assert criteria.distance(one, one) == 0


def test_a_tiny_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx

    onnx.save(NETS["plain"](), tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    feeds = [{"x0": rng.standard_normal((1, 3, 8, 8)).astype(np.float32)} for _ in range(10)]
    job = task.Task(
        name="tiny", model=tmp_path / "model.onnx", metric="score", calibration=feeds,
        test=feeds, latency=feeds[0], score=lambda outputs: {"score": float(len(outputs)) / 10},
    )  # fmt: skip
    monkeypatch.setattr(criteria, "CRITERIA", ("magnitude",))
    monkeypatch.setattr(criteria, "ACROSS", ())
    monkeypatch.setattr(criteria, "SEEDS", (0, 1))
    found = criteria.run(job, 0.5, tmp_path / "store")
    assert (found["original"], found["ratio"]) == (1.0, 0.5)
    uniform = [one for one in found["models"] if one["allocation"] == "uniform"]
    assert [(one["method"], one["seed"], one["repair"]) for one in uniform] == [
        (method, seed, repair)
        for repair in (False, True)
        for method, seed in (("prune.magnitude", 0), (criteria.CHANCE, 0), (criteria.CHANCE, 1))
    ]
    distances = [one["distance"] for one in uniform]
    assert min(distances) > 0
    assert distances[1] != distances[2]
