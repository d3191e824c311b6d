"""What least squares does not reach gives the original's means and variances again."""

from functools import partial

import numpy as np
import pytest

from lissom.graph.channels.removal import removal
from lissom.graph.edit import ReplaceWeight
from lissom.measure.calibration import Calibration
from lissom.methods.passes import Passes, Spool
from lissom.methods.repair import repair
from lissom.methods.statistics import (
    ROWS,
    adjust,
    adjustables,
    channel_rows,
    keep_targets,
    kept_channels,
    touched,
)
from lissom.store.store import Store
from tests.graph.edited import edited, run
from tests.methods import layers

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


def normal(*shape):
    return RNG.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))


def around(*nodes, **weights):
    """Two convolutions, then some nodes that read `relu` [n, 6, 6, 6] and give the output."""
    first = [
        ("Conv", "x conv0.w conv0.b", "conv0", {"pads": [1] * 4}),
        ("Relu", "conv0", "relu0"),
        ("Conv", "relu0 conv1.w conv1.b", "conv1", {"pads": [1] * 4}),
        ("Relu", "conv1", "relu"),
    ]
    own = {
        "conv0.w": normal(5, 2, 3, 3),
        "conv0.b": normal(5),
        "conv1.w": normal(6, 5, 3, 3),
        "conv1.b": 0.5 + np.abs(normal(6)),  # no channel is dead
    }
    return layers.model([*first, *nodes], {**own, **weights}, ["n", 2, 6, 6])


NORM = {"s": 1 + 0.1 * normal(6), "b": normal(6)}
DEPTHWISE = {"group": 6, "pads": [1] * 4}
MODELS = {
    "depthwise": around(("Conv", "relu w b", "one", DEPTHWISE), w=normal(6, 1, 3, 3), b=normal(6)),
    "no bias": around(("Conv", "relu w", "one", DEPTHWISE), w=normal(6, 1, 3, 3)),
    "two groups": around(
        ("Conv", "relu w b", "one", {"group": 2}), w=normal(4, 3, 1, 1), b=normal(4),
    ),
    "transposed": around(("ConvTranspose", "relu w b", "one"), w=normal(6, 3, 2, 2), b=normal(3)),
    "batch": around(
        ("BatchNormalization", "relu s b m v", "one"),
        m=normal(6), v=np.abs(normal(6)) + 1, **NORM,
    ),
    "layer": around(
        ("Transpose", "relu", "last", {"perm": [0, 2, 3, 1]}),
        ("LayerNormalization", "last s b", "one"), **NORM,
    ),
    "shared": around(
        ("Conv", "relu w b", "one"), ("Conv", "one w c", "two"), ("Relu", "two", "three"),
        w=normal(6, 6, 1, 1), b=normal(6), c=normal(6),
    ),
}  # fmt: skip
SHIFTED = {"shared"}  # their weight is not their own


def disturbed(model, store):
    """As a repaired network might be: all of the second convolution somewhat off."""
    values = np.asarray(model.weight("conv1.b") + 0.3, np.float32)
    weight = np.asarray(1.3 * model.weight("conv1.w"), np.float32)
    edits = [
        ReplaceWeight(weight="conv1.b", values=store.put_array(values)),
        ReplaceWeight(weight="conv1.w", values=store.put_array(weight)),
    ]
    return edited(model, edits, store)


def values(model, name):
    """What a value is on the samples, as rows [rows, channels]."""
    x = np.concatenate([feed["x"] for feed in layers.inputs(model)])
    found = run(with_output(model, name), {"x": x})[0]
    axis = adjustables(model)["one"].axis
    moved = np.moveaxis(found, axis, -1)
    return moved.reshape(-1, moved.shape[-1])


def with_output(model, name):
    from lissom.graph.extract import extract

    return extract(model, [name])


@pytest.mark.parametrize("name", MODELS)
def test_means_and_variances_are_the_originals_again(name, store, tmp_path):
    model = MODELS[name]
    now = disturbed(model, store)
    calibration = Calibration.from_json(layers.context(model, store).calibration.to_json())
    targets, one = Spool(tmp_path), adjustables(model)["one"]
    keep_targets(model, {"one": (one, None)}, targets, calibration, tmp_path)
    passing = partial(Passes(calibration, tmp_path).runs, now)
    edits, errors = adjust(now, ["one"], targets, passing, store)
    fixed = edited(now, edits, store)
    want, off, got = (values(each, "one") for each in (model, now, fixed))
    assert np.abs(off.mean(0) - want.mean(0)).max() > 0.02
    near = 0.2 * np.abs(off.mean(0) - want.mean(0)).max()  # a fifth of the samples is held out
    np.testing.assert_allclose(got.mean(0), want.mean(0), atol=near)
    if name not in SHIFTED:
        np.testing.assert_allclose(got.std(0), want.std(0), rtol=0.1)
    assert ((got - want) ** 2).mean() < ((off - want) ** 2).mean()
    np.testing.assert_allclose(
        errors["one"], ((got - want) ** 2).sum(1).mean() / want.var(0).sum(), rtol=0.3
    )


