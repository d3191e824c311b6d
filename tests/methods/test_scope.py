"""Scope: operator types, globs and exact names."""

from lissom.methods.scope import Scope
from tests import tiny
from tests.graph.edited import model_of

MODEL = model_of(tiny.transformer())


def left(scope):
    return [node.name for node in MODEL.nodes if scope.refusal(node) is None]


def test_nothing_said_means_everything():
    assert left(Scope()) == list(MODEL.node_names)


def test_include_by_type_and_exclude_by_glob():
    scope = Scope(include=("MatMul",), exclude=("attention/*",))
    assert left(scope) == ["scores", "mix", "ffn/up/MatMul", "ffn/down/MatMul"]
    assert "attention/*" in (scope.refusal(MODEL.node("attention/q/MatMul")) or "")
    assert "included" in (scope.refusal(MODEL.node("norm1")) or "")


def test_brackets_in_a_name_are_no_pattern():
    node = MODEL.nodes[0]
    assert Scope(exclude=(node.name,)).refusal(node) is not None
    scope = Scope(include=("conv[0]",))
    assert scope.unmatched([MODEL]) == ("'conv[0]'",)


def test_unmatched_targets_are_named():
    scope = Scope(include=("MatMul", "zz*"), exclude=("norm?",))
    assert scope.unmatched([MODEL]) == ("'zz*'",)


def test_unmatched_targets_are_answered_with_what_was_meant():
    scope = Scope(include=("matmul", "Matmull"), exclude=("ffn/up/MatMull",))
    by_type, also, by_name = scope.unmatched([MODEL])
    assert by_type == "'matmul' (did you mean 'MatMul'?)"
    assert also.startswith("'Matmull' (did you mean 'MatMul'")
    assert by_name.startswith("'ffn/up/MatMull' (did you mean 'ffn/up/MatMul'")
