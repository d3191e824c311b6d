"""Fitting in this process: to the original's outputs, with the means or without them."""

import numpy as np
import pytest

from lissom.graph.channels.removal import removal
from lissom.graph.perform import perform
from lissom.measure.calibration import Calibration
from lissom.methods.refitting import Task, fitted, targets_of
from lissom.store.store import Store
from tests.graph.edited import edited, run
from tests.methods import layers

RNG = np.random.default_rng(0)


def chain():
    """The last of six channels is a sum of two others and 4."""
    first, bias = RNG.standard_normal((6, 8)), RNG.standard_normal(6)
    first[5], bias[5] = first[0] - first[2], bias[0] - bias[2] + 4
    second = RNG.standard_normal((3, 6)), RNG.standard_normal(3)
    return layers.chain((first, bias), second, relu=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The original, without its last channel, and the samples."""
    model, store = chain(), Store(tmp_path_factory.mktemp("store"))
    context = layers.context(model, store)
    (group,) = layers.found_in(model, context).groups
    edit = removal(layers.found_in(model, context), {group.name: [5]})
    held = Calibration.from_json(context.calibration.to_json())
    return model, perform(model, [edit], store), held


def after(made, task, folder):
    model, reduced, held = made
    targets = targets_of(model, task, held, folder)
    edits, errors = fitted(reduced, task, targets, held, folder)
    fixed = edited(reduced, edits, held.samples.store)
    x = {"x": RNG.standard_normal((64, 8)).astype(np.float32)}
    whole, cut, now = (run(one, x)[0] for one in (model, reduced, fixed))
    return whole, cut, now, errors


def test_a_sum_of_others_and_a_constant_is_fitted_exactly(made, tmp_path):
    whole, cut, now, errors = after(made, Task(stages=[["fc1"]], sums={}), tmp_path)
    assert errors["fc1"] < 1e-8
    np.testing.assert_allclose(now, whole, atol=1e-2)
    assert np.abs(cut - whole).max() > 1


def test_what_is_steady_keeps_the_mean_that_it_has_and_is_fitted_in_what_varies(made, tmp_path):
    task = Task(stages=[["fc1"]], sums={}, steady=["fc1"])
    whole, _, now, errors = after(made, task, tmp_path)
    apart = now - whole
    assert apart.std(axis=0).max() < 1e-2
    assert np.abs(apart.mean(axis=0)).max() > 1
    assert errors["fc1"] > 1e-3


def test_progress_counts_what_was_done_before_and_targets_serve_twice(made, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("lissom.methods.refitting.report", told.append)
    model, reduced, held = made
    task = Task(stages=[["fc1"]], sums={})
    targets = targets_of(model, task, held, tmp_path)
    first = fitted(reduced, task, targets, held, tmp_path, again=True)
    assert fitted(reduced, task, targets, held, tmp_path, done=7) == first
    assert told == [1, 8]


def test_an_error_names_the_operator(made, tmp_path, monkeypatch):
    def fails(*_):
        raise np.linalg.LinAlgError("odd")

    monkeypatch.setattr("lissom.methods.refitting.fit", fails)
    with pytest.raises(np.linalg.LinAlgError, match=r"^node 'fc1': odd$"):
        after(made, Task(stages=[["fc1"]], sums={}), tmp_path)
