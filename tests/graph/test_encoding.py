"""Integers of a weight, kept in the store."""

import json

import numpy as np
import pytest

from lissom.graph.encoding import (
    CodebookEncoding,
    IntegerEncoding,
    encoding_from_json,
    encoding_to_json,
)
from lissom.numerics import codebook
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


@pytest.mark.parametrize("axis", [None, 0])
def test_tables_are_kept_and_read_back(axis, tmp_path):
    store = Store(tmp_path)
    w = np.linspace(-1, 3, 12, dtype=np.float32).reshape(3, 4)
    learned = codebook.learn(w, bits=2, axis=axis)
    scaled = codebook.encode(w, learned.table.ravel()[:4], bits=2, scale=np.full((), 2.0))
    for coded in (learned, scaled):
        encoding = CodebookEncoding.of(coded, store)
        again = encoding_from_json(json.loads(json.dumps(encoding_to_json(encoding))))
        assert again == encoding
        found = codebook.dequantize(again.codebook(store))
        assert np.array_equal(found, codebook.dequantize(coded))


def test_damaged_encodings_are_refused():
    with pytest.raises(TypeError):
        encoding_from_json({})
