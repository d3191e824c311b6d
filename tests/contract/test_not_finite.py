"""Samples on which values are not finite: what can be told by the others is, the rest is said."""

import numpy as np
import pytest

from lissom.graph.edit import ReplaceWeight
from lissom.graph.model import Model
from lissom.methods.channel_ranges import channel_ranges
from lissom.methods.equalize.smooth import Smooth
from lissom.methods.equalize.split_activations import SplitActivations
from lissom.methods.protocol import NOT_FINITE, Context, Method, Plan
from lissom.methods.prune.blocks import Blocks
from lissom.methods.prune.energy import Energy
from lissom.methods.prune.obs import Obs
from lissom.methods.prune.sparse import Sparse
from lissom.methods.prune.wanda import Wanda
from lissom.methods.quantize.adaround import Adaround
from lissom.methods.quantize.awq import Awq
from lissom.methods.quantize.bias_correction import BiasCorrection
from lissom.methods.quantize.codebook import Codebook
from lissom.methods.quantize.gptq import Gptq
from lissom.store.store import Store
from tests.graph.edited import edited, run
from tests.methods import lab, layers

RNG = np.random.default_rng(0)
ROUNDERS = [
    Gptq(),
    Gptq(reconstruction="block"),
    Awq(),
    Adaround(steps=20),
    Codebook(bits=4),
]
PRUNERS = [Obs(), Energy(), Wanda(), Sparse()]


def network() -> Model:
    """A branch that takes logarithms, of which there are none below zero, and one that does not."""
    normal = {
        name: RNG.standard_normal(shape) / 4
        for name, shape in (("v", (16, 72)), ("w", (72, 16)), ("a", (16, 72)), ("b", (72, 16)))
    }
    return layers.model(
        [
            ("Log", "x", "log"),
            ("MatMul", "log v", "odd"),
            ("Relu", "odd", "r"),
            ("MatMul", "r w", "behind"),
            ("MatMul", "x a", "fine"),
            ("Relu", "fine", "s"),
            ("MatMul", "s b", "end"),
            ("Add", "behind end", "y"),
        ],
        normal,
        ["n", 16],
    )


def feeds(*odd: int, count: int = 30) -> list[dict[str, np.ndarray]]:
    """Positive samples; those with these numbers are below zero at one place."""
    made = RNG.uniform(0.5, 2.0, (count, 1, 16)).astype(np.float32)
    for number in odd:
        made[number, 0, 3] = -1.0
    return [{"x": one} for one in made]


def context(model: Model, store: Store, *odd: int) -> Context:
    return lab.context(model, store, feeds(*odd))


def reasons(plan: Plan) -> dict[str, str]:
    return {skip.target: skip.reason for skip in plan.skips if NOT_FINITE in skip.reason}


def close(model: Model, after: Model) -> bool:
    x = np.concatenate([feed["x"] for feed in feeds()])
    one, two = (run(each, {"x": x})[0] for each in (model, after))
    return bool(((one - two) ** 2).mean() < 0.2 * one.var())


@pytest.mark.parametrize("method", ROUNDERS, ids=lambda one: type(one).__name__)
def test_weights_are_rounded_by_the_finite_rows(method: Method, tmp_path) -> None:
    model = network()
    some = context(model, Store(tmp_path), 0, 7)
    plan = method.plan(model, some)
    assert not reasons(plan)
    assert close(model, edited(model, plan.edits, some.store))


@pytest.mark.parametrize("method", ROUNDERS, ids=lambda one: type(one).__name__)
def test_what_is_never_finite_is_rounded_for_its_own_sake_and_named(
    method: Method, tmp_path
) -> None:
    model = network()
    never = context(model, Store(tmp_path), *range(30))
    plan = method.plan(model, never)
    towards_sum = {"end"} if getattr(method, "reconstruction", "") == "block" else set()
    assert set(reasons(plan)) == {"odd", "behind"} | towards_sum
    assert close(model, edited(model, plan.edits, never.store))


@pytest.mark.parametrize("method", PRUNERS, ids=lambda one: type(one).__name__)
def test_pruning_goes_by_the_finite_rows(method: Method, tmp_path) -> None:
    model = network()
    store = Store(tmp_path)
    plan = method.plan(model, context(model, store, 0, 4))
    assert plan.edits
    assert not reasons(plan)
    never = method.plan(model, context(model, store, *range(30)))
    assert never.edits
    assert len(reasons(never)) == (2 if isinstance(method, Sparse) else 1)
    after = edited(model, never.edits, store)
    weights = [after.weight(name) for name in after.weights]
    assert all(np.isfinite(one).all() for one in weights)


def test_means_are_those_of_rows_that_were_finite_before_rounding(tmp_path) -> None:
    """What rounding made finite of them says nothing."""
    model = layers.model(
        [("Log", "x", "log"), ("Gemm", "log w b", "y")],
        {"w": RNG.standard_normal((16, 4)), "b": np.zeros(4)},
        ["n", 16],
    )
    store = Store(tmp_path)
    half = store.put_array(np.full(4, 0.5, np.float32))
    shifted = edited(model, [ReplaceWeight(weight="b", values=half)], store)
    given = lab.context(model, store, feeds(0, 7))
    plan = BiasCorrection().plan(shifted, given)
    after = edited(shifted, plan.edits, store)
    np.testing.assert_allclose(after.weight("b"), 0.0, atol=1e-5)


def test_activations_are_smoothed_and_split_by_the_finite_rows(tmp_path) -> None:
    model = network()
    given = context(model, Store(tmp_path), 0, 7)
    for method in (Smooth(), SplitActivations(ratio=0.2)):
        plan = method.plan(model, given)
        assert close(model, edited(model, plan.edits, given.store))


def test_blocks_are_compared_by_the_finite_rows(tmp_path) -> None:
    """The branch of logarithms is odd on two samples: the other rows still say what it gives."""
    given = context(network(), Store(tmp_path), 0, 7)
    assert Blocks().plan(given.original, given).summary.startswith("1 of 2 blocks removed")


def test_a_channel_is_never_above_what_is_not_finite(tmp_path) -> None:
    """The range of such a channel is none, so nothing is absorbed of it."""
    given = context(network(), Store(tmp_path), 0)
    assert given.calibration is not None
    seen = channel_ranges(network(), {"log": -1}, given.calibration, given.store)["log"]
    assert np.isnan(seen.low[3])
    assert np.isfinite(np.delete(seen.low, 3)).all()
