"""Coding of whole operators: the bias takes the mean, the order of elements is the weight's own."""

import numpy as np
import pytest

from lissom.graph.edit import EncodeWeight, ReplaceWeight
from lissom.graph.save import spill
from lissom.graph.site import sites
from lissom.methods.coding import as_stored, code_all, coded, rows_of
from lissom.numerics.codebook import dequantize
from lissom.numerics.coding import Scheme, code
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import layers

RNG = np.random.default_rng(0)
WIDE = RNG.standard_normal((20, 40))
BIAS = RNG.standard_normal(20)


@pytest.mark.parametrize("form", ["Gemm", "MatMul"])
@pytest.mark.parametrize("scheme", [Scheme(), Scheme(granularity="channel", bits=2)])
def test_codes_lie_as_the_weight_does(form, scheme):
    model = layers.chain((WIDE, BIAS), form=form)
    (site,) = sites(model)
    rows = rows_of(model, site)
    np.testing.assert_allclose(rows, WIDE, rtol=1e-6)
    found = code(rows, scheme)
    stored = dequantize(as_stored(site, found))
    expected = dequantize(found)
    assert np.array_equal(stored, expected if form == "Gemm" else expected.T)


def test_what_has_no_rows_is_one_row():
    model = model_of(tiny.recurrent())
    (site,) = (site for site in sites(model) if site.weight == "lstm.W")
    assert rows_of(model, site).shape == (1, np.prod(site.shape))


def test_the_bias_takes_the_mean_of_the_error(tmp_path):
    store = Store(tmp_path)
    model = layers.chain((WIDE, BIAS), (WIDE[:4, :20], None), relu=False)
    context = layers.context(model, store)
    found = coded(model, {"fc0.w": ["fc0"], "fc1.w": ["fc1"]}, Scheme(bits=2), "layer", context)
    kinds = [(type(edit), edit.weight) for edit in found.edits]
    assert kinds == [
        (ReplaceWeight, "fc0.b"),
        (EncodeWeight, "fc0.w"),
        (ReplaceWeight, "fc1_bias"),
        (EncodeWeight, "fc1.w"),
    ]
    assert found.weights == 880
    assert 0 < found.size_bytes < 880
    assert 0 < found.errors["fc0"] < 0.2
    x = {"x": np.concatenate([feed["x"] for feed in layers.inputs(model)])}
    old, new = run(model, x)[0], run(edited(model, found.edits, store), x)[0]
    assert np.abs(new - old).max() > 0.1
    np.testing.assert_allclose(new.mean(axis=0), old.mean(axis=0), atol=1e-3)


def test_without_samples_nothing_else_changes(tmp_path):
    store = Store(tmp_path)
    model = layers.chain((WIDE, BIAS))
    plain = layers.context(model, store).restricted("test", frozenset())
    found = coded(model, {"fc0.w": ["fc0"]}, Scheme(), "layer", plain)
    assert [type(edit) for edit in found.edits] == [EncodeWeight]
    assert found.errors == {}


def test_a_product_without_a_place_for_a_bias_gets_none(tmp_path):
    store = Store(tmp_path)
    model = layers.chain((WIDE, None), form="MatMul")
    context = layers.context(model, store)
    found = coded(model, {"fc0.w": ["fc0"]}, Scheme(bits=3), "layer", context)
    assert [type(edit) for edit in found.edits] == [EncodeWeight]
    assert list(found.errors) == ["fc0"]


@pytest.mark.parametrize("with_samples", [True, False])
def test_an_error_names_the_operator(with_samples, tmp_path, monkeypatch):
    """Of those seen on samples, and of those that can only be coded for their own sake."""
    made = layers.chain((WIDE, BIAS)) if with_samples else model_of(tiny.recurrent())
    weight, node = ("fc0.w", "fc0") if with_samples else ("gru.W", "gru")
    held = layers.context(made, Store(tmp_path)).calibration if with_samples else None
    spill(made, tmp_path / "model.onnx")

    def fails(*_):
        raise ValueError("odd")

    monkeypatch.setattr("lissom.methods.coding.code", fails)
    with pytest.raises(ValueError, match=f"^node '{node}': odd$"):
        code_all(
            path=str(tmp_path / "model.onnx"),
            store=str(tmp_path),
            weights={weight: [node]},
            scheme={},
            how="layer",
            sums={},
            calibration=None if held is None else held.to_json(),
        )
