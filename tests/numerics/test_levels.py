"""Fixed tables: as their papers print them, and as the types of NumPy's friends hold them."""

import ml_dtypes
import numpy as np
import pytest

from lissom.numerics.levels import FIXED_BITS, fixed_levels


def test_nf4_is_the_table_of_the_paper():
    """QLoRA, appendix E."""
    printed = [-1.0, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004]
    printed += [0.0, 0.0795803, 0.1609302, 0.24611230, 0.33791524, 0.44070983, 0.56261700]
    printed += [0.72295684, 1.0]
    np.testing.assert_allclose(fixed_levels("nf4"), printed, atol=2e-6)


def test_fp4_by_hand():
    magnitudes = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    assert fixed_levels("fp4").tolist() == [*(-m for m in magnitudes[::-1]), 0.0, *magnitudes]


@pytest.mark.parametrize(
    ("name", "dtype", "codes"),
    [
        ("float8_e4m3", ml_dtypes.float8_e4m3fn, 256),
        ("float8_e5m2", ml_dtypes.float8_e5m2, 256),
        ("fp4", ml_dtypes.float4_e2m1fn, 16),
    ],
)
def test_small_floats_are_all_finite_values_of_the_type(name, dtype, codes):
    every = np.arange(codes, dtype=np.uint8).view(dtype).astype(np.float32)
    assert fixed_levels(name).tolist() == np.unique(every[np.isfinite(every)]).tolist()


def test_logarithmic_levels_by_hand():
    assert fixed_levels("log", 3).tolist() == [-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0]
    assert fixed_levels("log", 2).tolist() == [-1.0, 0.0, 1.0]
    five = fixed_levels("log", 5)
    assert five[-2] == pytest.approx(2**-0.5)


@pytest.mark.parametrize("name", ["nf4", "fp4", "float8_e4m3", "float8_e5m2", "log"])
def test_every_table_ascends_through_zero_and_fits_its_bits(name):
    for bits in [FIXED_BITS[name]] if name in FIXED_BITS else range(2, 9):
        levels = fixed_levels(name, bits)
        assert levels.dtype == np.float32
        assert np.all(np.diff(levels) > 0)
        assert 0.0 in levels
        assert len(levels) <= 1 << bits


@pytest.mark.parametrize(("name", "bits"), [("nf5", 4), ("log", 1), ("log", 9)])
def test_unknown_tables_are_refused(name, bits):
    with pytest.raises(ValueError, match="no table"):
        fixed_levels(name, bits)
