"""Rounding layer by layer: a method says how one layer's matrix is rounded, here all come to it.

It is done by `lissom.methods.layer_rounding`, in a child process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lissom.errors import MethodError
from lissom.graph.edit import Edit, EncodeWeight, edit_from_json
from lissom.graph.model import Model
from lissom.graph.site import Site, sites
from lissom.methods.encoding import merged
from lissom.methods.errand import Errand
from lissom.methods.protocol import (
    ALREADY,
    NO_WEIGHTS,
    Context,
    Method,
    Need,
    Plan,
    Skip,
)
from lissom.methods.reading import Array, readings
from lissom.methods.reconstruction import sums_within
from lissom.methods.registry import id_of, values_of
from lissom.methods.weights import Form, KernelName, Reconstruction, nearest, refusal
from lissom.numerics.quantized import QuantizedTensor
from lissom.store.hashing import Json

__all__ = [
    "Layer",
    "LayerError",
    "Rounded",
    "Rounder",
    "Selection",
    "form_of",
    "plan_rounding",
    "rounded",
    "selected",
]

_ERRAND = Errand(
    entry="lissom.methods.layer_rounding:round_all",
    kind="quantize.rounding",
    format=4,
    seconds=4 * 3600.0,
)
_OTHER_BITS = 8  # of weights that no rows are known of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One matrix to be rounded.

    Attributes:
        weight: W [outputs, inputs], float64.
        hessian: H [inputs, inputs] of the loss tr((W' - W) H (W' - W)^T): of what the layer reads
            on samples, the covariance, or the second moment where no bias takes the mean; None
            without samples.
        block_size: inputs that share a scale; None: the whole channel.
    """

    weight: Array
    hessian: Array | None
    block_size: int | None

    def known(self) -> Array:
        """The quadratic form of the loss, of a method that needs samples."""
        if self.hessian is None:
            raise MethodError("what the layer reads is not known")
        return self.hessian


class Rounder(Method, Protocol):
    """A method that rounds one matrix at a time."""

    @property
    def bits(self) -> int:
        """Of each weight."""
        ...

    @property
    def block_size(self) -> int | None:
        """Inputs that share a scale, for matrices; None: the whole channel."""
        ...

    @property
    def symmetric(self) -> bool:
        """Whether zero points are zero."""
        ...

    @property
    def kernel(self) -> KernelName:
        """For products with matrices, where the runtime has it."""
        ...

    @property
    def accuracy_level(self) -> int:
        """Of that kernel."""
        ...

    @property
    def reconstruction(self) -> Reconstruction:
        """What each layer reads, and what it is fitted towards."""
        ...

    def round(self, layer: Layer) -> QuantizedTensor:
        """The integers of a matrix [outputs, inputs]: channels along axis 0, blocks along 1."""
        ...


def form_of(method: Rounder) -> Form:
    """How a method's weights are written."""
    return Form(
        bits=method.bits,
        block_size=method.block_size,
        kernel=method.kernel,
        accuracy_level=method.accuracy_level,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """What rounding one operator lost, beside what rounding it to nearest loses.

    Attributes:
        output: the mean squared error of its outputs, as a share of their variance; None where no
            samples were run.
        output_nearest: the same for the nearest integers on the full range, bias corrected, too.
        weight: the squared error of its weights, as a share of their squares.
        weight_nearest: the same for the nearest integers with these very scales.
    """

    output: float | None
    output_nearest: float | None
    weight: float
    weight_nearest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounded:
    """Edits that round operators.

    Attributes:
        edits: weights as integers, and biases.
        errors: by operator.
        unseen: operators that were rounded to nearest, since nothing could be seen of them on the
            samples, and why.
    """

    edits: tuple[Edit, ...]
    errors: Mapping[str, LayerError]
    unseen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which operators of a model a method rounds, and how.

    Attributes:
        packed: those that can be seen as matrices, by name, and whether the kernel multiplies
            their weights packed.
        others: whose weights are rounded to nearest in 8 bits.
        skips: what is left alone.
    """

    packed: Mapping[str, bool]
    others: tuple[Site, ...]
    skips: tuple[Skip, ...]


def selected(method: Rounder, model: Model, context: Context) -> Selection:
    """Decide what becomes of each weighted operator."""
    all_sites, known, form = sites(model), readings(model, grouped=True), form_of(method)
    skips = [] if all_sites else [Skip(target="model", reason=NO_WEIGHTS)]
    obstacle = form.obstacle(model) if all_sites else None
    packed: dict[str, bool] = {}
    others: list[Site] = []
    for site in all_sites:
        reason = refusal(model, site, context)
        packs = form.packs(model, site, context)
        if reason is None and site.node in known and obstacle is not None and not packs:
            reason = obstacle
        if reason is not None:
            skips.append(Skip(target=site.name, reason=reason))
        elif site.node in known:
            packed[site.node] = packs
        else:
            others.append(site)
    return Selection(packed=packed, others=tuple(others), skips=tuple(skips))


def plan_rounding(method: Rounder, model: Model, context: Context) -> Plan:
    """Round every operator that can be seen as a matrix, and all others to nearest in 8 bits.

    Raises:
        MethodError: samples are needed, and there are none.
    """
    name = id_of(method)
    if context.original.already_quantized:
        skip = Skip(target="model", reason=ALREADY)
        return Plan(method=name, edits=(), skips=(skip,), summary="nothing could be quantized")
    if Need.ROWS in method.needs and context.calibration is None:
        raise MethodError("calibration samples are needed, and none were given")
    chosen, form = selected(method, model, context), form_of(method)
    packed, others = chosen.packed, chosen.others
    found = rounded(method, model, packed, context) if packed else Rounded(edits=(), errors={})
    rest = merged([nearest(model, one, context.store, bits=_OTHER_BITS) for one in others])
    edits = [
        form.folded(model, edit, context) if isinstance(edit, EncodeWeight) else edit
        for edit in (*found.edits, *rest)
    ]
    count = len(packed) + len(others) + sum(skip.target != "model" for skip in chosen.skips)
    odd = [
        Skip(target=node, reason=f"{reason}; it was rounded to nearest")
        for node, reason in found.unseen.items()
    ]
    return Plan(
        method=name,
        edits=tuple(edits),
        skips=(*chosen.skips, *odd),
        summary=f"{len(packed)} of {count} weights in {method.bits} bits, "
        f"{sum(packed.values())} multiplied packed; {len(others)} in {_OTHER_BITS} bits",
    )


def rounded(method: Rounder, model: Model, packed: Mapping[str, bool], context: Context) -> Rounded:
    """Round some operators.

    Args:
        method: rounds one matrix.
        model: the model.
        packed: the operators by name, and whether the kernel multiplies their weights packed.
        context: its samples, store and progress.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    store = context.store
    calibration = context.calibration if Need.ROWS in method.needs else None

    def beside() -> dict[str, Json]:
        sums = sums_within(model, list(packed), method.reconstruction, context)
        return {"sums": sums, "store": str(store.root)}

    found = _ERRAND.run(
        {"path": model},
        calibration,
        store,
        {"packed": dict(packed), "method": id_of(method), "settings": values_of(method)},
        beside=beside,
        told=lambda done: context.progress(f"rounded {done} of {len(packed)} layers"),
    )
    return Rounded(
        edits=tuple(edit_from_json(one) for one in found["edits"]),
        errors={node: LayerError(**one) for node, one in found["errors"].items()},
        unseen=found["unseen"],
    )
