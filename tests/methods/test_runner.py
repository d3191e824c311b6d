"""The runner keeps every method to its promises, and names the one that does not."""

import sys
from types import ModuleType

import numpy as np
import pytest

from lissom.errors import BrokenPromise, ChildFailed, MethodError
from lissom.graph.edit import Cast, QuantizeActivation
from lissom.methods import runner
from lissom.methods.protocol import Need, Plan
from lissom.methods.quantize.float16 import Float16
from lissom.methods.quantize.static import Static
from lissom.methods.runner import apply
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of, run
from tests.methods import lab


def made(plan, name="fake.method", needs=frozenset()):
    """A method in a module of its own, so that it has an id."""
    module = sys.modules.setdefault(f"lissom.methods.{name}", ModuleType(name))
    kind = type("Fake", (), {"plan": plan, "needs": needs, "__module__": module.__name__})
    return kind()


@pytest.fixture
def context(tmp_path):
    model = model_of(tiny.mlp())
    return lab.context(model, Store(tmp_path), [tiny.feeds(tiny.mlp())])


def test_a_method_makes_a_model_that_runs(context):
    outcome = apply(Float16(), context.original, context)
    assert outcome.plan.edit_counts == {"Cast": 1}
    assert outcome.model.fingerprint != context.original.fingerprint
    feeds = tiny.feeds(tiny.mlp())
    np.testing.assert_allclose(
        run(outcome.model, feeds)[0], run(context.original, feeds)[0], atol=1e-2
    )


def test_no_edits_give_the_same_model(context):
    method = made(lambda *_: Plan(method="fake.method", edits=(), skips=(), summary=""))
    assert apply(method, context.original, context).model is context.original


def test_a_plan_that_fits_no_model_is_a_broken_promise(context):
    edit = Cast(target="nowhere", kind="weight")
    method = made(lambda *_: Plan(method="fake.method", edits=(edit,), skips=(), summary=""))
    with pytest.raises(BrokenPromise, match=r"fake\.method: .*nowhere"):
        apply(method, context.original, context)


def test_undeclared_evidence_is_a_broken_promise(context):
    def plan(self, model, context):
        context.evidence(model, {Need.RANGES: ("x",)})

    with pytest.raises(BrokenPromise, match="undeclared"):
        apply(made(plan), context.original, context)


def test_any_other_exception_names_the_method(context):
    def plan(self, model, context):
        return 1 // 0

    with pytest.raises(BrokenPromise, match=r"fake\.method: ZeroDivisionError") as caught:
        apply(made(plan), context.original, context)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_plan_under_another_name_is_refused(context):
    method = made(lambda *_: Plan(method="other.method", edits=(), skips=(), summary=""))
    with pytest.raises(BrokenPromise, match=r"other\.method"):
        apply(method, context.original, context)


def test_what_the_runtime_cannot_load_is_a_method_error(context):
    # A signed zero point below an unsigned scale is fine ONNX; a pair of int8 behind the input of a
    # float16 node is not, since the runtime has no such kernel.
    edits = (
        QuantizeActivation(value="x", scale=0.1, zero_point=0, dtype="int8"),
        Cast(target="fc0", kind="node"),
    )
    method = made(lambda *_: Plan(method="fake.method", edits=edits, skips=(), summary=""))
    outcome = apply(method, context.original, context)
    assert outcome.model.op_counts["QuantizeLinear"] == 1


def test_without_samples_the_method_says_so(context):
    without = lab.context(context.original, context.store)
    with pytest.raises(MethodError, match=r"quantize\.static: calibration samples are needed"):
        apply(Static(), context.original, without)


@pytest.mark.parametrize(
    ("kind", "raised"),
    [("memory", ChildFailed), ("timeout", ChildFailed), ("crashed", MethodError)],
)
def test_a_load_that_the_machine_cut_off_is_not_the_methods_failure(
    context, monkeypatch, kind, raised
):
    def ended(*_, **__):
        raise ChildFailed("killed by SIGKILL", kind)

    monkeypatch.setattr(runner, "call", ended)
    with pytest.raises(raised):
        apply(Float16(), context.original, context)
