"""A weight as a codebook that keeps what its operator gives, not only the weight itself.

Steps on a matrix W [outputs, inputs] whose inputs have the second moment (or covariance) H: a table
and scales are found with the squared errors of a column weighted by [H]_jj; the columns are rounded
in turn, each making good what the earlier ones lost; then, in turns, the table and the scales are
solved for with the indices held, and the indices are improved one column at a time with the table
held. Without H the first step is all, each weight to its nearest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

from lissom.numerics.codebook import (
    CodebookTensor,
    absmax_scale,
    dequantize,
    encode,
    learn,
    rounded_to_half,
    searched_scale,
)
from lissom.numerics.descent import descend
from lissom.numerics.gptq import Factored, Nearest, gptq
from lissom.numerics.kmeans import kmeans
from lissom.numerics.levels import FIXED_BITS, Fixed, fixed_levels
from lissom.numerics.quantized import Granularity, expand
from lissom.numerics.refit import refit

__all__ = ["Scheme", "Table", "code", "output_error"]

Array: TypeAlias = npt.NDArray[Any]
Table = Literal["kmeans", "nf4", "fp4", "float8_e4m3", "float8_e5m2", "log"]

_DAMPINGS = (1e-2, 1e-1, 1.0)
_TABLE_SHARE = 0.5  # of the indices' bits that tables of single channels may take
_HALF_BITS = 16
_TRIED = 64  # outputs, at least, that choose the damping
_MOST_POINTS = 1 << 18  # numbers, at least, that choose a table which all share
_TURNS = 2  # of tables and indices
_PASSES = 4  # over all columns, in each turn


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How a weight is coded.

    Attributes:
        table: `kmeans` learns it.
        bits: of an index, for `kmeans` and `log`; the other tables have their own.
        granularity: what shares a table (kmeans) or a scale (the others). Channels too short to be
            worth tables of their own share one, each with a scale; so do blocks.
        block_size: inputs of a block.
    """

    table: Table = "kmeans"
    bits: int = 4
    granularity: Granularity = "block"
    block_size: int = 32

    @property
    def width(self) -> int:
        """Bits of an index."""
        return FIXED_BITS.get(self.table, self.bits)


def code(
    weight: Array,
    scheme: Scheme,
    hessian: Array | None = None,
    parts: tuple[Array, Array] | None = None,
) -> CodebookTensor:
    """Code a matrix.

    Args:
        weight: W [outputs, inputs], finite.
        scheme: the table and what shares it.
        hessian: H [inputs, inputs]; None codes the weight for its own sake.
        parts: H of some rows, and of others which choose the damping; None takes the middle one.

    Returns:
        The matrix as indices; axis 0 for channels, 1 for blocks.
    """
    weight = np.asarray(weight, np.float64)
    if hessian is None or not _says_something(hessian):
        return _nearest(weight, scheme, None)
    importance = np.broadcast_to(np.maximum(np.diag(hessian), 0.0), weight.shape)
    start = _nearest(weight, scheme, importance)
    damping = _DAMPINGS[1]
    if parts is not None and all(map(_says_something, parts)):
        damping = _damping(weight, start, *parts)
    return _fitted(weight, start, scheme, hessian, damping)


