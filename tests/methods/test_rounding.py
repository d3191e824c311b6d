"""Rounding whole networks: errors layer by layer, biases, sequence, groups, and other weights."""

import numpy as np
import pytest

from lissom.demo.files import paths
from lissom.errors import MethodError
from lissom.graph.edit import EncodeWeight, ReplaceWeight
from lissom.graph.load import load
from lissom.methods.quantize.adaround import Adaround
from lissom.methods.quantize.codebook import Codebook
from lissom.methods.quantize.gptq import Gptq
from lissom.methods.quantize.hqq import Hqq
from lissom.methods.reading import readings
from lissom.methods.rounding import Layer, plan_rounding, rounded
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers

RNG = np.random.default_rng(0)


@pytest.fixture
def made(tmp_path):
    model = layers.redundant()
    return model, layers.context(model, Store(tmp_path))


def errors_of(method, model, context):
    packed = dict.fromkeys(readings(model, grouped=True), False)
    return rounded(method, model, packed, context).errors


def test_on_every_layer_outputs_gain_what_weights_lose(made) -> None:
    """The claim of GPTQ, on each layer of a network; of data-free methods no outputs are known."""
    errors = errors_of(Gptq(), *made)
    assert set(errors) == {"fc0", "fc1", "fc2"}
    for one in errors.values():
        assert one.output < 0.7 * one.output_nearest
        assert one.weight > one.weight_nearest
    assert {one.output for one in errors_of(Hqq(), *made).values()} == {None}


def test_biases_take_the_mean(made) -> None:
    model, context = made
    plan = plan_rounding(Gptq(bits=2), model, context)
    result = edited(model, plan.edits, context.store)
    feeds = layers.inputs(model)
    x = np.concatenate([feed["x"] for feed in feeds])
    first = [
        x @ one.T + bias
        for one, bias in (
            (model.weight("fc0.w"), model.weight("fc0.b")),
            (_integers(plan, "fc0.w", context.store), result.weight("fc0.b")),
        )
    ]
    np.testing.assert_allclose(first[0].mean(axis=0), first[1].mean(axis=0), atol=1e-4)


def _integers(plan, weight, store):
    from lissom.numerics.quantized import dequantize

    (edit,) = [e for e in plan.edits if isinstance(e, EncodeWeight) and e.weight == weight]
    return dequantize(edit.encoding.quantized(store))


def test_in_sequence_later_layers_make_good_what_earlier_ones_lost(made) -> None:
    model, context = made
    distances = {}
    for reconstruction in ("layer", "sequence"):
        plan = plan_rounding(Gptq(bits=3, reconstruction=reconstruction), model, context)
        result = edited(model, plan.edits, context.store)
        distances[reconstruction] = layers.distance(model, result)
    assert distances["sequence"] < distances["layer"] < 0.2


def test_a_product_without_a_bias_gets_none(tmp_path) -> None:
    weight = RNG.standard_normal((8, 12)) / 3
    model = layers.chain((weight, None), (RNG.standard_normal((4, 8)), None), form="MatMul")
    context = layers.context(model, Store(tmp_path))
    plan = plan_rounding(Gptq(), model, context)
    assert plan.edit_counts == {"EncodeWeight": 2}
    with_bias = layers.chain((weight, RNG.standard_normal(8)), form="MatMul")
    context = layers.context(with_bias, Store(tmp_path / "other"))
    plan = plan_rounding(Gptq(), with_bias, context)
    assert [e.weight for e in plan.edits if isinstance(e, ReplaceWeight)] == ["fc0.b"]


