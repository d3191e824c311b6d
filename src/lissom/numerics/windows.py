"""What a convolution reads: rows of patches, at positions picked at random, in any dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Window", "patches", "picked"]

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How a convolution's kernel moves over its input.

    Attributes:
        kernel: sizes, one for each spatial axis.
        strides: steps.
        dilations: distances between the kernel's places.
        pads: zeros before each axis, then behind each.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]


def picked(shape: Sequence[int], most: int, seed: int) -> Array:
    """At most so many positions of a map of this shape, for each of its samples, the same ones.

    Returns:
        Indices, [positions, axes].
    """
    count = int(np.prod(shape))
    flat = np.arange(count)
    if count > most:
        flat = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return np.stack(np.unravel_index(flat, tuple(shape)), axis=1)


def patches(values: Array, window: Window, positions: Array) -> Array:
    """What the kernel meets at some output positions.

    Args:
        values: [samples, channels, *spatial].
        window: how it moves.
        positions: of the output, [positions, spatial axes].

    Returns:
        [samples x positions, channels x kernel], samples first, as a weight [outputs, channels,
        *kernel] is flattened.
    """
    rank = len(window.kernel)
    around = [(window.pads[axis], window.pads[axis + rank]) for axis in range(rank)]
    padded = np.pad(values, [(0, 0), (0, 0), *around])
    index = [
        positions[:, axis, None] * window.strides[axis]
        + np.arange(window.kernel[axis]) * window.dilations[axis]
        for axis in range(rank)
    ]  # [positions, kernel] of each axis
    places: list[Any] = [
        each.reshape(len(positions), *[1] * axis, -1, *[1] * (rank - axis - 1))
        for axis, each in enumerate(index)
    ]
    found = padded[(slice(None), slice(None), *places)]  # [samples, channels, positions, *kernel]
    moved = np.moveaxis(found, 2, 1)
    return moved.reshape(len(values) * len(positions), -1)
