"""Both ways to write an integer weight say the same product."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from lissom.graph.probe_weights import widened_product


@pytest.mark.parametrize(
    ("op_type", "shape", "weight"),
    [
        ("MatMul", (1, 8), (8, 6)),
        ("Gemm", (1, 8), (6, 8)),
        ("Conv", (1, 4, 6, 6), (8, 4, 3, 3)),
        ("LSTM", (3, 1, 5), (1, 16, 5)),
        ("GRU", (3, 1, 5), (1, 12, 5)),
        ("RNN", (3, 1, 5), (1, 4, 5)),
    ],
)
def test_both_forms_of_widening_give_the_same_product(
    op_type: str, shape: tuple[int, ...], weight: tuple[int, ...]
) -> None:
    answers = []
    for kernel in ("dequantize", "fold"):
        data = widened_product(shape, weight, kernel, op_type)
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        assert op_type in [node.op_type for node in model.graph.node]
        evaluator = ReferenceEvaluator(model)
        answers.append(evaluator.run(None, {"x": np.ones(shape, np.float32)})[0])
    np.testing.assert_allclose(*answers, rtol=1e-5)
