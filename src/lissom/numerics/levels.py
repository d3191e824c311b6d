"""Fixed tables of levels: what small floating-point formats and other non-linear codes can say.

A table holds the finite values of a format in ascending order; a scale fits it to an array.

    nf4            quantiles of a normal distribution (Dettmers et al., "QLoRA", 2023,
                   arXiv:2305.14314, equation 4 and appendix E)
    fp4            E2M1: 1 sign, 2 exponent and 1 mantissa bit (Open Compute Project, "OCP
                   Microscaling Formats (MX) Specification", 2023, section 5.3.3)
    float8_e4m3    finite values to 448, no infinities (Micikevicius et al., "FP8 Formats for Deep
    float8_e5m2    Learning", 2022, arXiv:2209.05433, table 1); to 57344
    logarithmic    powers of a base (Miyashita, Lee and Murmann, 2016, arXiv:1603.01025, section 3)
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

__all__ = ["FIXED_BITS", "Fixed", "fixed_levels"]

Levels: TypeAlias = npt.NDArray[np.float32]
Fixed = Literal["nf4", "fp4", "float8_e4m3", "float8_e5m2", "log"]
"""The tables that are not learned."""

FIXED_BITS: Final = {"nf4": 4, "fp4": 4, "float8_e4m3": 8, "float8_e5m2": 8}
"""Bits an index of the tables that come in one width only."""
_LOG_BITS = 4  # up to which the base of logarithmic levels is two


def fixed_levels(name: Fixed, bits: int = 8) -> Levels:
    """A table of levels in ascending order; zero is one of them.

    Args:
        name: of the table.
        bits: of an index, 2 to 8; only `log` comes in several widths.

    Raises:
        ValueError: the name is unknown, or the width is none of this table.
    """
    if name not in get_args(Fixed) or not 2 <= bits <= 8:
        raise ValueError(f"no table {name!r} of {bits} bits: use one of {get_args(Fixed)}, 2 to 8")
    if name == "nf4":
        return _normal_float()
    if name == "log":
        return _logarithmic(bits)
    exponents, mantissas, largest = {
        "fp4": (2, 1, 6.0),
        "float8_e4m3": (4, 3, 448.0),
        "float8_e5m2": (5, 2, 57344.0),
    }[name]
    return _floating(exponents, mantissas, largest)


def _normal_float() -> Levels:
    """Eight quantiles below zero and nine from it on, so that zero is exact and none is wasted."""
    # The outermost probabilities are those of 15 and 16 bins: half a bin of each is cut off.
    last = (1 - 1 / 32 + 1 - 1 / 30) / 2
    upper = ndtri(np.linspace(0.5, last, 9))
    lower = -ndtri(np.linspace(0.5, last, 8))
    levels = np.concatenate([lower[:0:-1], upper]) / upper[-1]
    return np.asarray(levels, np.float32)


def _floating(exponent_bits: int, mantissa_bits: int, largest: float) -> Levels:
    """The finite values of a floating-point format, zero once."""
    bias = (1 << (exponent_bits - 1)) - 1
    fractions = np.arange(1 << mantissa_bits) / (1 << mantissa_bits)
    subnormal = fractions * 2.0 ** (1 - bias)
    powers = 2.0 ** (np.arange(1, 1 << exponent_bits) - bias)
    values = np.concatenate([subnormal, (powers[:, None] * (1 + fractions)).ravel()])
    values = values[values <= largest]  # what is above stands for infinity and for no number
    return np.concatenate([-values[:0:-1], values]).astype(np.float32)


def _logarithmic(bits: int) -> Levels:
    """Zero, and the same powers on both sides of it, from 1 downwards.

    The base is 2 up to 4 bits. Each further bit takes its square root, since finer steps then help
    more than ever smaller numbers.
    """
    count = (1 << (bits - 1)) - 1
    powers = 2.0 ** (-np.arange(count) / (1 << max(0, bits - _LOG_BITS)))
    return np.concatenate([-powers, [0.0], powers[::-1]]).astype(np.float32)
