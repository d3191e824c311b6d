"""Integers of a weight, kept in the store."""

import json

import numpy as np
import pytest

from lissom.graph.encoding import IntegerEncoding, encoding_from_json, encoding_to_json
from lissom.numerics.quantized import dequantize, quantize_weight
from lissom.store.store import Store


@pytest.mark.parametrize("symmetric", [True, False])
def test_kept_and_read_back(symmetric, tmp_path):
    store = Store(tmp_path)
    w = np.linspace(-1, 3, 12, dtype=np.float32).reshape(3, 4)
    quantized = quantize_weight(w, axis=0, symmetric=symmetric)
    encoding = IntegerEncoding.of(quantized, store)
    again = encoding_from_json(json.loads(json.dumps(encoding_to_json(encoding))))
    assert again == encoding
    assert np.array_equal(dequantize(again.quantized(store)), dequantize(quantized))


def test_damaged_encodings_are_refused():
    with pytest.raises(KeyError):
        encoding_from_json({})
