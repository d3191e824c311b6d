"""What layers are fitted towards: by hand on a residual network, and the claim of BRECQ."""

from functools import partial

import numpy as np
import pytest

from lissom.graph.edit import EncodeWeight, ReplaceWeight
from lissom.methods.quantize.adaround import Adaround
from lissom.methods.quantize.codebook import Codebook
from lissom.methods.quantize.gptq import Gptq
from lissom.methods.reading import readings
from lissom.methods.rounding import plan_rounding, rounded
from lissom.numerics.quantized import dequantize
from lissom.store.store import Store
from tests.graph.edited import edited, run
from tests.methods import lab, layers

WAYS = ("layer", "sequence", "block")


def weights_of(plan, store):
    return {
        edit.weight: dequantize(edit.encoding.quantized(store))
        for edit in plan.edits
        if isinstance(edit, EncodeWeight)
    }


def test_by_hand(tmp_path) -> None:
    """s = S x, b = B relu(x), sum = s + b, in 2 bits: -1, 0 and 1 times a scale.

    S = (1, 0.4) becomes about (1, 0), and B = (1, 0.6) has room for one number: their mean, 0.8.
    Towards the sum it should be (2, 1) - (1, 0) = (1, 1), and that it can be.
    """
    one = np.array([[1.0, 0.0], [0.0, 1.0]])
    weights = {"a.w": one, "s.w": np.array([[1.0], [0.4]]), "b.w": np.array([[1.0], [0.6]])}
    nodes = [
        ("MatMul", "x s.w", "s"),
        ("MatMul", "x a.w", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r b.w", "b"),
        ("Add", "s b", "sum"),
    ]
    model = layers.model(nodes, weights, ["n", 2])
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.uniform(0.1, 1, (1, 2)).astype(np.float32)} for _ in range(60)]
    context = lab.context(model, Store(tmp_path), feeds)
    found = {}
    for way in WAYS:
        plan = plan_rounding(Gptq(bits=2, reconstruction=way, damping=0.0), model, context)
        found[way] = weights_of(plan, context.store)
        np.testing.assert_allclose(found[way]["s.w"].ravel(), [1.0, 0.0], atol=0.06)
    for way, expected in (("layer", 0.8), ("sequence", 0.8), ("block", 1.0)):
        np.testing.assert_allclose(found[way]["b.w"].ravel(), [expected] * 2, atol=0.03)


def blocks(*, count: int = 3, width: int = 12, seed: int = 0):
    """Residual blocks x + W2 relu(W1 x), as images have them: layers with a bias, then a head."""
    rng = np.random.default_rng(seed)
    nodes, weights, value = [], {}, "x"
    for number in range(count):
        for part in "ab":
            name = f"{part}{number}"
            weights[f"{name}.w"] = rng.standard_normal((width, width)) / np.sqrt(width)
            weights[f"{name}.b"] = 0.1 * rng.standard_normal(width)
        nodes += [
            ("Gemm", f"{value} a{number}.w a{number}.b", f"a{number}", {"transB": 1}),
            ("Relu", f"a{number}", f"r{number}"),
            ("Gemm", f"r{number} b{number}.w b{number}.b", f"b{number}", {"transB": 1}),
            ("Add", f"{value} b{number}", f"sum{number}"),
        ]
        value = f"sum{number}"
    return layers.model(nodes, weights, ["n", width])


@pytest.mark.parametrize(
    "method",
    [
        partial(Gptq, bits=3),
        partial(Adaround, bits=3, steps=60),
        partial(Codebook, bits=2, granularity="tensor"),
    ],
)
def test_blocks_lose_less_at_their_outputs_than_layers_in_sequence(method, tmp_path) -> None:
    """The claim of BRECQ at low bits, over five networks."""
    lost = {way: [] for way in WAYS}
    for seed in range(5):
        model = blocks(seed=seed, width=24)
        store = Store(tmp_path / str(seed))
        context = lab.context(model, store, layers.inputs(model, count=200))
        for way in WAYS:
            plan = method(reconstruction=way).plan(model, context)
            lost[way].append(layers.distance(model, edited(model, plan.edits, store)))
    means = {way: np.mean(each) for way, each in lost.items()}
    assert means["block"] < 0.95 * means["sequence"]
    assert means["block"] < means["layer"]


def test_the_first_block_is_as_in_sequence_where_nothing_was_lost_before_the_sum(tmp_path) -> None:
    """Its sum is x + b: b should give what it gave, since x is as it was."""
    model = blocks(count=1)
    context = layers.context(model, Store(tmp_path))
    packed = dict.fromkeys(readings(model, grouped=True), False)
    errors = [
        rounded(Gptq(reconstruction=way), model, packed, context).errors
        for way in ("sequence", "block")
    ]
    for node in ("a0", "b0"):
        one, other = (each[node] for each in errors)
        assert one.output == pytest.approx(other.output, rel=1e-3)
        assert one.weight == pytest.approx(other.weight, rel=1e-3)


def test_a_bias_between_a_product_and_its_sum_is_counted_once(tmp_path) -> None:
    """x + (relu(x A) B + b): with 8 bits hardly anything is lost, so that b stays what it was."""
    rng = np.random.default_rng(0)
    nodes = [
        ("MatMul", "x a.w", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r b.w", "b"),
        ("Add", "b b.b", "b.sum"),
        ("Add", "x b.sum", "sum"),
    ]
    weights = {name: rng.standard_normal((8, 8)) / 3 for name in ("a.w", "b.w")}
    model = layers.model(nodes, weights | {"b.b": 10 + rng.standard_normal(8)}, ["n", 8])
    context = layers.context(model, Store(tmp_path))
    plan = plan_rounding(Gptq(bits=8, reconstruction="block"), model, context)
    (bias,) = (edit for edit in plan.edits if isinstance(edit, ReplaceWeight))
    assert bias.weight == "b.b"
    np.testing.assert_allclose(context.store.array(bias.values), model.weight("b.b"), atol=0.05)
    result = edited(model, plan.edits, context.store)
    feed = {"x": rng.standard_normal((20, 8)).astype(np.float32)}
    np.testing.assert_allclose(run(result, feed)[0], run(model, feed)[0], atol=0.1)
