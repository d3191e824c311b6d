import json

import numpy as np
import pytest

from lissom.errors import RecipeError
from lissom.graph.cutting import Resizing, ScaleInput, SetInput, WeightCut, WeightGrowth
from lissom.graph.edit import (
    BypassNodes,
    Cast,
    CodebookEncoding,
    EncodeWeight,
    InsertScale,
    IntegerEncoding,
    QuantizeActivation,
    RemoveChannels,
    ReplaceGraph,
    ReplaceWeight,
    SplitChannels,
    describe,
    edit_from_json,
    edit_to_json,
)
from lissom.numerics.codebook import learn
from lissom.numerics.packing import pack_matmul_nbits
from lissom.numerics.quantized import dequantize, quantize_weight
from lissom.store.refs import FileRef
from lissom.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def every_kind(store):
    w = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
    channels = IntegerEncoding.of(quantize_weight(w, axis=0), store)
    blocks = quantize_weight(w, bits=4, axis=1, block_size=16, symmetric=False, signed=False)
    packed = IntegerEncoding.packed(pack_matmul_nbits(blocks), store)
    return [
        EncodeWeight(weight="w", encoding=channels, kernel="dequantize", consumers=("a", "b")),
        EncodeWeight(
            weight="w", encoding=packed, kernel="matmul_nbits", consumers=("a",), accuracy_level=4
        ),
        EncodeWeight(
            weight="w",
            encoding=CodebookEncoding.of(learn(w, bits=3), store),
            kernel="fold",
            consumers=("a",),
        ),
        QuantizeActivation(value="x", scale=0.5, zero_point=3, graph_output=True),
        QuantizeActivation(value="x", consumers=("a",)),
        Cast(target="w", kind="weight"),
        ReplaceGraph(model=FileRef(sha256="0" * 64, suffix=".onnx", size_bytes=9), reason="fused"),
        RemoveChannels(
            cuts=(WeightCut(weight="w", axis=0, removed=((0, 1), (3, 5))),),
            rewrites=(
                SetInput(node="a", input=1, values=(0, 3)),
                ScaleInput(node="a", input=1, numerators=(3,), denominators=(4,)),
            ),
            resized=(Resizing(value="x", axis=1, size=3),),
        ),
        SplitChannels(
            growths=(
                WeightGrowth(weight="w", axis=0, copied=((0, 1, 2), (3, 5, 3)), shared=True),
                WeightGrowth(weight="v", axis=1, copied=((0, 1, 2),)),
            ),
            rewrites=(SetInput(node="a", input=1, values=(0, 3)),),
            resized=(Resizing(value="x", axis=1, size=3),),
        ),
        ReplaceWeight(weight="w", values=store.put_array(w)),
        ReplaceWeight(weight="b", values=store.put_array(w[:, 0]), bias_of="a"),
        InsertScale(value="x", consumers=("a",), scale=store.put_array(w[0])),
        BypassNodes(input="x", output="y"),
    ]


def test_json_gives_every_edit_back(store):
    for edit in every_kind(store):
        text = json.dumps(edit_to_json(edit))
        assert edit_from_json(json.loads(text)) == edit


def test_every_edit_has_a_line(store):
    assert [describe(edit) for edit in every_kind(store)] == [
        "EncodeWeight w: 8 bits, dequantize",
        "EncodeWeight w: 4 bits, blocks of 16, matmul_nbits",
        "EncodeWeight w: 3 bits, table, fold",
        "QuantizeActivation x: uint8, scale 0.5, zero point 3",
        "QuantizeActivation x: dynamic",
        "Cast weight w: float16",
        "ReplaceGraph: fused",
        "RemoveChannels: 1 weights",
        "SplitChannels: 2 weights",
        "ReplaceWeight w",
        "ReplaceWeight b: bias of a",
        "InsertScale x: by [32]",
        "BypassNodes y: x instead",
    ]


def test_an_encoding_keeps_the_tensor(store):
    w = np.linspace(-1, 3, 12, dtype=np.float32).reshape(3, 4)
    quantized = quantize_weight(w, axis=1, symmetric=False)
    encoding = IntegerEncoding.of(quantized, store)
    assert encoding.scale.shape == (4,)
    assert np.array_equal(dequantize(encoding.quantized(store)), dequantize(quantized))


def test_packed_blocks_are_no_plain_tensor(store):
    packed = every_kind(store)[1].encoding
    with pytest.raises(ValueError, match="scale"):
        packed.quantized(store)


@pytest.mark.parametrize(
    "stored",
    [
        {"edit": "Explode", "target": "w"},
        {"edit": "Cast", "target": "w"},
        {"edit": "Cast", "target": "w", "kind": "weight", "to": "float16", "why": "?"},
        {"target": "w"},
    ],
)
def test_damaged_edits_are_refused(stored):
    with pytest.raises(RecipeError, match="edit"):
        edit_from_json(stored)
