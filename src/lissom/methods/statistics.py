"""What least squares does not reach after a removal: biases and normalizations, channel by channel.

Convolutions with groups, transposed ones, those that share a weight or have factors, and
normalizations with their own scale and bias. Whatever they compute, what they give can be scaled
and shifted by channel: so that each channel's mean and variance are the original's. It is done
where that lowers the error on held-out samples, and else nothing is changed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lissom.graph.edit import RemoveChannels, ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.site import Site, sites
from lissom.measure.calibration import Calibration
from lissom.methods.gathering import is_held_out
from lissom.methods.naming import naming
from lissom.methods.passes import Spool, runs
from lissom.methods.reading import Array, bias_of, read_count, readings
from lissom.numerics.channelwise import Channels, matched
from lissom.numerics.windows import picked
from lissom.store.store import Store

__all__ = [
    "Adjustable",
    "Runs",
    "adjust",
    "adjustables",
    "adjusted",
    "channel_rows",
    "keep_targets",
    "kept_channels",
    "touched",
]

Runs: TypeAlias = Callable[[Iterable[str]], Iterable[tuple[int, Mapping[str, Array]]]]
"""Answers every run's number, and some values of it."""

ROWS = 32
# What InstanceNormalization gives has the mean and variance of its own bias and scale already.
_NORMS = frozenset({"BatchNormalization", "GroupNormalization", "LayerNormalization"})
_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustable:
    """An operator whose output can be scaled or shifted by channel.

    Attributes:
        node: its name.
        output: the value that it gives.
        axis: the output's channel axis: 1, or -1.
        scale: the weight whose channels scale the output; None if only its bias is its own.
        bias: the bias; None where one can be added.
        site: of a product.
    """

    node: str
    output: str
    axis: int
    scale: str | None
    bias: str | None
    site: Site | None


def adjustables(model: Model) -> dict[str, Adjustable]:
    """The operators of a model that least squares does not reach but this does, by node."""
    fitted = readings(model)
    found = {}
    for site in sites(model):
        if site.op_type in _PRODUCTS and site.node not in fitted:
            one = _product(model, site)
            if one is not None:
                found[site.node] = one
    for node in model.nodes:
        if node.op_type in _NORMS and not node.domain and len(node.inputs) > 2:
            scale, bias = node.inputs[1], node.inputs[2]
            last = node.op_type == "LayerNormalization"
            whole = node.attributes.get("axis", -1) == -1 or not last
            one_rank = _is_own(model, scale, 1) and _is_own(model, bias, 1)
            if whole and one_rank and model.weights[scale].shape == model.weights[bias].shape:
                found[node.name] = Adjustable(
                    node=node.name,
                    output=node.outputs[0],
                    axis=-1 if last else 1,
                    scale=scale,
                    bias=bias,
                    site=None,
                )
    return found


def _product(model: Model, site: Site) -> Adjustable | None:
    """A product with a bias of its own, or that can be given one."""
    node = model.node(site.node)
    if site.op_type == "ConvTranspose" and site.groups > 1:
        return None  # its weight does not say which of all outputs are left
    bias = bias_of(model, site)
    if bias is None and (site.op_type == "MatMul" or (len(node.inputs) > 2 and node.inputs[2])):
        return None  # what is added behind a product may be read there, or be no weight
    if bias is not None and not _is_own(model, bias, 1):
        return None
    if node.attributes.get("beta", 1.0) != 1.0 or model.weights[site.weight].dtype != "float32":
        return None
    return Adjustable(
        node=site.node,
        output=site.output,
        axis=1 if site.op_type in {"Conv", "ConvTranspose"} else -1,
        scale=site.weight if _is_own(model, site.weight) and site.bias == bias else None,
        bias=bias,
        site=site,
    )


def _is_own(model: Model, weight: str, rank: int | None = None) -> bool:
    """A float32 weight that nothing else reads."""
    info = model.weights.get(weight)
    if info is None or info.dtype != "float32" or read_count(model, weight) != 1:
        return False
    return rank is None or len(info.shape) == rank


def touched(model: Model, removal: RemoveChannels) -> list[str]:
    """Nodes of the main graph that give something else after a removal, in their order.

    That is what reads fewer channels than before, and whatever reads what that gives. What only
    gives fewer channels gives the same ones.
    """
    cut = {(one.weight, one.axis) for one in removal.cuts}
    fewer = {site.node for site in sites(model) if (site.weight, site.in_axis) in cut}
    values: set[str] = set()
    found = []
    for node in model.nodes:
        if node.name in fewer or not values.isdisjoint((*node.inputs, *node.captured)):
            values.update(node.outputs)
            found.append(node.name)
    return found


