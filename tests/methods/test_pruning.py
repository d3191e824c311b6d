"""What all criteria share: views, rankings, how much leaves, and what is left alone and why."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from lissom.errors import BrokenPromise, MeasurementError, MethodError
from lissom.graph.edit import RemoveChannels, ReplaceWeight
from lissom.measure.evidence import Evidence
from lissom.measure.observe import observe as measured
from lissom.measure.widths import Table
from lissom.methods.protocol import Need
from lissom.methods.pruning import Amount, Ranking, View, makers, prune
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers

RNG = np.random.default_rng(0)
SIZES = [(8, 4), (12, 8), (3, 12)]
LAYERS = [(RNG.standard_normal(size), RNG.standard_normal(size[0])) for size in SIZES]
MODEL = layers.chain(*LAYERS)


def by_number(view):
    return Ranking.of_scores(np.arange(view.group.units, dtype=float))


def amount(**changes):
    return Amount(**{"ratio": 0.5, "allocation": "uniform", "grid": 1, "repair": False, **changes})


def pruned(model, context, criterion=by_number, **changes):
    sees = changes.pop("sees", "nothing")
    return prune("prune.chance", amount(**changes), model, context, criterion, sees=sees)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def context(store):
    return layers.context(MODEL, store)


def test_scores_become_an_order_and_costs_that_add_up():
    found = Ranking.of_scores(np.asarray([3.0, 1.0, 2.0, 1.0]))
    assert found.order.tolist() == [1, 3, 2, 0]
    assert found.costs.tolist() == [1.0, 2.0, 4.0]


def test_a_view_shows_the_rows_that_make_a_unit_and_the_columns_that_read_it(context):
    group = layers.found_in(MODEL, context).group("fc0")
    view = View(model=MODEL, group=group, seen={}, worth=None, rng=np.random.default_rng(0))
    (rows,) = view.slices()
    np.testing.assert_allclose(np.concatenate(rows), LAYERS[0][0], rtol=1e-6)
    ((reading, weight, columns),) = view.readers()
    assert reading.node == "fc1"
    np.testing.assert_allclose(weight, LAYERS[1][0], rtol=1e-6)
    assert [one.tolist() for one in columns] == [[unit] for unit in range(8)]


def test_uniform_takes_the_first_of_each_ranking(context, store):
    plan = pruned(MODEL, context, ratio=0.25)
    result = edited(MODEL, plan.edits, store)
    np.testing.assert_array_equal(result.weight("fc0.w"), MODEL.weight("fc0.w")[2:])
    np.testing.assert_array_equal(result.weight("fc1.w"), MODEL.weight("fc1.w")[3:, 2:])
    assert plan.summary == "5 of 20 units of 2 channel groups removed, 64% of their work left"


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.8])
def test_global_saves_as_much_work_as_was_asked_for(ratio, context, store):
    plan = pruned(MODEL, context, ratio=ratio, allocation="global")
    result = edited(MODEL, plan.edits, store)
    before = sum(np.prod(size) for size in SIZES)
    after = sum(result.weight(f"fc{number}.w").size for number in range(3))
    assert after <= (1 - ratio) * before
    assert after >= (1 - ratio) * before - 8 - 12 - 3


def test_the_grid_is_kept(store):
    model = layers.redundant(hidden=48)
    for allocation in ("uniform", "global"):
        plan = pruned(model, layers.context(model, store), allocation=allocation, grid=16)
        result = edited(model, plan.edits, store)
        assert result.weight("fc0.w").shape[0] % 16 == 0
        assert result.weight("fc1.w").shape[0] % 16 == 0
        assert result.parameters < model.parameters


def blocks_of_eight(forms):
    """A runtime that computes eight channels at once, in and out."""

    def table(form):
        widths = [range(1, size + 1) for size in (form.inputs, form.outputs)]
        times = tuple(tuple(float(-(-i // 8) * -(-o // 8)) for o in widths[1]) for i in widths[0])
        return Table(inputs=tuple(widths[0]), outputs=tuple(widths[1]), microseconds=times)

    return {form: table(form) for form in forms}


def test_a_goal_in_time_leaves_widths_that_are_faster(store):
    model = layers.redundant(hidden=48)
    context = layers.context(model, store, tables=blocks_of_eight)
    plan = pruned(model, context, allocation="global", goal="latency", grid=None, ratio=0.4)
    result = edited(model, plan.edits, store)
    left = [result.weight(f"fc{number}.w").shape[0] for number in (0, 1)]
    assert all(width % 8 == 0 for width in left)
    blocks = [-(-width // 8) for width in (12, *left, 4)]
    spent = sum(one * other for one, other in itertools.pairwise(blocks))
    assert spent <= 0.6 * (2 * 6 + 6 * 6 + 6)
    assert plan.summary.endswith("% of their time left")


def test_a_goal_in_bytes_leaves_fewer(context, store):
    plan = pruned(MODEL, context, allocation="global", goal="size", ratio=0.5)
    result = edited(MODEL, plan.edits, store)
    weights = [sum(one.weight(f"fc{n}.w").size for n in range(3)) for one in (MODEL, result)]
    assert weights[1] <= 0.5 * weights[0]
    assert plan.summary.endswith("% of their weights left")


def test_a_goal_in_time_needs_a_runtime(context):
    with pytest.raises(MethodError, match="timed"):
        pruned(MODEL, context, allocation="global", goal="latency")


def test_the_same_share_everywhere_needs_none(context):
    plain = pruned(MODEL, context, ratio=0.25)
    assert pruned(MODEL, context, ratio=0.25, goal="latency").edits == plain.edits


def test_the_plan_is_data_and_the_same_again(context):
    first, again = (pruned(MODEL, context, repair=True) for _ in range(2))
    assert json.dumps(first.to_json()) == json.dumps(again.to_json())
    assert isinstance(first.edits[0], RemoveChannels)
    assert first.edit_counts == {"RemoveChannels": 1, "ReplaceWeight": 4}


def test_repair_is_nearer_than_none(context, store):
    plain, repaired = (
        edited(MODEL, pruned(MODEL, context, repair=repair).edits, store)
        for repair in (False, True)
    )
    assert layers.distance(MODEL, repaired) < layers.distance(MODEL, plain)


@pytest.mark.parametrize(
    ("repair", "sees"), [(True, "nothing"), (False, "energy"), (False, "worth")]
)
def test_what_needs_samples_says_that_there_are_none(repair, sees, context, store):
    bare = lab.context(MODEL, store, shapes=context.shapes)
    with pytest.raises(MethodError, match="samples are needed"):
        pruned(MODEL, bare, repair=repair, sees=sees)


def test_without_repair_a_criterion_of_weights_needs_no_samples(context, store):
    bare = lab.context(MODEL, store, shapes=context.shapes)
    assert pruned(MODEL, bare).to_json() == pruned(MODEL, context).to_json()


def test_what_cannot_be_run_is_said(store):
    with pytest.raises(MethodError, match="run once"):
        pruned(MODEL, lab.context(MODEL, store))


@pytest.mark.parametrize("touched", ["fc0", "fc1"])
def test_a_group_is_left_alone_if_what_makes_or_reads_it_is_out_of_scope(touched, store):
    context = layers.context(MODEL, store, scope=Scope(exclude=(touched,)))
    plan = pruned(MODEL, context)
    left = {"fc0": {"fc0"}, "fc1": {"fc0", "fc1"}}[touched]
    assert {skip.target: skip.reason for skip in plan.skips} == dict.fromkeys(
        left, f"excluded by {touched!r}"
    )
    cut = {one.weight for edit in plan.edits for one in edit.cuts}
    assert f"{touched}.w" not in cut
    assert bool(plan.edits) == (touched == "fc0")


def test_inexact_groups_are_left_alone_with_the_reason(store):
    ones = {"s": np.ones(8), "t": np.zeros(8)}
    model = layers.model(
        [
            ("Gemm", "x v", "first"),
            ("LayerNormalization", "first s t", "norm"),
            ("Gemm", "norm w", "second"),
            ("Relu", "second", "relu"),
            ("Gemm", "relu u", "third"),
        ],
        {"v": RNG.standard_normal((4, 8)), "w": RNG.standard_normal((8, 6)), **ones}
        | {"u": RNG.standard_normal((6, 3))},
        ["n", 4],
    )
    context = layers.context(model, store)
    plan = pruned(model, context)
    inexact = layers.found_in(model, context).group("first").inexact
    assert [(skip.target, skip.reason) for skip in plan.skips] == [("first", inexact)]
    assert edited(model, plan.edits, store).weight("w").shape == (8, 3)


def test_heads_and_wide_layers_of_a_transformer_leave(store):
    proto = tiny.transformer()
    model = model_of(proto)
    context = lab.context(model, store, [tiny.feeds(proto, seed=seed) for seed in range(6)])
    plan = pruned(model, context, repair=True)
    result = edited(model, plan.edits, store)
    assert result.weight("attention/q.weight").shape == (16, 8)
    assert result.weight("ffn/up.weight").shape == (16, 32)
    feed = tiny.feeds(proto, seed=7)
    assert np.all(np.isfinite(run(result, feed)[0]))


def test_a_group_that_nothing_linear_reads_is_left_alone(store):
    proto = tiny.recurrent()
    model = model_of(proto)
    plan = pruned(model, lab.context(model, store, [tiny.feeds(proto)]))
    assert "nothing that reads it can be fitted" in {skip.reason for skip in plan.skips}


def test_a_model_without_channels_is_left_alone(store):
    model = layers.chain(LAYERS[0])
    plan = pruned(model, layers.context(model, store))
    assert (plan.edits, plan.summary) == ((), "no channels can leave")


def test_too_little_to_leave_is_said(context):
    plan = pruned(MODEL, context, ratio=0.01)
    assert (plan.edits, plan.summary) == ((), "nothing was to leave")


def test_what_makes_a_channel_is_neither_what_reads_it_nor_a_bias(store):
    # A tied table makes channels on the axis that a shared product reads; a bias makes none.
    model = layers.model(
        [
            ("Gemm", "x v b", "first", {"transB": 1}),
            ("Mul", "first gain", "scaled"),
            ("Gemm", "scaled w", "second", {"transB": 1}),
        ],
        {"v": RNG.standard_normal((6, 4)), "b": RNG.standard_normal(6), "gain": np.ones((1, 6))}
        | {"w": RNG.standard_normal((3, 6))},
        ["n", 4],
    )
    context = layers.context(model, store)
    group = layers.found_in(model, context).group("first")
    assert {one.weight for one in group.members} >= {"v", "b", "w"}
    assert [name for name, _, _ in makers(model, group)] == ["v"]


def test_what_holds_one_number_a_channel_counts_where_nothing_else_makes_it(store):
    model = layers.model(
        [("Mul", "x gain", "wide"), ("Gemm", "wide w", "second")],
        {"gain": RNG.standard_normal((1, 6)), "w": RNG.standard_normal((6, 3))},
        ["n", 1],
    )
    context = layers.context(model, store)
    (group,) = layers.found_in(model, context).groups
    assert [(name, axis) for name, axis, _ in makers(model, group)] == [("gain", 1)]


# --- gradients, and pruning in steps ---

LINEAR = layers.chain(*LAYERS[:2], relu=False)
"""y = B (A x + a) + b, and a loss of half the squared distance to `GOAL`."""
GOAL = RNG.standard_normal((5, 12))
X = RNG.standard_normal((5, 4)).astype(np.float32)


def loss(model, changes=None):
    (a, c, b, d) = ((changes or {}).get(n, model.weight(n)).astype(float) for n in NAMES)
    return 0.5 * (((X @ a.T + c) @ b.T + d - GOAL) ** 2).sum()


NAMES = ("fc0.w", "fc0.b", "fc1.w", "fc1.b")


def gradients_of(model):
    """By the chain rule."""
    a, c, b, d = (model.weight(name).astype(float) for name in NAMES)
    hidden = X @ a.T + c
    error = hidden @ b.T + d - GOAL
    back = error @ b
    return dict(zip(NAMES, (back.T @ X, back.sum(0), error.T @ hidden, error.sum(0)), strict=True))


def trainable(context):
    """A context whose evidence holds gradients, as that of a trainable twin."""

    def observe(model, needs):
        assert set(needs) == {Need.GRADIENTS}
        found = gradients_of(model)
        wanted = {name: found[name] for name in needs[Need.GRADIENTS]}
        return Evidence(samples_fingerprint="twin", count=len(X), gradients=wanted)

    return replace(context, observe=observe)


def snip(view):
    """Connection sensitivity (Lee, Ajanthan and Torr, 2019, arXiv:1810.02340), by unit."""
    scores = np.zeros(view.group.units)
    for rows, slopes in zip(view.slices(), view.slices(view.gradients), strict=True):
        products = zip(rows, slopes, strict=True)
        scores += np.asarray([np.abs(weight * slope).sum() for weight, slope in products])
    return Ranking.of_scores(scores)


def test_the_gradients_of_the_example_are_those_of_finite_differences():
    found = gradients_of(LINEAR)
    for name, index in (("fc0.w", (3, 2)), ("fc1.w", (7, 5)), ("fc0.b", (1,))):
        step = np.zeros_like(LINEAR.weight(name), dtype=float)
        step[index] = 1e-4
        ends = [loss(LINEAR, {name: LINEAR.weight(name) + sign * step}) for sign in (1, -1)]
        assert (ends[0] - ends[1]) / 2e-4 == pytest.approx(found[name][index], rel=1e-4)


def test_a_criterion_of_gradients_can_be_plugged_in(store):
    context = trainable(layers.context(LINEAR, store))
    plan = pruned(LINEAR, context, snip, sees="gradients", ratio=0.25)
    scores = np.abs(LINEAR.weight("fc0.w") * gradients_of(LINEAR)["fc0.w"]).sum(axis=1)
    stay = sorted(np.argsort(scores, kind="stable")[2:].tolist())
    assert layers.left_of(LINEAR, plan, store) == stay


def test_gradients_are_asked_for_only_by_those_that_see_them_and_declare_it(context):
    with pytest.raises(BrokenPromise, match=r"prune\.chance asked for gradients, undeclared"):
        pruned(
            LINEAR, trainable(context).restricted("prune.chance", frozenset({Need.ROWS})), snip,
            sees="gradients",
        )  # fmt: skip
    pruned(LINEAR, trainable(context))  # its observe refuses every other question


def test_a_runtime_says_that_it_takes_no_gradients(store):
    context = layers.context(LINEAR, store)
    held = context.calibration

    def observe(model, needs):
        return measured(model, held.samples, held.part, needs, held.target)

    with pytest.raises(MeasurementError, match="onnxruntime takes none: it only runs models"):
        pruned(LINEAR, replace(context, observe=observe), snip, sees="gradients")


def test_pruning_in_steps_with_training_between(store):
    """Remove, train what is left with the same edits that every method answers, remove again."""
    model, widths = LINEAR, []
    for _ in range(3):
        context = trainable(layers.context(model, store))
        plan = pruned(model, context, snip, sees="gradients", ratio=0.25)
        cut = edited(model, plan.edits, store)
        slopes = gradients_of(cut)
        norm = sum(float((each**2).sum()) for each in slopes.values())
        rate = 1e-3 / max(1.0, np.sqrt(norm))
        trained = [
            ReplaceWeight(
                weight=name,
                values=store.put_array((cut.weight(name) - rate * slopes[name]).astype("float32")),
            )
            for name in NAMES
        ]
        model = edited(cut, trained, store)
        assert loss(model) < loss(cut)
        widths.append(model.weight("fc0.w").shape[0])
    assert widths == [6, 4, 3]
    # Each step ranked what training had made of the last one's result.
    assert not np.isin(model.weight("fc0.w"), LINEAR.weight("fc0.w")).any()
