"""The error at the outputs is the one that NumPy computes; each variant is run once."""

import numpy as np
import pytest
from onnx import helper

from lissom.graph.edit import ReplaceWeight
from lissom.graph.perform import perform
from lissom.measure import output_error as module
from lissom.measure.calibration import Calibration
from lissom.measure.output_error import Outputs, errors_of, output_errors
from lissom.measure.samples import Samples
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of, run

PROTO = tiny.cnn()
MODEL = model_of(PROTO)
FEEDS = [tiny.feeds(PROTO, batch=1, seed=seed) for seed in range(5)]


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    samples = Samples.open(iter(FEEDS), MODEL.inputs, store)
    return Calibration(samples=samples, part=samples.whole(), target=Target())


def scaled(calibration, factor):
    values = np.asarray(MODEL.weight("fc.weight")) * np.float32(factor)
    ref = calibration.samples.store.put_array(values)
    return [ReplaceWeight(weight="fc.weight", values=ref)]


def by_hand(edits, store):
    ours = np.concatenate([run(MODEL, feed)[0].ravel() for feed in FEEDS])
    other = perform(MODEL, edits, store)
    theirs = np.concatenate([run(other, feed)[0].ravel() for feed in FEEDS])
    return float(((ours - theirs) ** 2).mean() / ours.var())


def test_the_error_is_that_of_numpy(calibration):
    store = calibration.samples.store
    variants = [[], scaled(calibration, 1.1), scaled(calibration, 0.0)]
    told = []
    found = output_errors(MODEL, variants, calibration, store, progress=told.append)
    assert found[0] == 0.0
    for error, edits in zip(found[1:], variants[1:], strict=True):
        assert error == pytest.approx(by_hand(edits, store), rel=1e-4)
    assert told[-1] == 3


def test_only_new_variants_are_run(calibration, monkeypatch):
    store = calibration.samples.store
    first = output_errors(MODEL, [scaled(calibration, 1.2)], calibration, store)
    ran = []
    call = module.call

    def counted(entry, arguments, **rest):
        ran.extend(arguments["variants"])
        return call(entry, arguments, **rest)

    monkeypatch.setattr(module, "call", counted)
    both = [scaled(calibration, 1.3), scaled(calibration, 1.2)]
    again = output_errors(MODEL, both, calibration, store)
    assert again[1] == first[0]
    assert len(ran) == 1


def test_what_is_not_finite_has_no_error(calibration, tmp_path):
    from lissom.graph.edit import edit_to_json
    from lissom.graph.save import save

    path = tmp_path / "model.onnx"
    save(MODEL, path, metadata={})
    edits = [edit_to_json(one) for one in scaled(calibration, np.inf)]
    found = errors_of(path=str(path), calibration=calibration.to_json(), variants=[edits])
    assert found == [{"error": None, "refusal": ""}]


def masked(tmp_path, *, mask):
    """How far the answers of a model are, which are infinite at the mask, from others."""
    plain = {"x": ("float32", ["n", 4])}, {"y": ("float32", ["n", 4])}
    model = model_of(
        tiny.model([helper.make_node("Add", ["x", "mask"], ["y"], "add")], *plain, {"mask": mask})
    )
    store = Store(tmp_path / "store")
    feeds = [{"x": np.full((1, 4), number, np.float32)} for number in range(4)]
    samples = Samples.open(iter(feeds), model.inputs, store)
    seen = Calibration(samples=samples, part=samples.whole(), target=Target())
    judge = Outputs(model, seen, tmp_path)

    def error(other):
        values = store.put_array(np.asarray(other, np.float32))
        edits = [ReplaceWeight(weight="mask", values=values)]
        (found,) = output_errors(model, [edits], seen, store)
        assert judge.error(perform(model, edits, store)) == found
        return found

    return error


def test_masked_answers_are_compared_where_they_are_finite(tmp_path):
    inf = np.inf
    error = masked(tmp_path, mask=np.array([0, 0, -inf, np.nan], np.float32))
    assert error([0, 0, -inf, np.nan]) == 0.0
    # 0 to 3 in both columns vary by 1.25; one of them is off by 1
    assert error([0, 1, -inf, np.nan]) == pytest.approx(0.5 / 1.25)
    assert error([0, 0, inf, np.nan]) == inf
    assert error([0, 0, 0, np.nan]) == inf
    assert error([0, -inf, -inf, np.nan]) == inf
    assert error([0, 0, -inf, -inf]) == inf


def test_answers_that_are_nowhere_finite_have_no_error(tmp_path):
    error = masked(tmp_path, mask=np.full(4, -np.inf, np.float32))
    assert error(np.full(4, -np.inf)) == 0.0


def test_what_the_runtime_refused_is_told_from_what_is_not_finite(calibration, monkeypatch):
    store = calibration.samples.store
    answers = [{"error": None, "refusal": "no kernel"}, {"error": None, "refusal": ""}]
    monkeypatch.setattr(module, "call", lambda *_, **__: answers)
    variants = [scaled(calibration, 2.1), scaled(calibration, 2.2)]
    for _ in range(2):  # remembered, too
        assert output_errors(MODEL, variants, calibration, store) == (None, np.inf)


def test_some_of_the_samples(calibration, tmp_path):
    store = calibration.samples.store
    judge = Outputs(MODEL, calibration, tmp_path, first=1, step=2, most=2)
    edits = scaled(calibration, 1.5)
    taken = list(calibration.feeds())[1:4:2]
    ours = np.concatenate([run(MODEL, feed)[0].ravel() for feed in taken])
    other = perform(MODEL, edits, store)
    theirs = np.concatenate([run(other, feed)[0].ravel() for feed in taken])
    expected = ((ours - theirs) ** 2).mean() / ours.var()
    assert judge.error(other) == pytest.approx(float(expected), rel=1e-4)
