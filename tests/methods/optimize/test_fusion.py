"""Patterns of our own: same numbers, fewer nodes, and only where the runtime's facts ask for it."""

from pathlib import Path

import numpy as np
import pytest

from lissom.errors import RecipeError
from lissom.methods.optimize.fusion import Fusion
from lissom.methods.protocol import Context
from lissom.methods.registry import create
from lissom.methods.scope import Scope
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run


def _context(folder: Path, *, slow: tuple[str, ...] = (), scope: Scope | None = None) -> Context:
    facts = Facts(
        activation="uint8",
        reduce_range=False,
        integer_operators=frozenset(),
        passthrough_operators=frozenset(),
        weight_only=(),
        dynamic_operators=frozenset(),
        float16_compute=False,
        slow_fusions=slow,
    )
    return Context(
        original=model_of(tiny.transformer()),
        store=Store(folder),
        facts=facts,
        target=Target(),
        scope=scope or Scope(),
    )


def test_the_function_stays_with_fewer_nodes(tmp_path):
    context = _context(tmp_path, slow=("SkipLayerNormFusion",))
    plan = Fusion().plan(context.original, context)
    fused = edited(context.original, plan.edits, context.store)
    assert fused.op_counts["com.microsoft::Gelu"] == 1
    assert fused.op_counts["Sum"] == 2
    assert "Erf" not in fused.op_counts
    feeds = tiny.feeds(tiny.transformer())
    for new, old in zip(run(fused, feeds), run(context.original, feeds), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-5)


@pytest.mark.parametrize(
    ("residual", "slow", "sums"),
    [
        ("measured", (), 0),
        ("measured", ("SkipLayerNormFusion",), 2),
        ("always", (), 2),
        ("never", ("SkipLayerNormFusion",), 0),
    ],
)
def test_residual_sums_follow_what_was_measured(residual, slow, sums, tmp_path):
    context = _context(tmp_path, slow=slow)
    plan = Fusion(residual=residual).plan(context.original, context)
    assert sum(edit.op_type == "Sum" for edit in plan.edits) == sums
    assert len(plan.skips) == 2 - sums


def test_nodes_outside_the_scope_are_skipped_with_the_reason(tmp_path):
    context = _context(tmp_path, scope=Scope(exclude=("Erf",)))
    plan = Fusion().plan(context.original, context)
    assert plan.edits == ()
    assert any("Erf" in skip.reason for skip in plan.skips)


def test_a_model_without_patterns_gives_an_empty_plan(tmp_path):
    context = _context(tmp_path)
    plan = Fusion().plan(model_of(tiny.cnn()), context)
    assert (plan.edits, plan.skips) == ((), ())


def test_an_unknown_residual_is_refused():
    with pytest.raises(RecipeError, match="residual"):
        create("optimize.fusion", {"residual": "sometimes"})