def _damping(weight: Array, start: CodebookTensor, fitting: Array, held_out: Array) -> float:
    """The damping with which feedback helps most on rows that it did not see.

    Some outputs tell: each is rounded on its own.
    """
    every = max(1, len(weight) // _TRIED)
    rows, nearest = weight[::every], _rounding(start, every)
    errors = [
        output_error(rows, gptq(rows, Factored.of(fitting, damping=each), nearest), held_out)
        for each in _DAMPINGS
    ]
    return _DAMPINGS[int(np.argmin(errors))]


def _says_something(hessian: Array) -> bool:
    return bool(np.any(np.diag(hessian) > 0))


def output_error(weight: Array, coded: Array, hessian: Array) -> float:
    """The squared error of all outputs together: tr((V - W) H (V - W)^T)."""
    off = coded - weight
    return float(((off @ hessian) * off).sum())


def _nearest(weight: Array, scheme: Scheme, importance: Array | None) -> CodebookTensor:
    """Each weight at its nearest level, after the table or the scales were found."""
    bits, blocks = scheme.width, scheme.block_size if scheme.granularity == "block" else None
    axis = {"tensor": None, "channel": 0, "block": 1}[scheme.granularity]
    if scheme.table != "kmeans":
        name: Fixed = scheme.table
        table = fixed_levels(name, bits)
        scale = searched_scale(weight, table, axis=axis, block_size=blocks, importance=importance)
        scale = _half_scale(scale)
        return encode(weight, table, bits=bits, scale=scale, axis=axis, block_size=blocks)
    if axis is None or (axis == 0 and _own_tables(weight.shape, bits)):
        found = learn(weight, bits=bits, axis=axis, importance=importance)
        return encode(weight, rounded_to_half(found.table), bits=bits, axis=axis)
    if axis == 0:
        # The root mean square: less moved by single weights than the largest is.
        mean = np.sqrt((weight * weight).mean(axis=1)) if weight.size else np.zeros(len(weight))
        scale = np.where(mean > 0, mean, 1.0)
    else:
        scale = absmax_scale(weight, np.ones(1), axis=axis, block_size=blocks)
    scale = _half_scale(scale)
    wide = np.broadcast_to(expand(scale, weight.shape, axis, blocks), weight.shape)
    counts = wide * wide if importance is None else wide * wide * importance
    every = max(1, weight.size // _MOST_POINTS) | 1  # odd: passes over no column of a matrix
    ratios, counts = (one.reshape(1, -1)[:, ::every] for one in (weight / wide, counts))
    table = kmeans(ratios, 1 << bits, counts)[0]
    table = rounded_to_half(table.astype(np.float32))
    return encode(weight, table, bits=bits, scale=scale, axis=axis, block_size=blocks)


def _own_tables(shape: tuple[int, ...], bits: int) -> bool:
    """Whether channels are long enough for tables of their own."""
    return _HALF_BITS * (1 << bits) <= _TABLE_SHARE * bits * shape[1]


def _half_scale(scale: Array) -> npt.NDArray[np.float32]:
    return rounded_to_half(np.asarray(scale, np.float32)[..., None])[..., 0]


def _fitted(
    weight: Array, start: CodebookTensor, scheme: Scheme, hessian: Array, damping: float
) -> CodebookTensor:
    """Round with feedback; then solve for table and scales, and improve the indices, in turns."""
    damped = hessian + damping * float(np.diag(hessian).mean()) * np.eye(len(hessian))
    factored = Factored.of(hessian, damping=damping)
    chosen = _with_values(start, gptq(weight, factored, _rounding(start)))
    least = output_error(weight, dequantize(chosen), damped)
    solving = (_with_levels, _with_scales) if scheme.table == "kmeans" else (_with_scales,)
    for step in (*solving, *(_TURNS * (_with_indices, *solving))):
        found = step(weight, chosen, damped)
        error = output_error(weight, dequantize(found), damped)
        if error < least:
            chosen, least = found, error
    return chosen


def _with_values(coded: CodebookTensor, values: Array) -> CodebookTensor:
    """The same table and scales with the indices nearest to some values."""
    return encode(
        values,
        coded.table,
        bits=coded.bits,
        scale=coded.scale,
        axis=coded.axis,
        block_size=coded.block_size,
    )


def _with_indices(weight: Array, coded: CodebookTensor, hessian: Array) -> CodebookTensor:
    """The same table and scales with better indices."""
    start = dequantize(coded)
    return _with_values(coded, descend(weight, start, hessian, _rounding(coded), passes=_PASSES))


def _rounding(coded: CodebookTensor, every: int = 1) -> Nearest:
    """The nearest values of a column, of every so many-th output."""
    outputs, levels = len(coded.indices), coded.table.shape[-1]
    table = np.broadcast_to(coded.table, (outputs, levels))[::every].astype(np.float64)
    middles, rows = (table[:, 1:] + table[:, :-1]) / 2, np.arange(len(table))
    scales = _scales(coded)[::every]

    def nearest(values: Array, column: int) -> Array:
        scale = scales[:, column]
        index = (values[:, None] / scale[:, None] > middles).sum(axis=1)
        return np.asarray(table[rows, index] * scale)

    return nearest


def _scales(coded: CodebookTensor) -> Array:
    """The scale of each weight."""
    shape = coded.indices.shape
    if coded.scale is None:
        return np.ones(shape)
    wide = expand(coded.scale, shape, coded.axis, coded.block_size)
    return np.broadcast_to(wide, shape).astype(np.float64)


def _with_levels(weight: Array, coded: CodebookTensor, hessian: Array) -> CodebookTensor:
    """The same indices with other levels."""
    groups = coded.indices.astype(np.int64)
    start = coded.table.astype(np.float64)
    levels = refit(hessian, weight, groups, _scales(coded), start).astype(np.float32)
    if not np.all(np.isfinite(levels)):
        return coded
    levels = rounded_to_half(levels)
    order = np.argsort(levels, axis=-1, kind="stable")
    places = np.argsort(order, axis=-1, kind="stable").astype(np.uint8)
    own = levels.ndim == 2
    indices = np.take_along_axis(places, groups, axis=1) if own else places[groups]
    table = np.take_along_axis(levels, order, axis=-1)
    return replace(coded, indices=indices, table=table)


def _with_scales(weight: Array, coded: CodebookTensor, hessian: Array) -> CodebookTensor:
    """The same indices with other scales, where those are positive."""
    if coded.scale is None:
        return coded
    outputs, inputs = weight.shape
    groups = np.zeros((outputs, inputs), np.int64)
    if coded.block_size is not None:
        groups += np.arange(inputs) // coded.block_size
    start = coded.scale.reshape(1) if coded.axis is None else coded.scale.reshape(outputs, -1)
    factors = coded.table[coded.indices].astype(np.float64)
    found = refit(hessian, weight, groups, factors, start.astype(np.float64))
    scale = np.where(found > 0, found, start).astype(np.float32).reshape(coded.scale.shape)
    sound = np.isfinite(scale) & (scale > 0)
    return replace(coded, scale=_half_scale(np.where(sound, scale, coded.scale)))
