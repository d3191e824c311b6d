"""What is proposed for which model, in which order, and why the rest is not."""

from dataclasses import replace

import onnx
import pytest

from lissom.methods.scope import Scope
from lissom.runtime.target import Target
from lissom.search.places import Place
from tests import tiny
from tests.search.offered import POOR, names, proposed


def test_convolutions_start_with_static_integers() -> None:
    found = proposed(tiny.cnn())
    assert names(found)[0] == "static-mse"
    assert {"static-minmax", "static-percentile", "static-heavy", "float16"} <= set(names(found))
    assert "static-conv-dynamic" in names(found)
    assert all(one.recipe.seed == 3 for one in found.tried)


def test_transformers_start_with_fusion_then_dynamic() -> None:
    found = proposed(tiny.transformer())
    assert names(found)[:2] == ["fused", "dynamic"]
    dynamic = next(one.recipe for one in found.tried if one.recipe.name == "dynamic")
    assert [step.method for step in dynamic.steps] == ["optimize.fusion", "quantize.dynamic"]


def test_the_goal_orders() -> None:
    assert names(proposed(tiny.mlp(), goal="size"))[0] == "weights-int4-packed"
    assert names(proposed(tiny.transformer(), goal="quality"))[0] == "fused"


def test_everything_is_tried_or_left_out_with_a_reason() -> None:
    every = None
    for made in (tiny.cnn(), tiny.mlp(), tiny.transformer(), tiny.recurrent(), tiny.branchy()):
        for data in (True, False):
            found = proposed(made, data=data)
            assert all(one.reason for one in found.left_out)
            both = {*names(found), *(one.name for one in found.left_out)}
            assert len(both) == len(found.tried) + len(found.left_out)
            assert every is None or both == every
            every = both


def test_without_samples_nothing_static_is_tried() -> None:
    found = proposed(tiny.cnn(), data=False)
    assert not [name for name in names(found) if "static" in name]
    reasons = {one.name: one.reason for one in found.left_out}
    assert "--data" in reasons["static-mse"]
    assert "float16" in names(found)


def test_what_the_runtime_cannot_do_is_not_tried() -> None:
    found = proposed(tiny.cnn(), facts=POOR)
    pruned = {"pruned-30", "pruned-50", "pruned-65"}
    assert set(names(found)) == {"weights-int8", "float16", *pruned}


def test_a_quantized_model_is_left_alone() -> None:
    made = tiny.mlp()
    scale = onnx.numpy_helper.from_array(__import__("numpy").float32(0.1), "scale")
    made.graph.initializer.append(scale)
    made.graph.node.append(onnx.helper.make_node("QuantizeLinear", ["y", "scale"], ["q"], "q"))
    found = proposed(made)
    assert found.tried == ()
    assert all("already quantized" in one.reason for one in found.left_out)


@pytest.mark.parametrize("scope", [Scope(include=("Conv",)), Scope(exclude=("fc",))])
def test_every_step_is_held_to_the_scope(scope: Scope) -> None:
    found = proposed(tiny.cnn(), scope=scope)
    steps = [step for one in found.tried for step in one.recipe.steps]
    assert all(step.include == scope.include for step in steps)
    assert all(set(scope.exclude) <= set(step.exclude) for step in steps)
    assert "runtime-fused" not in names(found)


def test_weights_are_fitted_where_the_size_is_the_goal() -> None:
    fitted = {"weights-codebook4", "weights-int4", "pruned-50-int4", "pruned-50-codebook3"}
    assert fitted <= set(names(proposed(tiny.cnn(), goal="size")))
    fast = {one.name: one.reason for one in proposed(tiny.cnn()).left_out}
    blind = {one.name: one.reason for one in proposed(tiny.cnn(), goal="size", data=False).left_out}
    for name in fitted:
        assert "smaller" in fast[name]
        assert "--data" in blind[name]


def test_a_name_says_where() -> None:
    found = proposed(tiny.cnn()).tried[0]
    assert found.name == found.recipe.name
    place = Place(target=Target(threads=2), made_for=Target(), label="2-threads")
    assert replace(found, place=place).name == f"{found.recipe.name}@2-threads"
