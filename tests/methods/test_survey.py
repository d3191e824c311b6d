"""What operators read is what numpy sees, and what nobody needs leaves first."""

import numpy as np
import pytest

from lissom.graph.save import save
from lissom.methods.reading import readers_of, readings
from lissom.methods.survey import interpolated, look, survey
from lissom.store.store import Store
from tests.graph.edited import run
from tests.methods import layers

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


def normal(*shape):
    return RNG.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))


def made():
    """Of six channels the first is dead, the second constant, the last doubles the one before."""
    first, bias = normal(6, 8), 0.1 * normal(6)
    first[0], bias[0] = 0, -1
    first[1], bias[1] = 0, 3
    first[5], bias[5] = 2 * first[4], 2 * bias[4]
    return layers.chain((first, bias), (normal(3, 6), normal(3)))


MODEL = made()


def surveyed(model, store, *, worth):
    context = layers.context(model, store)
    groups = layers.found_in(model, context).groups
    return survey(model, groups, context.calibration, store, worth=worth)


def test_what_is_seen_is_what_runs_say(store):
    seen, worth = surveyed(MODEL, store, worth=False)
    assert worth == {}
    assert set(seen) == {"fc1"}
    x = np.concatenate([feed["x"] for feed in layers.inputs(MODEL)])
    hidden = np.maximum(x @ MODEL.weight("fc0.w").T + MODEL.weight("fc0.b"), 0)
    np.testing.assert_allclose(seen["fc1"].mean, hidden.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen["fc1"].second, (hidden**2).mean(0), rtol=1e-4, atol=1e-5)
    y = run(MODEL, {"x": x})[0]
    np.testing.assert_allclose(seen["fc1"].variance, y.var(0).sum(), rtol=1e-3)


def test_what_nobody_needs_leaves_first(store):
    worth = surveyed(MODEL, store, worth=True)[1]["fc0"]
    assert sorted(worth.order.tolist()) == list(range(6))
    assert set(worth.order[:3].tolist()) in ({0, 1, 4}, {0, 1, 5})
    assert len(worth.costs) == 5
    assert np.all(np.diff(worth.costs) >= 0)
    assert worth.costs[2] < 1e-5 < 1e-3 < worth.costs[3]


def test_what_is_seen_does_not_depend_on_how_many_fit_into_memory(store, tmp_path, monkeypatch):
    model = layers.chain((normal(6, 8), normal(6)), (normal(5, 6), normal(5)), (normal(3, 5), None))
    context = layers.context(model, store)
    known = readings(model)
    path = tmp_path / "model.onnx"
    save(model, path, metadata={})
    systems = {
        group.name: [
            [site.node, [own.tolist() for own in columns]]
            for site, _, columns in readers_of(group, known)
        ]
        for group in layers.found_in(model, context).groups
    }
    found = []
    for together in (1 << 29, 1):
        monkeypatch.setattr("lissom.methods.gathering.TOGETHER_BYTES", together)
        monkeypatch.setattr("lissom.methods.gathering._share", lambda _: 1 << 20)
        answer = look(
            path=str(path),
            calibration=context.calibration.to_json(),
            wanted=list(known),
            systems=systems,
        )
        found.append(store.arrays(answer["arrays"]))
    assert set(found[0]) == set(found[1]) > {"fc0/order", "fc1/order", "fc2/mean"}
    for name, array in found[0].items():
        np.testing.assert_array_equal(array, found[1][name])


def test_the_same_survey_is_done_once(store, monkeypatch):
    first = surveyed(MODEL, store, worth=True)[1]
    monkeypatch.setattr("lissom.methods.errand.call", lambda *_, **__: pytest.fail("again"))
    again = surveyed(MODEL, store, worth=True)[1]
    np.testing.assert_array_equal(again["fc0"].costs, first["fc0"].costs)


def test_of_two_units_one_stays(store):
    model = layers.chain((normal(2, 8), normal(2)), (normal(3, 2), normal(3)))
    worth = surveyed(model, store, worth=True)[1]["fc0"]
    assert sorted(worth.order.tolist()) == [0, 1]
    assert worth.costs.shape == (1,)
    assert worth.costs[0] > 0


def test_one_sample_is_enough_to_look(tmp_path):
    store = Store(tmp_path)
    context = layers.lab.context(MODEL, store, layers.inputs(MODEL, count=1))
    groups = layers.found_in(MODEL, context).groups
    _, worth = survey(MODEL, groups, context.calibration, store, worth=True)
    assert sorted(worth["fc0"].order.tolist()) == list(range(6))
    assert np.all(np.isfinite(worth["fc0"].costs))


def test_errors_between_counts_are_powers():
    found = interpolated([1, 4], [1.0, 16.0], 8)
    np.testing.assert_allclose(found[[0, 1, 3, 7]], [1, 4, 16, 64])


def test_below_the_first_count_errors_fall_at_least_in_proportion():
    np.testing.assert_allclose(interpolated([2, 4], [1.0, 8.0], 4)[0], 1 / 8)
    np.testing.assert_allclose(interpolated([2, 4], [1.0, 1.0], 4), [0.5, 1, 1, 1])
    np.testing.assert_allclose(interpolated([4], [8.0], 8), [2, 4, 6, 8, 10, 12, 14, 16])


def test_errors_that_fall_by_chance_count_as_level():
    np.testing.assert_allclose(interpolated([1, 2, 4], [2.0, 1.0, 4.0], 4)[:2], [2, 2])