@pytest.mark.parametrize("group", [2, 4])
def test_groups_are_rounded_one_by_one(group, tmp_path) -> None:
    weights = {"w": RNG.standard_normal((8, 4 // group, 3, 3)), "b": RNG.standard_normal(8)}
    given = {"group": group, "pads": [1] * 4}
    model = layers.model([("Conv", "x w b", "y", given)], weights, ["n", 4, 6, 6])
    context = layers.context(model, Store(tmp_path))
    plan = plan_rounding(Gptq(), model, context)
    assert "1 of 1 weights in 4 bits" in plan.summary
    (error,) = errors_of(Gptq(), model, context).values()
    assert error.output < error.output_nearest
    assert 0 < layers.distance(model, edited(model, plan.edits, context.store)) < 0.02


def test_what_is_no_matrix_goes_to_the_nearest_of_eight_bits(tmp_path) -> None:
    proto = tiny.transformer()
    model = model_of(proto)
    feeds = [tiny.feeds(proto, seed=seed) for seed in range(4)]
    context = lab.context(model, Store(tmp_path), feeds)
    plan = plan_rounding(Gptq(), model, context)
    bits = {e.weight: e.encoding.bits for e in plan.edits if isinstance(e, EncodeWeight)}
    assert bits["embedding"] == 8
    assert 4 in bits.values()
    assert "1 in 8 bits" in plan.summary


def test_packed_products(made) -> None:
    model, context = made
    method = Gptq(block_size=32, kernel="matmul_nbits")
    plan = plan_rounding(method, model, context)
    kernels = {e.kernel for e in plan.edits if isinstance(e, EncodeWeight)}
    assert kernels == {"matmul_nbits"}
    assert "3 multiplied packed" in plan.summary
    result = edited(model, plan.edits, context.store)
    assert layers.distance(model, result) < 0.05
    assert result.op_counts["com.microsoft::MatMulNBits"] == 3


def test_what_is_constant_on_all_samples(tmp_path) -> None:
    """A covariance of zeros: everything goes to its nearest, and the bias takes the rest."""
    model = layers.chain((RNG.standard_normal((4, 6)), RNG.standard_normal(4)))
    feeds = [{"x": np.ones((1, 6), np.float32)}] * 6
    context = lab.context(model, Store(tmp_path), feeds)
    plan = plan_rounding(Gptq(), model, context)
    result = edited(model, plan.edits, context.store)
    old, new = (run(one, feeds[0])[0] for one in (model, result))
    np.testing.assert_allclose(old, new, atol=1e-4)


def test_without_samples(made) -> None:
    model, _ = made
    with pytest.raises(MethodError, match="samples are needed"):
        plan_rounding(Gptq(), model, lab.context(model, made[1].store))
    with pytest.raises(MethodError, match="not known"):
        Layer(weight=np.zeros((1, 1)), hessian=None, block_size=None).known()


def test_on_every_layer_of_a_trained_network(tmp_path) -> None:
    """The demo's: outputs lose less than by rounding to nearest, weights more."""
    store = Store(tmp_path)
    model = load(paths().model, store)
    with np.load(paths().samples) as file:
        (name,) = (port.name for port in model.inputs)
        feeds = [{name: one[None]} for one in file[name][:100]]
    context = lab.context(model, store, feeds)
    for method in (Gptq(), Gptq(bits=3, symmetric=False), Adaround(steps=150)):
        errors = errors_of(method, model, context)
        assert len(errors) > 3
        for node, one in errors.items():
            assert one.output < 0.9 * one.output_nearest, node
            assert one.weight > one.weight_nearest, node


@pytest.mark.parametrize("method", [Gptq(), Codebook()])
def test_a_layer_whose_square_matrix_would_be_too_large_is_rounded_for_its_own_sake(
    method, tmp_path
) -> None:
    """12,000 inputs: their products would take 1.2 GB, those of 65,536 inputs 34."""
    wide = RNG.standard_normal((3, 12_000)) / 100
    model = layers.chain((wide, RNG.standard_normal(3)), (RNG.standard_normal((200, 3)), None))
    store = Store(tmp_path)
    plan = method.plan(model, lab.context(model, store, layers.inputs(model, count=4)))
    changed = {(type(edit), edit.weight) for edit in plan.edits}
    assert changed == {
        (EncodeWeight, "fc0.w"),
        (EncodeWeight, "fc1.w"),
        (ReplaceWeight, "fc1_bias"),
    }
    assert layers.distance(model, edited(model, plan.edits, store)) < 0.05
    (told,) = [skip for skip in plan.skips if skip.target == "fc0"]
    assert "memory" in told.reason
