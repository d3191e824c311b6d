"""No method fails on a valid model, however odd: it treats a layer rightly or says why it does not.

Each graph holds one thing that exporters write rarely, or that training leaves behind: constant
inputs, tied weights, layers of zeros, one channel, no elements at all.
"""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from lissom.methods import registry
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab

# What 4 bits of a few random weights may cost; everything else stays far below.
COARSE, FINE = 0.4, 0.1

METHODS = [
    *((method_id, {}) for method_id in registry.ids()),
    ("quantize.dynamic", {"granularity": "tensor"}),
    ("quantize.float16", {"compute": "float16"}),
    ("quantize.static", {"ranges": "mse", "attention": "integer", "asymmetric_channels": 1}),
    ("quantize.static", {"ranges": "percentile", "operators": "heavy", "depthwise": "float"}),
    ("quantize.weight_only", {"block_size": 256}),
    ("quantize.weight_only", {"bits": 4}),
    ("quantize.weight_only", {"bits": 4, "block_size": 32, "kernel": "matmul_nbits"}),
]


def weight(*shape: int, factor: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(sum(shape))
    return (rng.standard_normal(shape) * factor).astype(np.float32)


def graph(
    inputs: dict[str, list[int]],
    outputs: dict[str, list[int]],
    weights: dict[str, np.ndarray],
    *nodes: tuple[object, ...],
) -> onnx.ModelProto:
    """A model of opset 21; a node is (operator, inputs, output) and maybe its attributes."""
    made = [
        helper.make_node(op, given.split(), [out], out, **(rest[0] if rest else {}))
        for op, given, out, *rest in nodes
    ]
    ports = [{name: ("float32", shape) for name, shape in p.items()} for p in (inputs, outputs)]
    model = tiny.model(made, *ports, weights, opset=21)
    model.ir_version = 10
    return model


MAP = [1, 4, 6, 6]
W1 = weight(4, 4, 1, 1)
FLAT = {"x": [4, 32]}
NARROW = {"y": [4, 8]}

ODD = {
    "a convolution of a constant": graph(
        {"x": MAP},
        {"y": MAP},
        {"c": weight(*MAP), "w": W1},
        ("Conv", "c w", "k"),
        ("Relu", "k", "r"),
        ("Conv", "x w", "a"),
        ("Add", "a r", "s"),
        ("Erf", "s", "y"),
    ),
    "a Gemm with alpha and beta": graph(
        FLAT,
        NARROW,
        {"w": weight(32, 8), "b": weight(8)},
        ("Gemm", "x w b", "y", {"alpha": 0.5, "beta": 2.0}),
    ),
    "a Gemm of a transposed input": graph(
        {"x": [32, 4]},
        NARROW,
        {"w": weight(32, 8), "b": weight(8)},
        ("Gemm", "x w b", "y", {"transA": 1}),
    ),
    "a Gemm with one bias for all": graph(
        FLAT, NARROW, {"w": weight(8, 32), "b": weight(1)}, ("Gemm", "x w b", "y", {"transB": 1})
    ),
    "a Gemm with a computed bias": graph(
        {**FLAT, "z": [4, 8]}, NARROW, {"w": weight(8, 32)}, ("Gemm", "x w z", "y", {"transB": 1})
    ),
    "a product with a vector": graph(
        {"x": [32]}, {"y": [8]}, {"w": weight(32, 8)}, ("MatMul", "x w", "y")
    ),
    "a product with one number": graph(
        {"x": [4, 1]}, {"y": [4, 1]}, {"w": weight(1, 1)}, ("MatMul", "x w", "y")
    ),
    "a product with a batch of matrices": graph(
        {"x": [2, 4, 32]}, {"y": [2, 4, 8]}, {"w": weight(2, 32, 8)}, ("MatMul", "x w", "y")
    ),
    "products that share a weight": graph(
        FLAT,
        {"y": [4, 32]},
        {"w": weight(32, 32, factor=0.2)},
        ("MatMul", "x w", "a"),
        ("Relu", "a", "r"),
        ("Gemm", "r w", "y", {"transB": 1}),
    ),
    "convolutions that share weight and bias": graph(
        {"x": MAP},
        {"y": MAP},
        {"w": W1, "b": weight(4)},
        ("Conv", "x w b", "a"),
        ("Relu", "a", "r"),
        ("Conv", "r w b", "c"),
        ("Sigmoid", "c", "y"),
    ),
    "groups, and a transposed convolution": graph(
        {"x": MAP},
        {"y": [1, 6, 6, 6]},
        {"w": weight(4, 2, 1, 1), "b": weight(4), "t": weight(4, 3, 1, 1)},
        ("Conv", "x w b", "a", {"group": 2}),
        ("Relu", "a", "r"),
        ("ConvTranspose", "r t", "y", {"group": 2}),
    ),
    "constants in sums, products and joins": graph(
        {"x": MAP},
        {"y": MAP},
        {
            "w": W1,
            "three": np.asarray(-3, np.float32),
            "zeros": np.zeros((1, 4, 1, 1), np.float32),
            "more": weight(1, 2, 6, 6),
            "v": weight(4, 6, 1, 1),
        },
        ("Conv", "x w", "a"),
        ("Mul", "a three", "m"),
        ("Add", "m zeros", "s"),
        ("Concat", "s more", "j", {"axis": 1}),
        ("Conv", "j v", "c"),
        ("Erf", "c", "y"),
    ),
    "an inner value that is an output": graph(
        {"x": MAP},
        {"y": [1, 4, 5, 5], "p": [1, 4, 5, 5]},
        {"w": W1},
        ("Conv", "x w", "a"),
        ("MaxPool", "a", "p", {"kernel_shape": [2, 2]}),
        ("Conv", "p w", "c"),
        ("Erf", "c", "y"),
    ),
    "a layer of zeros": graph(
        {"x": MAP},
        {"y": MAP},
        {"z": np.zeros((4, 4, 1, 1), np.float32), "b": weight(4), "w": W1},
        ("Conv", "x z b", "a"),
        ("Relu", "a", "r"),
        ("Conv", "r w", "c"),
        ("Erf", "c", "y"),
    ),
    "one channel": graph(
        {"x": [1, 1, 6, 6]},
        {"y": [1, 1, 6, 6]},
        {"w": weight(1, 1, 1, 1), "b": weight(1)},
        ("Conv", "x w b", "a"),
        ("Erf", "a", "y"),
    ),
    "a product over nothing": graph(
        {"x": [4, 0]}, {"y": [4, 3]}, {"w": weight(0, 3)}, ("MatMul", "x w", "y")
    ),
    "a product that gives nothing": graph(
        {"x": [4, 3]}, {"y": [4, 0]}, {"w": weight(3, 0)}, ("MatMul", "x w", "y")
    ),
    "nothing with a weight": graph({"x": MAP}, {"y": MAP}, {}, ("Relu", "x", "y")),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("method_id", registry.ids())
@pytest.mark.parametrize("odd", ODD)
def test_it_is_treated_rightly_or_skipped(odd, method_id, store):
    proto = ODD[odd]
    model = model_of(proto)
    feeds = [tiny.feeds(proto, seed=seed) for seed in range(2)]
    context = lab.context(model, store, feeds)
    for given in (given for known, given in METHODS if known == method_id):
        plan = registry.create(method_id, given).plan(model, context)
        assert all(skip.target and skip.reason for skip in plan.skips)
        result = edited(model, plan.edits, store)
        for feed in feeds:
            for old, new in zip(run(model, feed), run(result, feed), strict=True):
                bits = getattr(registry.create(method_id, given), "bits", 8) or 4  # a table has 4
                most = COARSE if bits <= 4 else FINE
                # A random network has nothing to spare: nearer than zeros, no more.
                most = 1.0 if method_id.startswith("prune.") else most
                assert new.shape == old.shape
                assert np.linalg.norm(new - old) <= most * np.linalg.norm(old), given


@pytest.mark.parametrize("method_id", registry.ids())
def test_a_model_without_weights_gives_no_edits(method_id, store):
    proto = ODD["nothing with a weight"]
    model = model_of(proto)
    plan = registry.create(method_id, {}).plan(
        model, lab.context(model, store, [tiny.feeds(proto)])
    )
    assert plan.edits == ()
    assert plan.summary
    assert all(skip.reason for skip in plan.skips)
    assert plan.skips or not method_id.startswith("quantize.")


@pytest.mark.parametrize("method_id", [i for i in registry.ids() if not registry.load(i).needs])
def test_what_needs_nothing_works_without_samples(method_id, store):
    proto = ODD["convolutions that share weight and bias"]
    model = model_of(proto)
    method = registry.create(method_id, {})
    with_samples = lab.context(model, store, [tiny.feeds(proto)])
    without = replace(with_samples, observe=None)
    assert method.plan(model, without).to_json() == method.plan(model, with_samples).to_json()


@pytest.mark.parametrize(
    ("odd", "method_id", "target", "reason"),
    [
        ("a convolution of a constant", "quantize.static", "k", "its input is a constant"),
        ("a product over nothing", "quantize.dynamic", "y", "its weight is empty"),
        ("a Gemm of a transposed input", "quantize.dynamic", "y", "its input is transposed"),
        ("a Gemm with a computed bias", "quantize.static", "y", "its bias is not a float constant"),
    ],
)
def test_the_rarest_refusals_say_why(odd, method_id, target, reason, store):
    model = model_of(ODD[odd])
    context = lab.context(model, store, [tiny.feeds(ODD[odd])])
    plan = registry.create(method_id, {}).plan(model, context)
    assert (target, reason) in {(skip.target, skip.reason) for skip in plan.skips}
