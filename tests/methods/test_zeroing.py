"""Zeros on a whole network: as many as asked, nearer to the original than plain ones."""

import numpy as np
import pytest

from lissom.graph.perform import perform
from lissom.graph.save import spill
from lissom.measure.calibration import Calibration
from lissom.measure.samples import Samples
from lissom.methods.reading import readings
from lissom.methods.zeroing import Zeroed, zero_all, zeroed
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests.graph.channels.nets import NETS
from tests.graph.edited import model_of, run
from tests.methods import layers


def test_a_network_keeps_its_answers_better_than_with_plain_zeros(tmp_path) -> None:
    model, store = model_of(NETS["plain"]()), Store(tmp_path)
    rng = np.random.default_rng(0)
    feeds = [{"x0": rng.standard_normal((1, 3, 8, 8)).astype(np.float32)} for _ in range(40)]
    samples = Samples.open(iter(feeds), model.inputs, store)
    held = Calibration(samples=samples, part=samples.whole(), target=Target())
    nodes = list(readings(model))
    fresh = [{"x0": rng.standard_normal((1, 3, 8, 8)).astype(np.float32)} for _ in range(20)]
    before = np.concatenate([run(model, feed)[0] for feed in fresh])
    errors = {}
    for criterion in ("obs", "magnitude"):
        settings = {"ratio": 0.5, "pattern": "unstructured", "criterion": criterion}
        found = zeroed(model, nodes, settings, held, store)
        assert abs(found.zeros / found.weights - 0.5) < 0.02
        made = perform(model, found.edits, store)
        after = np.concatenate([run(made, feed)[0] for feed in fresh])
        errors[criterion] = float(np.mean((after - before) ** 2))
    assert errors["obs"] < errors["magnitude"] < np.var(before)


def test_packed_bytes_by_hand() -> None:
    assert Zeroed(edits=(), weights=17, zeros=10, untouched=()).packed_bytes == 3 + 28


def test_an_error_names_the_operator(tmp_path, monkeypatch) -> None:
    model = layers.redundant()
    context = layers.context(model, Store(tmp_path))
    assert context.calibration is not None
    spill(model, tmp_path / "model.onnx")

    def fails(*_, **__):
        raise np.linalg.LinAlgError("odd")

    monkeypatch.setattr("lissom.methods.zeroing.sparsify", fails)
    with pytest.raises(np.linalg.LinAlgError, match=r"^node 'fc1': odd$"):
        zero_all(
            path=str(tmp_path / "model.onnx"),
            nodes=["fc1"],
            settings={},
            calibration=context.calibration.to_json(),
        )