def test_nothing_is_touched_where_nothing_is_wrong(store, tmp_path):
    model = MODELS["depthwise"]
    calibration = Calibration.from_json(layers.context(model, store).calibration.to_json())
    targets, one = Spool(tmp_path), adjustables(model)["one"]
    keep_targets(model, {"one": (one, None)}, targets, calibration, tmp_path)
    passing = partial(Passes(calibration, tmp_path).runs, model)
    edits, errors = adjust(model, ["one"], targets, passing, store)
    assert edits == []
    assert errors["one"] < 1e-9
    assert adjust(model, [], targets, passing, store) == ([], {})


def test_an_error_names_the_operator(store, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise ValueError("odd")

    monkeypatch.setattr("lissom.methods.statistics.matched", fails)
    model = MODELS["depthwise"]
    calibration = Calibration.from_json(layers.context(model, store).calibration.to_json())
    targets, one = Spool(tmp_path), adjustables(model)["one"]
    keep_targets(model, {"one": (one, None)}, targets, calibration, tmp_path)
    passing = partial(Passes(calibration, tmp_path).runs, model)
    with pytest.raises(ValueError, match=r"^node 'one': odd$"):
        adjust(model, ["one"], targets, passing, store)


def test_what_can_be_adjusted_and_what_least_squares_reaches_are_told_apart():
    assert {name: list(adjustables(model)) for name, model in MODELS.items()} == {
        **{name: ["one"] for name in MODELS},
        "shared": ["one", "two"],
    }
    assert adjustables(MODELS["shared"])["one"].scale is None
    assert adjustables(MODELS["no bias"])["one"].bias is None
    shared_norm = around(
        ("BatchNormalization", "relu s b m v", "one"),
        ("BatchNormalization", "one s b m v", "two"),
        m=normal(6), v=np.ones(6), **NORM,
    )  # fmt: skip
    assert adjustables(shared_norm) == {}
    alone = around(("InstanceNormalization", "relu s b", "one"), **NORM)
    assert adjustables(alone) == {}
    added = around(("MatMul", "relu w", "one"), w=normal(6, 6))
    assert adjustables(added) == {}


def test_what_a_removal_touches_and_what_is_left(store):
    model = MODELS["depthwise"]
    context = layers.context(model, store)
    found, one = layers.found_in(model, context), adjustables(model)["one"]
    first = removal(found, {"conv0": [1]})
    assert touched(model, first) == ["conv1", "relu", "one"]
    assert kept_channels(model, first, one) is None
    norm = MODELS["batch"]
    found = layers.found_in(norm, layers.context(norm, store))
    assert [group.name for group in found.groups] == ["conv0"]
    deep = around(
        ("Conv", "relu w b", "one", DEPTHWISE), ("Conv", "one v", "last"),
        w=normal(6, 1, 3, 3), b=normal(6), v=normal(3, 6, 1, 1),
    )  # fmt: skip
    second = removal(layers.found_in(deep, layers.context(deep, store)), {"conv1": [1, 4]})
    assert touched(deep, second) == ["last"]
    assert kept_channels(deep, second, adjustables(deep)["one"]) == [0, 2, 3, 5]


def test_a_repair_sets_right_what_follows_what_it_fits(store):
    model = around(
        ("Conv", "relu w b", "one", DEPTHWISE), ("Conv", "one v c", "last"),
        w=normal(6, 1, 3, 3), b=normal(6), v=normal(3, 6, 1, 1), c=normal(3),
    )  # fmt: skip
    context = layers.context(model, store)
    edit = removal(layers.found_in(model, context), {"conv0": [0, 1], "conv1": [2]})
    fixed = repair(model, edit, context.calibration, context)
    assert list(fixed.errors) == ["conv1", "one", "last"]
    plain, repaired = edited(model, [edit], store), edited(model, [edit, *fixed.edits], store)
    assert layers.distance(model, repaired) < 0.8 * layers.distance(model, plain)


def test_rows_are_the_channels_at_some_positions():
    value = np.arange(2 * 3 * 100).reshape(2, 3, 100)
    rows = channel_rows(value, 1, seed=3)
    assert rows.shape == (2 * ROWS, 3)
    assert {tuple(row) for row in rows} <= {
        tuple(row) for row in value.swapaxes(1, 2).reshape(-1, 3)
    }
    np.testing.assert_array_equal(rows, channel_rows(value, 1, seed=3))
    np.testing.assert_array_equal(channel_rows(value[0, :, :4].T, -1, seed=0), value[0, :, :4].T)
    np.testing.assert_array_equal(channel_rows(np.arange(3), -1, seed=0), [[0, 1, 2]])
