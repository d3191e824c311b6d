"""One node in place of several: refused where something else still reads the inside."""

from dataclasses import replace

import pytest

from lissom.errors import BrokenPromise
from lissom.graph.edit import FuseNodes
from lissom.graph.fusion import gelu
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of


def test_the_new_node_stands_where_the_last_one_stood(tmp_path):
    model = model_of(tiny.transformer())
    (edit,) = gelu(model)
    fused = edited(model, [edit], Store(tmp_path))
    (name,) = [node.name for node in fused.nodes if node.op_type == "Gelu"]
    assert fused.producers["gelu"] == name
    assert set(model.node_names) - set(fused.node_names) >= set(edit.nodes) - {name}


def test_a_value_that_is_still_read_is_a_broken_promise(tmp_path):
    model = model_of(tiny.transformer())
    (edit,) = gelu(model)
    stolen = replace(edit, nodes=(*edit.nodes, "residual1"))
    with pytest.raises(BrokenPromise, match="residual1"):
        edited(model, [stolen], Store(tmp_path))


@pytest.mark.parametrize("wrong", [{"output": "sum1"}, {"inputs": ("nowhere",)}])
def test_names_that_do_not_fit_are_a_broken_promise(wrong, tmp_path):
    model = model_of(tiny.transformer())
    (edit,) = gelu(model)
    bad: FuseNodes = replace(edit, **wrong)
    with pytest.raises(BrokenPromise):
        edited(model, [bad], Store(tmp_path))
