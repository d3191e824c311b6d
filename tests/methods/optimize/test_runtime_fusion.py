"""The runtime's own fusions: the same function, or a reason why nothing was done."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from lissom.graph.edit import ReplaceGraph
from lissom.methods.optimize.runtime_fusion import RuntimeFusion
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab


def test_a_transformer_is_fused_and_answers_the_same(tmp_path):
    proto = tiny.transformer()
    model = model_of(proto)
    context = lab.context(model, Store(tmp_path))
    plan = RuntimeFusion().plan(model, context)
    (edit,) = plan.edits
    assert isinstance(edit, ReplaceGraph)
    assert "onnxruntime" in edit.reason
    result = edited(model, plan.edits, context.store)
    assert len(result.nodes) < len(model.nodes)
    feeds = tiny.feeds(proto)
    np.testing.assert_allclose(run(result, feeds)[0], run(model, feeds)[0], atol=1e-4)


def test_nothing_to_fuse_is_said(tmp_path):
    model = model_of(tiny.mlp())
    plan = RuntimeFusion().plan(model, lab.context(model, Store(tmp_path)))
    assert plan.edits == ()
    assert "nothing to fuse" in plan.skips[0].reason


def test_a_scope_cannot_be_honoured(tmp_path):
    model = model_of(tiny.transformer())
    context = lab.context(model, Store(tmp_path))
    plan = RuntimeFusion().plan(model, replace(context, scope=Scope(exclude=("norm1",))))
    assert plan.edits == ()
    assert "whole models" in plan.skips[0].reason


def test_it_has_no_parameters():
    with pytest.raises(ValidationError):
        RuntimeFusion(level=2)
