"""Chosen: what was named leaves, what must leave with it leaves too, and both are said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lissom
from lissom.errors import MethodError, RecipeError
from lissom.graph.model import Model
from lissom.graph.save import save
from lissom.methods import registry
from lissom.methods.protocol import Method, Plan
from lissom.methods.prune.chosen import Chosen
from lissom.methods.runner import apply
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests import tiny
from tests.cli.command import invoked
from tests.graph.edited import edited, model_of
from tests.methods import lab, layers

RNG = np.random.default_rng(0)
SIZES = [(8, 4), (12, 8), (3, 12)]
LAYERS = [(RNG.standard_normal(size), RNG.standard_normal(size[0])) for size in SIZES]
MODEL = layers.chain(*LAYERS)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


def chosen(**given: Any) -> Method:
    return registry.create("prune.chosen", given)


def plan_of(store: Store, model: Model = MODEL, **given: Any) -> Plan:
    return chosen(**given).plan(model, layers.context(model, store))


def transformer() -> tuple[Model, list[dict[str, Any]]]:
    proto = tiny.transformer()
    return model_of(proto), [tiny.feeds(proto, seed=seed) for seed in range(6)]


def test_the_named_units_leave_and_no_others(store: Store) -> None:
    plan = plan_of(store, units={"fc0": [5, 1], "fc1": [0]}, repair=False)
    assert layers.left_of(MODEL, plan, store) == [0, 2, 3, 4, 6, 7]
    assert layers.left_of(MODEL, plan_of(store, units={"fc1": [0]}, repair=False), store,
                          "fc1.w") == list(range(1, 12))  # fmt: skip
    assert plan.summary == (
        "3 units of 2 channel groups removed; with them slices of 5 weights "
        "(fc0.w, fc0.b, fc1.w and 2 more)"
    )


def test_channels_of_a_weight_are_found_in_their_group(store: Store) -> None:
    by_channel = plan_of(store, channels={"fc1.w": [3, 7]}, repair=False)
    by_unit = plan_of(store, units={"fc1": [3, 7]}, repair=False)
    assert by_channel.edits == by_unit.edits
    assert "fc1.w" not in by_channel.summary
    # The last weight makes the model's outputs: only what it reads can leave.
    assert plan_of(store, channels={"fc2.w": [3, 7]}, repair=False).edits == by_unit.edits


def test_one_channel_of_a_head_takes_the_head_along(store: Store) -> None:
    model, feeds = transformer()
    context = lab.context(model, store, feeds)
    name = "attention/q.weight"
    plan = chosen(channels={name: [1]}, repair=False).plan(model, context)
    assert edited(model, plan.edits, store).weight(name).shape == (16, 8)
    assert f"with them 7 more channels of {name} and slices of" in plan.summary


def test_repair_makes_good_what_it_can(store: Store) -> None:
    model = layers.redundant()
    errors = [
        layers.distance(model, edited(model, plan_of(store, model, **how).edits, store))
        for how in (
            {"units": {"fc0": [0, 1, 2, 3, 4, 5]}, "repair": repair} for repair in (False, True)
        )
    ]
    assert errors[1] < 0.05 * errors[0]  # each of them has three copies that stay


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"units": {"fc9": [0]}}, "no channel group is called 'fc9'; near it: fc1, fc0; `lissom"),
        ({"units": {"zzz": [0]}}, "no channel group is called 'zzz'; `lissom inspect --groups"),
        ({"units": {"fc0": [8]}}, "channel group 'fc0' has units 0 to 7, not 8"),
        ({"units": {"fc0": [*range(8)]}}, "would lose all its 8 units; one must stay"),
        ({"channels": {"fc0": [0]}}, "no weight is called 'fc0'; near it: fc0."),
        ({"channels": {"fc2.b": [0]}}, "no channel of 'fc2.b' can leave"),
        ({"channels": {"fc0.w": [8]}}, "'fc0.w' has channels 0 to 7, not 8"),
        ({"channels": {"fc0.w": [*range(8)]}}, "would lose all its 8 units"),
        ({"units": {"fc0": [*range(7)]}, "channels": {"fc0.b": [7]}}, "all its 8 units"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(
    given: dict[str, Any], message: str, store: Store
) -> None:
    with pytest.raises(RecipeError, match=r"^prune\.chosen: ") as caught:
        apply(chosen(**given, repair=False), MODEL, layers.context(MODEL, store))
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [[1], {"a": []}, {"a": [-1]}, {"a": "12"}, {"a": 3}, {3: [1]}])
def test_what_is_no_list_of_numbers_by_name_is_refused(value: Any) -> None:
    for name in ("units", "channels"):
        with pytest.raises(RecipeError, match=rf"{name} is .*; allowed: lists of numbers by name"):
            chosen(**{name: value})


def test_the_order_in_which_things_are_named_does_not_matter() -> None:
    one = chosen(units={"b": [1, 2], "a": [3]})
    assert one == chosen(units={"a": [3], "b": [1, 2]})
    assert hash(one) == hash(chosen(units={"a": (3,), "b": (1, 2)}))
    assert registry.values_of(one)["units"] == {"a": [3], "b": [1, 2]}


def test_nothing_chosen_is_nothing_done(store: Store) -> None:
    plan = Chosen(repair=False).plan(MODEL, lab.context(MODEL, store))
    assert (plan.edits, plan.skips, plan.summary) == ((), (), "nothing was chosen")


def test_what_is_out_of_scope_stays_with_the_reason(store: Store) -> None:
    context = layers.context(MODEL, store, scope=Scope(exclude=("fc2",)))
    plan = chosen(units={"fc0": [0], "fc1": [0]}, repair=False).plan(MODEL, context)
    assert [(skip.target, skip.reason) for skip in plan.skips] == [("fc1", "excluded by 'fc2'")]
    assert edited(MODEL, plan.edits, store).weight("fc0.w").shape == (7, 4)
    alone = chosen(units={"fc1": [0]}, repair=False).plan(MODEL, context)
    assert (alone.edits, alone.summary) == ((), "nothing that was chosen may leave")


def test_an_inexact_group_leaves_and_says_what_it_is(store: Store) -> None:
    ones = {"s": np.ones(8), "t": np.zeros(8)}
    model = layers.model(
        [
            ("Gemm", "x v", "first"),
            ("LayerNormalization", "first s t", "norm"),
            ("Gemm", "norm w", "second"),
        ],
        {"v": RNG.standard_normal((4, 8)), "w": RNG.standard_normal((8, 3)), **ones},
        ["n", 4],
    )
    plan = plan_of(store, model, units={"first": [0]}, repair=False)
    assert edited(model, plan.edits, store).weight("w").shape == (7, 3)
    assert "; inexact: " in plan.summary


def test_samples_are_needed_for_the_repair_alone(store: Store) -> None:
    bare = lab.context(MODEL, store, shapes=layers.context(MODEL, store).shapes)
    with pytest.raises(MethodError, match="samples are needed"):
        chosen(units={"fc0": [0]}).plan(MODEL, bare)
    assert chosen(units={"fc0": [0]}, repair=False).plan(MODEL, bare).edits


def test_from_python_from_a_recipe_and_from_the_command_line(tmp_path: Path) -> None:
    save(MODEL, tmp_path / "m.onnx", metadata={})
    groups = lissom.inspect(tmp_path / "m.onnx", groups=True, store=tmp_path / "s").groups
    names = [group.name for group in groups.groups] if groups else []
    assert names == ["fc0", "fc1"]
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "lissom: 1\nname: mine\nsteps:\n  - method: prune.chosen\n    parameters:\n"
        "      units: {fc0: [1, 5]}\n      channels: {fc1.w: [0]}\n      repair: false\n"
    )
    step = lissom.Recipe.load(recipe).steps[0]
    lissom.apply(
        lissom.Recipe(name="mine", steps=(step,)), tmp_path / "m.onnx", out=tmp_path / "p.onnx",
        store=tmp_path / "s",
    )  # fmt: skip
    command = ["apply", str(recipe), str(tmp_path / "m.onnx"), "-o", str(tmp_path / "c.onnx")]
    answer = invoked(*command, "--store", str(tmp_path / "s"))
    assert answer.exit_code == 0, answer.output
    for name in ("p.onnx", "c.onnx"):
        made = lissom.load(tmp_path / name, store=tmp_path / "s")
        assert (made.weight("fc0.w").shape, made.weight("fc1.w").shape) == ((6, 4), (11, 6))
    wrong = tmp_path / "w.yaml"
    wrong.write_text(recipe.read_text().replace("fc0: [1, 5]", "nowhere: [1]"))
    command = ["apply", str(wrong), str(tmp_path / "m.onnx"), "-o", str(tmp_path / "w.onnx")]
    refused = invoked(*command, "--store", str(tmp_path / "s"))
    assert refused.exit_code == 2
    assert "no channel group is called 'nowhere'" in refused.output
