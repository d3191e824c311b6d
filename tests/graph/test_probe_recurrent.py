"""The two LSTMs of a probe are one function, up to the rounding of what they read."""

import numpy as np
import onnx
import onnxruntime
import pytest

from lissom.graph.probe_recurrent import recurrent


@pytest.mark.parametrize(("steps", "width"), [(1, 4), (9, 16)])
def test_integers_answer_what_floats_do(steps: int, width: int) -> None:
    feeds = {"x": np.random.default_rng(1).standard_normal((steps, 1, width)).astype(np.float32)}
    answers = []
    for integers, op_type in ((False, "LSTM"), (True, "DynamicQuantizeLSTM")):
        data = recurrent(steps, width, integers=integers)
        assert [node.op_type for node in onnx.load_from_string(data).graph.node] == [op_type]
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        answers.append(session.run(["y"], feeds)[0])
    real, rounded = answers
    assert real.shape == rounded.shape == (steps, 2, 1, width)
    assert 0 < np.linalg.norm(rounded - real) < 0.03 * np.linalg.norm(real)
    assert np.abs(real).mean() > 0.02  # of values that say something


def test_the_float_weights_are_the_integers_times_their_scales() -> None:
    weights = []
    for integers in (False, True):
        graph = onnx.load_from_string(recurrent(2, 3, integers=integers)).graph
        weights.append({t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer})
    real, rounded = weights
    again = rounded["w"].swapaxes(1, 2) * rounded["w_scale"][..., None]
    np.testing.assert_array_equal(real["w"], again)