def kept_channels(model: Model, removal: RemoveChannels, one: Adjustable) -> list[int] | None:
    """Which of an operator's output channels are left; None for all of them."""
    weight, axis = one.scale or one.bias, 0
    if one.site is not None:
        weight, axis = one.site.weight, one.site.out_axis
    for cut in removal.cuts:
        if (cut.weight, cut.axis) == (weight, axis):
            stays = np.ones(model.weights[cut.weight].shape[axis], bool)
            for start, end in cut.removed:
                stays[start:end] = False
            return [int(each) for each in np.flatnonzero(stays)]
    return None


def channel_rows(value: Array, axis: int, *, seed: int) -> Array:
    """Some positions of a value as rows [rows, channels]; the same ones for the same seed.

    Args:
        value: [samples, channels, *spatial] for axis 1, [..., channels] for axis -1.
        axis: of the channels.
        seed: of the choice.
    """
    moved = np.moveaxis(np.atleast_2d(value), axis, -1)
    places = picked(moved.shape[:-1], ROWS * moved.shape[0], seed)
    return np.asarray(moved[tuple(places.T)])


def keep_targets(
    original: Model,
    nodes: Mapping[str, tuple[Adjustable, Sequence[int] | None]],
    targets: Spool,
    calibration: Calibration,
    folder: Path,
) -> None:
    """Write what the original's operators give, of the channels that will be left."""
    values = [one.output for one, _ in nodes.values()]
    for number, given in runs(original, values, calibration, folder):
        for node, (one, kept) in nodes.items():
            rows = channel_rows(given[one.output], one.axis, seed=number)
            rows = rows.astype(np.float32)
            targets.append(node, rows if kept is None else rows[:, kept])


def adjust(
    model: Model,
    nodes: Sequence[str],
    targets: Spool,
    passing: Runs,
    store: Store,
) -> tuple[list[ReplaceWeight], dict[str, float]]:
    """Set operators right that give something else than the original's.

    Args:
        model: the reduced network as it is now.
        nodes: operators, of which none reads what another gives.
        targets: what `channel_rows` gave of the original's, of the channels that are left.
        passing: every run's number and these values of the network, when called with them.
        store: of weights.

    Returns:
        Edits of those whose held-out error falls; and what is left of each error, as a share of
        the original's variance.
    """
    known = adjustables(model)
    own = {node: known[node] for node in nodes if node in known}
    sums: dict[str, tuple[Channels, Channels]] = {}
    for number, given in passing([one.output for one in own.values()]):
        for node, one in own.items():
            now = channel_rows(given[one.output], one.axis, seed=number)
            if node not in sums:
                sums[node] = Channels.empty(now.shape[1]), Channels.empty(now.shape[1])
            wanted = targets.read(node, number)
            finite = np.isfinite(now).all(axis=1) & np.isfinite(wanted).all(axis=1)
            sums[node][is_held_out(number)].add(now[finite], wanted[finite])
    edits: list[ReplaceWeight] = []
    errors = {}
    for node, (seen, held_out) in sums.items():
        one, channels = own[node], len(seen.x)
        with naming(node):
            pair = matched(seen, held_out, scales=one.scale is not None)
        scale, shift = pair if pair is not None else (np.ones(channels), np.zeros(channels))
        if pair is not None:
            edits += adjusted(model, one, scale, shift, store)
        errors[node] = seen.error(scale, shift) / (float(seen.spreads()[1].sum()) or 1.0)
    return edits, errors


def adjusted(
    model: Model, one: Adjustable, scale: Array, shift: Array, store: Store
) -> list[ReplaceWeight]:
    """Edits after which an operator gives scale times what it gave, plus shift [channels]."""
    edits = []
    if one.scale is not None:
        stored = np.asarray(model.weight(one.scale), np.float64)
        if one.site is None:
            stored = stored * scale
        else:
            rows = one.site.canonical(stored)
            stored = one.site.stored(rows * scale.reshape(-1, *[1] * (rows.ndim - 1)))
        values = np.ascontiguousarray(stored).astype(np.float32)
        edits.append(ReplaceWeight(weight=one.scale, values=store.put_array(values)))
    bias = shift
    if one.bias is not None:
        factor = scale if one.scale is not None else 1.0
        bias = shift + factor * np.asarray(model.weight(one.bias), np.float64)
    edits.append(
        ReplaceWeight(
            weight=one.bias or f"{one.node}_bias",
            values=store.put_array(bias.astype(np.float32)),
            bias_of=None if one.bias is not None else one.node,
        )
    )
    return edits
