"""Weighted operators as linear maps over rows: what they read, row by row, and where they stand.

A row is what one output position meets: the features of a MatMul or Gemm, a patch of a convolution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.graph.channels.groups import ChannelGroup
from lissom.graph.edit import ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.site import Site, sites
from lissom.numerics.windows import Window, patches, picked
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = [
    "Array",
    "Reading",
    "bias_of",
    "columns",
    "flat",
    "read_count",
    "readers_of",
    "readings",
    "rebiased",
    "replaced",
    "rows",
    "unflat",
]

Array: TypeAlias = npt.NDArray[Any]
_OPERATORS = frozenset({"Conv", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A weighted operator that can be seen as y = W x + b over rows.

    Attributes:
        node: its name.
        input: the value that it reads.
        output: the value that it gives.
        window: how its kernel moves; None for matrix products.
        groups: in which inputs and outputs are parted; a row holds those of all, one after another.
    """

    node: str
    input: str
    output: str
    window: Window | None
    groups: int = 1

    def to_json(self) -> dict[str, Json]:
        """Write as JSON, for a child process."""
        w = self.window
        parts = None if w is None else [w.kernel, w.strides, w.dilations, w.pads]
        return {
            "node": self.node,
            "input": self.input,
            "output": self.output,
            "window": parts,
            "groups": self.groups,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Reading":
        """Read what `to_json` wrote."""
        window = None
        if value["window"] is not None:
            kernel, strides, dilations, pads = map(tuple, value["window"])
            window = Window(kernel=kernel, strides=strides, dilations=dilations, pads=pads)
        return cls(
            node=value["node"],
            input=value["input"],
            output=value["output"],
            window=window,
            groups=value["groups"],
        )


def readings(model: Model, *, grouped: bool = False) -> dict[str, tuple[Site, Reading]]:
    """The weighted operators of a model that can be seen so, by node.

    Args:
        model: the model.
        grouped: also convolutions in groups, each of which is an operator of its own.
    """
    return {
        site.node: (
            site,
            Reading(
                node=site.node,
                input=site.input,
                output=site.output,
                window=_window(model, site),
                groups=site.groups,
            ),
        )
        for site in sites(model)
        if site.op_type in _OPERATORS
        and (grouped or site.groups == 1)
        and _is_plain(model, site)
        and _is_own(model, site)
    }


def _is_plain(model: Model, site: Site) -> bool:
    """It computes W x + b with no factors, with x as it stands, and pads that are known."""
    given = model.node(site.node).attributes
    factors = given.get("alpha", 1.0), given.get("beta", 1.0)
    return not given.get("transA") and factors == (1.0, 1.0) and _pads(model, site) is not None


def _is_own(model: Model, site: Site) -> bool:
    """Its input is computed; its weight and bias are float32 and read by nothing else."""
    weights = model.weights
    if site.input in weights or weights[site.weight].dtype != "float32" or 0 in site.shape:
        return False
    if site.bias is None:
        inputs = model.node(site.node).inputs
        added = site.op_type != "MatMul" and len(inputs) > 2 and bool(inputs[2])
        return not added and read_count(model, site.weight) == 1
    alone = read_count(model, site.weight) == read_count(model, site.bias) == 1
    info = weights[site.bias]
    return alone and info.shape == (site.outputs,) and info.dtype == "float32"


def read_count(model: Model, weight: str) -> int:
    """How often a weight is read, by the main graph, by bodies, and as an output."""
    read = sum(node.inputs.count(weight) for node in model.nodes)
    outside = sum(port.name == weight for port in model.outputs)
    return read + outside + (weight in model.captured)


def _window(model: Model, site: Site) -> Window | None:
    if site.op_type != "Conv":
        return None
    attributes: Mapping[str, Any] = model.node(site.node).attributes
    kernel = site.shape[2:]
    ones = (1,) * len(kernel)
    return Window(
        kernel=kernel,
        strides=tuple(attributes.get("strides", ones)),
        dilations=tuple(attributes.get("dilations", ones)),
        pads=_pads(model, site) or (),
    )


def _pads(model: Model, site: Site) -> tuple[int, ...] | None:
    """The zeros around a convolution's input; None if they depend on its size."""
    attributes: Mapping[str, Any] = model.node(site.node).attributes
    kernel = site.shape[2:]
    ones = (1,) * len(kernel)
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic == "NOTSET":
        return tuple(attributes.get("pads", (0,) * (2 * len(kernel))))
    if automatic == "VALID":
        return (0,) * (2 * len(kernel))
    if any(step != 1 for step in attributes.get("strides", ones)):
        return None
    around = [
        dilation * (size - 1)
        for dilation, size in zip(attributes.get("dilations", ones), kernel, strict=True)
    ]
    less, more = tuple(one // 2 for one in around), tuple(one - one // 2 for one in around)
    return (*less, *more) if automatic == "SAME_UPPER" else (*more, *less)


def rows(reading: Reading, x: Array, y: Array | None, *, most: int, seed: int) -> list[Array]:
    """Rows of one run: of what the operator reads, and of the value y beside it.

    Args:
        reading: the operator.
        x: the value that it reads.
        y: a value of the shape of its output; None for the inputs alone.
        most: rows a sample, picked at random; the same ones for the same seed and shape.
        seed: of the choice.

    Returns:
        [rows, inputs], and [rows, outputs] if there is a y.
    """
    if reading.window is None:
        x, y = np.atleast_2d(x), None if y is None else np.atleast_2d(y)
        places = picked(x.shape[:-1], most * max(1, x.shape[0]), seed)
        index = tuple(places.T)
        return [x[index]] if y is None else [x[index], y[index]]
    spatial = _positions(reading.window, x) if y is None else y.shape[2:]
    places = picked(spatial, most, seed)
    found = [patches(x, reading.window, places)]
    if y is not None:
        taken = y[(slice(None), slice(None), *places.T)]
        found.append(np.moveaxis(taken, 2, 1).reshape(-1, y.shape[1]))
    return found


def _positions(window: Window, x: Array) -> tuple[int, ...]:
    rank = len(window.kernel)
    return tuple(
        (x.shape[2 + i] + window.pads[i] + window.pads[i + rank]
         - window.dilations[i] * (window.kernel[i] - 1) - 1) // window.strides[i] + 1
        for i in range(rank)
    )  # fmt: skip


def columns(site: Site, indices: Sequence[Sequence[int]]) -> list[Array]:
    """The columns of a site's flat weight that belong to each unit's input indices."""
    each = int(np.prod(site.shape[2:])) if site.op_type == "Conv" else 1
    return [
        (np.asarray(own)[:, None] * each + np.arange(each)).ravel().astype(np.int64)
        for own in indices
    ]


def flat(model: Model, site: Site) -> Array:
    """The weight as a matrix [outputs, inputs x kernel], float64."""
    canonical = site.canonical(model.weight(site.weight))
    return canonical.reshape(canonical.shape[0], -1).astype(np.float64)


def unflat(site: Site, matrix: Array) -> Array:
    """The inverse of `flat`: as the site stores its weight, float32."""
    kernel = site.shape[2:] if site.op_type == "Conv" else ()
    canonical = matrix.reshape(len(matrix), -1, *kernel)
    return np.ascontiguousarray(site.stored(canonical)).astype(np.float32)


def bias_of(model: Model, site: Site) -> str | None:
    """The vector that is added to what a site gives: its own, or of an Add right behind it."""
    if site.bias is not None:
        return site.bias
    readers = model.consumers.get(site.output, ())
    if site.op_type != "MatMul" or len(readers) != 1:
        return None
    behind = model.node(readers[0])
    if behind.op_type != "Add" or site.output in {port.name for port in model.outputs}:
        return None
    for name in behind.inputs:
        info = model.weights.get(name)
        fits = info is not None and info.shape == (site.outputs,) and info.dtype == "float32"
        if fits and read_count(model, name) == 1:
            return name
    return None


def readers_of(
    group: ChannelGroup, known: Mapping[str, tuple[Site, Reading]]
) -> list[tuple[Site, Reading, list[Array]]]:
    """The operators that read a group as rows, and the columns of each of its units."""
    found = []
    for reader in group.readers:
        if reader.node in known and reader.input == 0:
            site, reading = known[reader.node]
            found.append((site, reading, columns(site, reader.indices)))
    return found


def replaced(
    model: Model, site: Site, weight: Array, bias: Array | None, store: Store
) -> list[ReplaceWeight]:
    """Edits that give a site another flat weight, and the bias of y = W x + b, if there is one.

    Args:
        model: that the site is in.
        site: the operator.
        weight: [outputs, inputs x kernel].
        bias: [outputs]; for a product whose bias is added behind it, what comes on top of that;
            None leaves it as it is.
        store: where the arrays are put.
    """
    edit = ReplaceWeight(weight=site.weight, values=store.put_array(unflat(site, weight)))
    return [edit] if bias is None else [edit, rebiased(model, site, bias, store)]


def rebiased(model: Model, site: Site, bias: Array, store: Store) -> ReplaceWeight:
    """The edit that gives a site the bias of y = W x + b.

    Args:
        model: that the site is in.
        site: the operator.
        bias: [outputs]; for a product whose bias is added behind it, what comes on top of that.
        store: where the array is put.
    """
    name = bias_of(model, site)
    if name is not None and site.bias is None:
        bias = bias + model.weight(name)
    return ReplaceWeight(
        weight=name or f"{site.node}_bias",
        values=store.put_array(bias.astype(np.float32)),
        bias_of=None if name is not None else site.node,
    )
