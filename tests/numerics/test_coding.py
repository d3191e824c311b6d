"""Codes that keep what an operator gives: each step lowers its error, on every table."""

import numpy as np
import pytest

from lissom.numerics.codebook import dequantize, stored_bytes
from lissom.numerics.coding import Scheme, code, output_error
from lissom.numerics.quantized import dequantize as integers_of
from lissom.numerics.quantized import quantize_weight


def example(outputs=24, inputs=160, seed=0):
    """Weights with heavy tails, and inputs that depend on one another."""
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((inputs, inputs)) * rng.uniform(0.2, 2.0, (inputs, 1))
    x = rng.standard_normal((900, inputs)) @ mix
    weight = rng.standard_t(5, (outputs, inputs)) * rng.uniform(0.5, 2.0, (outputs, 1))
    return weight, x.T @ x / len(x)


def lost(weight, coded, hessian):
    whole = output_error(weight, np.zeros_like(weight), hessian)
    return output_error(weight, dequantize(coded), hessian) / whole


FORMS = [
    Scheme(granularity="tensor"),
    Scheme(granularity="channel"),
    Scheme(granularity="channel", bits=6),
    Scheme(granularity="block"),
    Scheme(granularity="block", bits=2, block_size=16),
    Scheme(table="nf4"),
    Scheme(table="fp4", granularity="channel"),
    Scheme(table="float8_e4m3", granularity="tensor"),
    Scheme(table="float8_e5m2"),
    Scheme(table="log", bits=3),
]


@pytest.mark.parametrize("scheme", FORMS)
def test_inputs_help_and_more_so_than_nearest(scheme):
    weight, hessian = example()
    plain, aware = code(weight, scheme), code(weight, scheme, hessian)
    assert plain.bits == aware.bits == scheme.width
    assert lost(weight, aware, hessian) < lost(weight, plain, hessian)
    off = [((dequantize(each) - weight) ** 2).sum() for each in (plain, aware)]
    assert off[0] < off[1]


@pytest.mark.parametrize("bits", [3, 4])
def test_a_codebook_is_better_than_a_grid_of_as_many_bits(bits):
    """The claim of non-uniform quantization: heavy tails want levels where the weights are."""
    weight, hessian = example()
    grid = integers_of(quantize_weight(weight, bits=bits, axis=1, block_size=32))
    linear = output_error(weight, grid, hessian)
    coded = code(weight, Scheme(bits=bits))
    assert output_error(weight, dequantize(coded), hessian) < linear
    assert stored_bytes(coded) < weight.size * bits / 8 + grid.size / 32 * 4


def test_error_falls_with_bits_and_smaller_groups():
    weight, hessian = example()
    by_bits = [lost(weight, code(weight, Scheme(bits=b), hessian), hessian) for b in range(2, 9)]
    assert by_bits == sorted(by_bits, reverse=True)
    schemes = [Scheme(granularity="tensor"), Scheme(block_size=128), Scheme(block_size=16)]
    by_group = [lost(weight, code(weight, s, hessian), hessian) for s in schemes]
    assert by_group == sorted(by_group, reverse=True)


def test_channels_get_tables_where_they_are_worth_it():
    scheme = Scheme(granularity="channel")
    assert code(example(inputs=128)[0], scheme).table.shape == (24, 16)
    short = code(example(inputs=127)[0], scheme)
    assert short.table.shape == (16,)
    assert short.scale.shape == (24,)


def test_held_out_rows_choose_the_damping():
    """Three rows determine nothing: without damping, feedback fits noise."""
    weight, hessian = example()
    rng = np.random.default_rng(1)
    few = rng.multivariate_normal(np.zeros(160), hessian, 3)
    seen = few.T @ few / 3
    blind = lost(weight, code(weight, Scheme(), seen, (seen, seen)), hessian)
    aware = lost(weight, code(weight, Scheme(), seen, (seen, hessian)), hessian)
    assert aware <= blind


@pytest.mark.parametrize("scheme", FORMS)
def test_degenerate_operators(scheme):
    for shape in ((1, 1), (3, 5), (2, 40)):
        for weight in (np.zeros(shape), np.ones(shape), np.linspace(-1, 1, shape[0] * shape[1])):
            rows = np.reshape(weight, shape)
            for hessian in (None, np.zeros((shape[1],) * 2), np.ones((shape[1],) * 2)):
                found = dequantize(code(rows, scheme, hessian))
                assert found.shape == shape
                assert np.all(np.isfinite(found))
        assert not dequantize(code(np.zeros(shape), scheme)).any()
