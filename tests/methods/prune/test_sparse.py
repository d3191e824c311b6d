"""Zeros as a method: the plan, what is left alone, and what the summary admits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lissom.errors import MethodError, RecipeError
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.measure.calibration import Calibration
from lissom.measure.samples import Samples
from lissom.methods import registry
from lissom.methods.protocol import Plan
from lissom.methods.prune.sparse import Sparse
from lissom.methods.scope import Scope
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests.graph.channels.nets import NETS
from tests.graph.edited import model_of
from tests.methods import lab, layers


def test_two_of_four_and_no_word_of_speed(tmp_path: Path) -> None:
    model, store = model_of(NETS["plain"]()), Store(tmp_path)
    rng = np.random.default_rng(0)
    feeds = [{"x0": rng.standard_normal((1, 3, 8, 8)).astype(np.float32)} for _ in range(8)]
    samples = Samples.open(iter(feeds), model.inputs, store)
    held = Calibration(samples=samples, part=samples.whole(), target=Target())
    context = lab.context(model, store, feeds, calibration=held, scope=Scope(exclude=("conv0",)))
    plan = Sparse(pattern="2:4").plan(model, context)
    assert [skip.target for skip in plan.skips] == ["conv0"]
    assert "no faster" in plan.summary
    made = perform(model, plan.edits, store)
    gemm = made.weight(next(n for n, i in made.weights.items() if i.shape == (16, 192)))
    assert (gemm.reshape(16, -1, 4) == 0).sum(axis=2).tolist() == [[2] * 48] * 16


def test_without_samples_nothing_is_decided(tmp_path: Path) -> None:
    model = model_of(NETS["plain"]())
    with pytest.raises(MethodError, match="samples"):
        Sparse().plan(model, lab.context(model, Store(tmp_path)))


def zeros_of(store: Store, **given: Any) -> tuple[Model, Model, Plan]:
    """A small model before and after, and the plan."""
    rng = np.random.default_rng(0)
    model = layers.chain(
        (rng.uniform(-1, 1, (6, 5)), np.zeros(6)), (5 + rng.uniform(0, 1, (3, 6)), np.zeros(3))
    )
    plan = Sparse(**given).plan(model, layers.context(model, store))
    return model, perform(model, plan.edits, store), plan


def test_all_weights_below_a_threshold_become_zero_and_no_others(tmp_path: Path) -> None:
    before, after, plan = zeros_of(Store(tmp_path), criterion="magnitude", threshold=0.4)
    small = np.abs(before.weight("fc0.w")) < 0.4
    assert 0 < small.sum() < small.size
    np.testing.assert_array_equal(after.weight("fc0.w") == 0, small)
    assert [(skip.target, skip.reason) for skip in plan.skips] == [
        ("fc1", "none of its weights is worth less than 0.4")
    ]
    np.testing.assert_array_equal(after.weight("fc1.w"), before.weight("fc1.w"))


def test_no_weight_below_a_threshold_is_nothing_to_do(tmp_path: Path) -> None:
    _, _, plan = zeros_of(Store(tmp_path), criterion="magnitude", threshold=1e-9)
    assert (plan.edits, plan.summary) == ((), "nothing was zeroed")
    assert [skip.target for skip in plan.skips] == ["fc0", "fc1"]


@pytest.mark.parametrize("criterion", ["obs", "wanda", "magnitude"])
def test_a_larger_threshold_zeroes_more(criterion: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    counts = []
    for threshold in (1e-6, 0.3, 1e6):
        _, after, _ = zeros_of(store, criterion=criterion, threshold=threshold)
        counts.append(sum(int((after.weight(name) == 0).sum()) for name in ("fc0.w", "fc1.w")))
    assert counts[0] == 0 < counts[1] < counts[2] == 48


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ratio": 0.5, "threshold": 0.1}, "give a ratio or a threshold, not both"),
        ({"pattern": "2:4", "threshold": 0.1}, "the pattern 2:4 says how many are zero"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        registry.create("prune.sparse", given)
