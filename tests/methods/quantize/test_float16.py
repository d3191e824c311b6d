"""Half precision: exact where it can be, refused where it would lose."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper
from pydantic import ValidationError

from lissom.graph.edit import Cast
from lissom.graph.save import to_bytes
from lissom.methods.protocol import ALREADY
from lissom.methods.quantize.dynamic import Dynamic
from lissom.methods.quantize.float16 import Float16
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab


def product(weight):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "product")]
    shapes = {"x": ("float32", [2, weight.shape[0]])}, {"y": ("float32", [2, weight.shape[1]])}
    return tiny.model(nodes, *shapes, {"w": weight.astype(np.float32)})


def plan_of(proto, folder, method=None, **changes):
    model = model_of(proto)
    context = lab.context(model, Store(folder), **changes)
    return model, context, (method or Float16()).plan(model, context)


def test_numbers_that_half_precision_holds_stay_exact(tmp_path):
    proto = product(np.arange(512).reshape(16, 32) / 8)
    model, context, plan = plan_of(proto, tmp_path)
    assert plan.edits == (Cast(target="w", kind="weight"),)
    result, feeds = edited(model, plan.edits, context.store), tiny.feeds(proto)
    np.testing.assert_array_equal(run(result, feeds)[0], run(model, feeds)[0])


def test_the_file_is_half_as_large_and_the_answers_are_as_near_as_promised(tmp_path):
    rng = np.random.default_rng(0)
    proto = product(rng.standard_normal((256, 256)))
    model, context, plan = plan_of(proto, tmp_path)
    result, feeds = edited(model, plan.edits, context.store), tiny.feeds(proto)
    assert len(to_bytes(result)) < 0.51 * len(to_bytes(model))
    old, new = run(model, feeds)[0], run(result, feeds)[0]
    assert np.linalg.norm(new - old) < 1e-3 * np.linalg.norm(old)


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        (np.full((16, 16), 7e4), "beyond float16's range"),
        (np.full((16, 16), 1e-9), "too small"),
        (np.full((16, 16), np.nan), "NaN"),
    ],
)
def test_what_would_lose_is_skipped(weight, reason, tmp_path):
    _, _, plan = plan_of(product(weight), tmp_path)
    assert plan.edits == ()
    (skip,) = plan.skips
    assert skip.target == "w"
    assert reason in skip.reason


def test_zeros_are_fine_and_small_weights_not_worth_it(tmp_path):
    assert len(plan_of(product(np.zeros((16, 16))), tmp_path)[2].edits) == 1
    _, _, plan = plan_of(product(np.ones((4, 4))), tmp_path)
    assert "large enough" in plan.skips[0].reason


def test_excluded_weights_stay(tmp_path):
    _, _, plan = plan_of(product(np.ones((16, 16))), tmp_path, scope=Scope(exclude=("MatMul",)))
    assert plan.edits == ()
    assert "excluded" in plan.skips[0].reason


def test_computing_needs_a_runtime_that_gains(tmp_path):
    proto, half = tiny.cnn(), Float16(compute="float16")
    _, _, plan = plan_of(proto, tmp_path, half, facts={"float16_compute": False})
    assert plan.edits == ()
    assert all("not compute faster" in skip.reason for skip in plan.skips)
    model, context, plan = plan_of(proto, tmp_path, half)
    assert [edit.target for edit in plan.edits] == ["conv1", "conv2", "fc"]
    result, feeds = edited(model, plan.edits, context.store), tiny.feeds(proto)
    old, new = run(model, feeds)[0], run(result, feeds)[0]
    assert 0 < np.linalg.norm(new - old) < 0.01 * np.linalg.norm(old)


def test_scales_of_integers_are_not_narrowed(tmp_path):
    proto = product(np.random.default_rng(0).standard_normal((16, 512)))
    model, context, plan = plan_of(proto, tmp_path, Dynamic())
    quantized = edited(model, plan.edits, context.store)
    after = Float16().plan(quantized, context)
    assert after.edits == ()
    again = Float16().plan(quantized, replace(context, original=quantized))
    assert [skip.reason for skip in again.skips] == [ALREADY]


def test_unknown_types_are_refused():
    with pytest.raises(ValidationError):
        Float16(compute="bfloat16")
