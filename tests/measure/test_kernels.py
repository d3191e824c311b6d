"""Kernel names of both runtimes, read."""

import pytest

from lissom.measure.kernels import (
    CONVERSION,
    CONVOLUTION,
    ELEMENTWISE,
    MATRIX,
    PRODUCTS,
    family,
    is_convolution,
    is_integer,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Conv", CONVOLUTION), ("FusedConv", CONVOLUTION), ("QLinearConv", CONVOLUTION),
        ("ConvInteger", CONVOLUTION), ("Convolution u8", CONVOLUTION),
        ("GroupConvolution f32", CONVOLUTION), ("NhwcFusedConv", CONVOLUTION),
        ("ConvTranspose", "ConvTranspose"), ("Deconvolution f32", "ConvTranspose"),
        ("MatMul", MATRIX), ("FusedMatMul", MATRIX), ("Gemm", MATRIX), ("QGemm", MATRIX),
        ("QLinearMatMul", MATRIX), ("MatMulIntegerToFloat", MATRIX), ("MatMulNBits", MATRIX),
        ("DynamicQuantizeMatMul", MATRIX), ("FullyConnected bf16", MATRIX), ("FusedGemm", MATRIX),
        ("FullyConnectedQuantizedLegacy u8", MATRIX),
        ("com.microsoft:MatMulNBits", MATRIX), ("Einsum", MATRIX),
        ("LSTM", "Recurrent"), ("DynamicQuantizeLSTM", "Recurrent"), ("RNNSeq f32", "Recurrent"),
        ("QuantizeLinear", CONVERSION), ("DequantizeLinear", CONVERSION), ("Cast", CONVERSION),
        ("DynamicQuantizeLinear", CONVERSION), ("Convert f32", CONVERSION),
        ("ReorderInput", "Transpose / reorder"), ("Reorder f32", "Transpose / reorder"),
        ("QLinearAdd", ELEMENTWISE), ("Subgraph f32", ELEMENTWISE), ("MulAdd f32", ELEMENTWISE),
        ("HardSigmoid", ELEMENTWISE),
        ("BiasGelu", "Gelu"), ("QuickGelu", "Gelu"),
        ("SkipLayerNormalization", "LayerNormalization"), ("MVN f32", "LayerNormalization"),
        ("MaxPool", "Pool"), ("QLinearAveragePool", "Pool"), ("QLinearSoftmax", "Softmax"),
        ("QLinearConcat", "Concat"),
        ("com.microsoft.nchwc:Conv", CONVOLUTION), ("", ""),
        ("Mystery i64", "Mystery"), ("Gather", "Gather"),
    ],
)  # fmt: skip
def test_families(name: str, expected: str) -> None:
    assert family(name) == expected


@pytest.mark.parametrize(
    "name", ["QLinearConv", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QGemm",
             "Convolution u8", "FullyConnected i8", "ConvInteger"],
)  # fmt: skip
def test_integer_kernels(name: str) -> None:
    assert is_integer(name)
    assert family(name) in PRODUCTS


@pytest.mark.parametrize(
    "name", ["Conv", "QuickGelu", "DynamicQuantizeLinear", "FullyConnected f32", "MatMulNBits"]
)
def test_other_kernels(name: str) -> None:
    assert not is_integer(name)


def test_convolutions_are_told_from_other_products() -> None:
    assert is_convolution("ConvTranspose")
    assert is_convolution("Convolution u8")
    assert not is_convolution("Gemm")
