"""Scaled inputs: the same answers, and factors where an input stands out."""

import numpy as np

from lissom.graph.perform import perform
from lissom.methods.input_scaling import scaled
from lissom.numerics.grids import Shape
from lissom.store.store import Store
from tests.methods import layers

RNG = np.random.default_rng(0)


def test_a_channel_that_stands_out_is_spread_over_more_of_the_grid(tmp_path) -> None:
    first, second = RNG.standard_normal((12, 6)), RNG.standard_normal((8, 12))
    first[3] *= 40.0
    model = layers.chain((first, np.zeros(12)), (second, np.zeros(8)))
    context = layers.context(model, Store(tmp_path))
    assert context.calibration is not None
    edits = scaled(model, ["fc0", "fc1"], Shape(bits=4), context, context.calibration)
    assert {edit.weight for edit in edits} == {"fc0.w", "fc0.b", "fc1.w"}
    made = perform(model, edits, context.store)
    assert layers.distance(model, made) < 1e-8
    factors = np.abs(made.weight("fc1.w") / model.weight("fc1.w")).mean(axis=0)
    assert factors[3] > 2 * np.median(factors)


def test_nothing_is_touched_that_may_not_be(tmp_path) -> None:
    model = layers.redundant()
    context = layers.context(model, Store(tmp_path))
    assert context.calibration is not None
    assert scaled(model, ["fc1"], Shape(bits=4), context, context.calibration) == ()
