"""What operators take by their widths: arithmetic, bytes, times from tables of a made runtime."""

from dataclasses import replace

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.measure.widths import Form, Table
from lissom.methods.allocation import left_of
from lissom.methods.unit_costs import allowed, shares
from lissom.store.store import Store
from tests.methods import layers
from tests.methods.test_allocation import group

RNG = np.random.default_rng(0)
SIZES = [(4, 6), (3, 4), (2, 3)]
MODEL = layers.chain(*[(RNG.standard_normal(size), np.zeros(size[0])) for size in SIZES])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


def priced(goal, model, store, **changes):
    context = layers.context(model, store, **changes)
    found = layers.found_in(model, context)
    return shares(goal, model, found.groups, found.walk.shapes, context)


def table_of(form):
    """Hundred microseconds, and one for each channel in and out."""
    ins, outs = range(1, form.inputs + 1), range(1, form.outputs + 1)
    rows = ins if form.depthwise else [(i, o) for i in ins for o in outs]
    times = (
        [[100.0 + 2 * width] for width in rows]
        if form.depthwise
        else [[100.0 + i + o for o in outs] for i in ins]
    )
    return Table(
        inputs=tuple(ins), outputs=tuple(outs), microseconds=tuple(tuple(row) for row in times)
    )


def test_arithmetic_is_a_product_of_what_is_left(store):
    work = priced("macs", MODEL, store)
    assert [one.after({}) for one in work] == [24, 12, 6]
    assert work[1].axes == ((("fc1", 1 / 3),), (("fc0", 1 / 4),))
    assert left_of(work, {"fc0": 2, "fc1": 1}) == pytest.approx(6 * 2 + 2 * 2 + 2 * 2)


def test_bytes_are_those_of_the_weights(store):
    work = priced("size", MODEL, store)
    assert [one.after({}) for one in work] == [96, 48, 24]
    assert left_of(work, {"fc0": 1}) == pytest.approx(72 + 36 + 24)


def test_time_is_looked_up(store):
    asked = []

    def tables(forms):
        asked.extend(forms)
        return {form: table_of(form) for form in forms}

    work = priced("latency", MODEL, store, tables=tables)
    assert [(form.inputs, form.outputs, form.units) for form in asked] == [
        (6, 4, (1, 4)),
        (4, 3, (4, 3)),
        (3, 2, (3, 1)),
    ]
    assert [one.after({}) for one in work] == [110, 107, 105]
    assert [one.after({"fc0": 2, "fc1": 1}) for one in work] == [108, 104, 104]


def test_time_needs_a_runtime(store):
    with pytest.raises(MethodError, match="timed"):
        priced("latency", MODEL, store)


def mixed():
    """A convolution, a depthwise one, a grouped one, and a last one."""
    weights = {
        "v": RNG.standard_normal((8, 3, 3, 3)),
        "w": RNG.standard_normal((8, 1, 3, 3)),
        "u": RNG.standard_normal((8, 4, 1, 1)),
        "t": RNG.standard_normal((2, 8, 1, 1)),
    }
    nodes = [
        ("Conv", "x v", "first", {"pads": [1, 1, 1, 1]}),
        ("Conv", "first w", "deep", {"group": 8, "strides": [2, 2]}),
        ("Relu", "deep", "relu"),
        ("Conv", "relu u", "grouped", {"group": 2}),
        ("Relu", "grouped", "again"),
        ("Conv", "again t", "last"),
    ]
    return layers.model(nodes, weights, ["n", 3, 6, 6])


def test_what_has_no_table_is_put_at_the_rate_of_the_others(store):
    asked = []

    def tables(forms):
        asked.extend(forms)
        return {form: table_of(form) for form in forms}

    work = priced("latency", mixed(), store, tables=tables)
    assert asked == [
        Form(
            kernel=(3, 3), inputs=3, outputs=8, units=(1, 4), batch=1, spatial=(6, 6),
            strides=(1, 1), dilations=(1, 1), pads=(1, 1, 1, 1),
        ),
        Form(
            kernel=(3, 3), inputs=8, outputs=8, units=(4, 4), depthwise=True, batch=1,
            spatial=(6, 6), strides=(2, 2), dilations=(1, 1), pads=(0, 0, 0, 0),
        ),
        Form(
            kernel=(1, 1), inputs=8, outputs=2, units=(4, 1), batch=1, spatial=(2, 2),
            strides=(1, 1), dilations=(1, 1), pads=(0, 0, 0, 0),
        ),
    ]  # fmt: skip
    macs = [36 * 8 * 27, 4 * 8 * 9, 4 * 8 * 4, 4 * 8 * 2]
    known = 111 + 116 + 110
    rate = known / (macs[0] + macs[1] + macs[3])
    assert [one.after({}) for one in work] == pytest.approx([111, 116, rate * macs[2], 110])


def test_without_any_table_time_is_arithmetic(store):
    work = priced("latency", MODEL, store, tables=lambda _: {})
    assert [one.after({}) for one in work] == [24, 12, 6]


def test_what_may_be_left_is_what_was_measured_or_the_grid():
    groups = [group("a", 64), group("b", 12, 64), group("c", 6)]
    assert allowed(groups, "latency", None) == {
        "a": [8, 16, 24, 32, 40, 48, 56],
        "b": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        "c": [1, 2, 3, 4, 5],
    }
    by_grid = {"a": [16, 32, 48], "b": list(range(1, 12)), "c": [2, 4]}
    assert allowed(groups, "macs", None) == by_grid
    assert allowed(groups, "latency", 16) == by_grid
    assert allowed([group("a", 5)], "size", 1) == {"a": [1, 2, 3, 4]}


def test_a_unit_that_is_several_features_behind_a_flattening_is_one_channel_before_it():
    several = group("a", 32)
    members = (*several.members, *group("b", 32, 9).members)
    assert allowed([replace(several, members=members)], "macs", None) == {"a": [16]}
