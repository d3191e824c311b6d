"""What every way of pruning ends with: the removal, its repair, and what is left alone."""

import pytest

from lissom.errors import MethodError
from lissom.methods.removing import need_samples, nothing, prunable, refusal_of, removed
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests.graph.edited import edited
from tests.methods import lab, layers

MODEL = layers.redundant()
UNITS = {"fc0": [0, 1, 2], "fc1": [4]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


def test_units_leave_and_what_read_them_is_fitted_anew(store: Store) -> None:
    context = layers.context(MODEL, store)
    found = layers.found_in(MODEL, context)
    edit, none = removed(found, UNITS, context, repaired=False)
    same, fixed = removed(found, UNITS, context, repaired=True)
    assert (none, same) == ((), edit)
    cut, mended = (edited(MODEL, (edit, *more), store) for more in (none, fixed))
    assert cut.weight("fc0.w").shape == mended.weight("fc0.w").shape == (21, 12)
    assert layers.distance(MODEL, mended) < layers.distance(MODEL, cut)


def test_no_samples_are_refused_and_some_are_not(store: Store) -> None:
    need_samples(layers.context(MODEL, store))
    with pytest.raises(MethodError, match="samples are needed"):
        need_samples(lab.context(MODEL, store))


def test_the_scope_speaks_for_holders_and_readers(store: Store) -> None:
    for excluded, groups in (("fc0", {"fc0"}), ("fc1", {"fc0", "fc1"}), ("fc2", {"fc1"})):
        context = layers.context(MODEL, store, scope=Scope(exclude=(excluded,)))
        found = layers.found_in(MODEL, context)
        refused = {g.name: refusal_of(found, g, context) for g in found.groups}
        assert {name for name, reason in refused.items() if reason} == groups
        allowed, skips = prunable(found, context)
        assert {group.name for group in allowed} == {"fc0", "fc1"} - groups
        assert {skip.target for skip in skips} == groups


def test_nothing_is_a_plan_that_says_why() -> None:
    plan = nothing("prune.chance", [], "nothing was to leave")
    assert (plan.method, plan.edits, plan.summary) == ("prune.chance", (), "nothing was to leave")
