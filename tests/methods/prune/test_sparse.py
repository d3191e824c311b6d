"""Zeros as a method: the plan, what is left alone, and what the summary admits."""

from pathlib import Path

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.graph.perform import perform
from lissom.measure.calibration import Calibration
from lissom.measure.samples import Samples
from lissom.methods.prune.sparse import Sparse
from lissom.methods.scope import Scope
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests.graph.channels.nets import NETS
from tests.graph.edited import model_of
from tests.methods import lab


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
