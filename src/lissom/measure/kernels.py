"""What an executed operator is: the names that runtimes give their kernels, read.

Runtimes rename what they fuse or quantize: `Conv` runs as `FusedConv`, `QLinearConv` or
`Convolution u8`. Here each name is given back the family of what it computes, so that profiles of
two models, or of two runtimes, can be laid side by side. Names of ONNX Runtime are operators;
names of OpenVINO are a kernel and its precision, as `lissom.runtime.openvino` writes them.
"""

import re
from typing import Final

__all__ = [
    "CONVERSION",
    "CONVOLUTION",
    "ELEMENTWISE",
    "MATRIX",
    "PRODUCTS",
    "family",
    "is_convolution",
    "is_integer",
]

CONVERSION: Final = "Quantize / dequantize"
"""Kernels that only change the type or the layout of numbers between others."""
MATRIX: Final = "MatMul / Gemm"
CONVOLUTION: Final = "Conv"
ELEMENTWISE: Final = "Elementwise"
"""One pass over the values: additions, activations, and what a runtime joined of them."""
TRANSPOSED: Final = "ConvTranspose"
PRODUCTS: Final = frozenset({MATRIX, CONVOLUTION, TRANSPOSED, "Attention", "Recurrent"})
"""Families whose time is arithmetic: products of many terms."""

_INTEGER: Final = re.compile(
    r"^(QLinear|QGemm|QAttention|ConvInteger|MatMulInteger|DynamicQuantize(MatMul|LSTM))| [ui]8$"
)
_FAMILIES: Final = (
    (re.compile(r"^(Dynamic)?(De)?[Qq]uantizeLinear$|^FakeQuantize$|^Cast$|^Convert$"), CONVERSION),
    (re.compile(r"^Reorder(Input|Output)?$|^Transpose$"), "Transpose / reorder"),
    (re.compile(r"Attention|^ScaledDotProduct"), "Attention"),
    (re.compile(r"MatMul|Gemm$|^FullyConnected"), MATRIX),
    (re.compile(r"ConvTranspose|^(Group)?Deconvolution$"), TRANSPOSED),
    (re.compile(r"Conv(olution)?(Integer)?$"), CONVOLUTION),
    (re.compile(r"(LSTM|GRU|RNN)$|^RNN(Seq|Cell)$"), "Recurrent"),
    (re.compile(r"Einsum$"), MATRIX),
    (re.compile(r"LayerNormalization$|^MVN$"), "LayerNormalization"),
    (re.compile(r"Gelu$"), "Gelu"),
    (re.compile(r"Softmax$"), "Softmax"),
    (re.compile(r"(Max|Average|Avg)Pool(ing)?$|^Pooling$"), "Pool"),
    (
        re.compile(
            r"^(QLinear)?(Add|Sub|Mul|Div|Sum|Max|Min|Pow|Sqrt|Relu|LeakyRelu|PRelu|Sigmoid|Tanh|"
            r"HardSigmoid|HardSwish|Clip|Erf|Neg|Abs|Exp|Log|Where|Sin|Cos|Reciprocal|Softplus)$"
            r"|^(Subgraph|MulAdd|Multiply|Subtract|Divide|Eltwise|PowerStatic|Clamp|Swish|HSwish)$"
        ),
        ELEMENTWISE,
    ),
)
_AROUND: Final = re.compile(r"^(QLinear|Fused|Nhwc|Q(?=[A-Z]))")
_PRECISION: Final = re.compile(r" (f|bf|i|u|boolean)\d*$")


def family(op_type: str) -> str:
    """What a kernel computes, whatever its fused or quantized name; its own name if unknown."""
    bare = _PRECISION.sub("", op_type.rsplit(":", 1)[-1].rsplit(".", 1)[-1])
    for pattern, name in _FAMILIES:
        if pattern.search(bare):
            return name
    return _AROUND.sub("", bare) or op_type


def is_integer(op_type: str) -> bool:
    """Whether a kernel computes on integers, by its name."""
    return _INTEGER.search(op_type) is not None and family(op_type) != CONVERSION


def is_convolution(op_type: str) -> bool:
    """Whether a product is computed as a convolution, by its name."""
    return family(op_type) in {CONVOLUTION, TRANSPOSED}
