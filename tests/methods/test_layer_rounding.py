"""One layer after another: what is reported of each, by hand."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.graph.edit import EncodeWeight
from lissom.graph.save import spill
from lissom.methods.layer_rounding import round_all
from lissom.methods.quantize.gptq import Gptq
from lissom.methods.quantize.hqq import Hqq
from lissom.methods.rounding import rounded
from lissom.numerics.quantized import dequantize, quantize_weight
from lissom.store.store import Store
from tests.methods import lab, layers

WEIGHT = np.array([[7.0, 3.4], [-7.0, 0.2]])


def errors_of(method, model, context):
    return rounded(method, model, {"fc0": False}, context)


def test_errors_are_shares_of_squares_and_of_the_outputs_variance(tmp_path) -> None:
    """Inputs of variance v that do not depend on each other: both shares are the same.

    With scales of 1, 3.4 becomes 3 and 0.2 becomes 0: 0.16 + 0.04 of 109.6 squares.
    """
    model = layers.chain((WEIGHT, np.zeros(2)))
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32)
    feeds = [{"x": corners} for _ in range(10)]
    context = lab.context(model, Store(tmp_path), feeds)
    found = errors_of(Gptq(bits=4), model, context)
    one = found.errors["fc0"]
    (edit,) = (edit for edit in found.edits if isinstance(edit, EncodeWeight))
    after = dequantize(edit.encoding.quantized(context.store))
    assert one.weight == pytest.approx(((after - WEIGHT) ** 2).sum() / (WEIGHT**2).sum(), rel=1e-5)
    assert one.output == pytest.approx(one.weight, rel=1e-4)
    assert one.output_nearest == pytest.approx(0.2 / (WEIGHT**2).sum(), rel=1e-4)


def test_without_samples_only_weights_are_told_of(tmp_path) -> None:
    model = layers.chain((WEIGHT, np.zeros(2)))
    context = layers.context(model, Store(tmp_path))
    one = errors_of(Hqq(), model, context).errors["fc0"]
    assert one.output is one.output_nearest is None
    assert one.weight > 0


def test_an_error_names_the_layer(tmp_path, monkeypatch) -> None:
    model = layers.chain((WEIGHT, None), (WEIGHT, None))
    context = layers.context(model, Store(tmp_path))
    spill(model, tmp_path / "model.onnx")
    done = []

    def rounds(layer):
        done.append(layer)
        if len(done) == 2:
            raise MethodError("odd")
        return quantize_weight(layer.weight, bits=4, axis=0)

    monkeypatch.setattr("lissom.methods.layer_rounding._Work._rounded", lambda _, one: rounds(one))
    with pytest.raises(MethodError, match=r"^node 'fc1': odd$"):
        round_all(
            path=str(tmp_path / "model.onnx"),
            packed={"fc0": False, "fc1": False},
            method="quantize.gptq",
            settings={},
            calibration=context.calibration.to_json(),
            sums={},
            store=str(tmp_path),
        )
