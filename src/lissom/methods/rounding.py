"""Rounding layer by layer: what each layer reads on samples, and what a method makes of it.

A method says how one layer's matrix is rounded; here every layer of a model is brought to it. What
is lost in the mean goes into the bias, where the layer has one or can have one for nothing, so that
the covariance of the inputs, and not their second moment, weighs what is lost. Runs in a child
process, a few layers at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from lissom.errors import MethodError
from lissom.graph.edit import Edit, EncodeWeight, ReplaceWeight, edit_from_json, edit_to_json
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import save
from lissom.graph.site import Site, sites
from lissom.isolate.child import ChildLimits, call, report
from lissom.measure.calibration import Calibration
from lissom.methods.encoding import merged
from lissom.methods.layerwise import Gathered, batches, gather
from lissom.methods.protocol import ALREADY, NO_WEIGHTS, Context, Method, Need, Plan, Skip
from lissom.methods.reading import Array, bias_of, flat, readings, replaced
from lissom.methods.registry import create, id_of, values_of
from lissom.methods.repair import stages_of
from lissom.methods.weights import Form, KernelName, nearest, refusal
from lissom.numerics.moments import Moments, fit
from lissom.numerics.quantized import QuantizedTensor, dequantize, quantize, quantize_weight
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Layer", "LayerError", "Rounded", "Rounder", "plan_rounding", "rounded"]

_LIMITS = ChildLimits(seconds=4 * 3600.0)
_KIND = "quantize.rounding"
_FORMAT = 1
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
    def kernel(self) -> KernelName:
        """For products with matrices, where the runtime has it."""
        ...

    @property
    def accuracy_level(self) -> int:
        """Of that kernel."""
        ...

    @property
    def in_sequence(self) -> bool:
        """Whether each layer reads what the layers rounded before give."""
        ...

    def round(self, layer: Layer) -> QuantizedTensor:
        """The integers of a matrix [outputs, inputs]: channels along axis 0, blocks along 1."""
        ...


def _form(method: Rounder) -> Form:
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
    """

    edits: tuple[Edit, ...]
    errors: Mapping[str, LayerError]


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
    all_sites, known, form = sites(model), readings(model, grouped=True), _form(method)
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
    found = rounded(method, model, packed, context) if packed else Rounded(edits=(), errors={})
    rest = merged([nearest(model, one, context.store, bits=_OTHER_BITS) for one in others])
    edits = [
        form.folded(model, edit, context) if isinstance(edit, EncodeWeight) else edit
        for edit in (*found.edits, *rest)
    ]
    return Plan(
        method=name,
        edits=tuple(edits),
        skips=tuple(skips),
        summary=f"{len(packed)} of {len(all_sites)} weights in {method.bits} bits, "
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
    inputs: dict[str, Json] = {
        "format": _FORMAT,
        "model": model.fingerprint,
        "calibration": None if calibration is None else calibration.identity(),
        "packed": dict(packed),
        "method": id_of(method),
        "settings": values_of(method),
    }

    def compute() -> Json:
        with store.scratch() as folder:
            path = (folder / "model.onnx").resolve()
            save(model, path, metadata={})
            arguments = {
                "path": str(path),
                "packed": dict(packed),
                "method": id_of(method),
                "settings": values_of(method),
                "calibration": None if calibration is None else calibration.to_json(),
                "store": str(store.root),
            }
            return call(
                "lissom.methods.rounding:round_all",
                arguments,
                limits=_LIMITS,
                on_report=lambda done: context.progress(f"rounded {done} of {len(packed)} layers"),
            )

    found = store.remember(_KIND, inputs, compute)
    return Rounded(
        edits=tuple(edit_from_json(one) for one in found["edits"]),
        errors={node: LayerError(**one) for node, one in found["errors"].items()},
    )


def round_all(
    *,
    path: str,
    packed: Mapping[str, bool],
    method: str,
    settings: Mapping[str, Json],
    calibration: Mapping[str, Json] | None,
    store: str,
) -> Json:
    """Child entry: round operator by operator; answers edits and what each lost."""
    held = None if calibration is None else Calibration.from_json(calibration)
    work = _Work(
        create(method, settings),  # type: ignore[arg-type]  # the id is of a Rounder
        open_trusted(Path(path)),
        Store(Path(store)) if held is None else held.samples.store,
    )
    known = readings(work.original, grouped=True)
    stages = stages_of(work.original, list(packed)) if work.method.in_sequence else [list(packed)]
    numbers = {node: known[node][0].groups * _inputs(known[node][0]) ** 2 * 2 for node in packed}
    edits: list[Edit] = []
    for batch in batches(stages, numbers):
        wanted = [known[node][1] for node in batch]
        folder = Path(path).parent
        seen = {} if held is None else gather(work.original, work.now, wanted, held, folder)
        later: list[ReplaceWeight] = []
        for node in batch:
            own, floats = work.one(known[node][0], seen.pop(node, None), packed=packed[node])
            edits += own
            later += floats
            report(len(work.errors))
        if work.method.in_sequence:
            work.now = perform(work.now, later, work.store)
    return {"edits": [edit_to_json(one) for one in edits], "errors": work.errors}


def _inputs(site: Site) -> int:
    return int(np.prod(site.shape)) // max(site.outputs, 1)


class _Work:
    """The models, the method, and what came of it so far."""

    def __init__(self, method: Rounder, original: Model, store: Store) -> None:
        self.method = method
        self.original = self.now = original
        self.store = store
        self.errors: dict[str, Json] = {}

    def one(
        self, site: Site, seen: Gathered | None, *, packed: bool
    ) -> tuple[list[Edit], list[ReplaceWeight]]:
        """Round an operator: the edits, and the float weights that say the same."""
        weight, form = flat(self.original, site), _form(self.method)
        centred = seen is not None and _takes_bias(self.original, site)
        block_size = form.block_size if packed else form.blocks_of(site)
        found: list[QuantizedTensor] = []
        bias, tally = np.zeros((site.groups, site.outputs // site.groups)), _Tally()
        for group, part in enumerate(np.split(weight, site.groups)):
            parts = None if seen is None else (seen[0][group], seen[1][group])
            if parts is not None and not centred:
                parts = _about_zero(parts[0]), _about_zero(parts[1])
            integers = self.method.round(self._layer(part, parts, block_size))
            every = None if parts is None else parts[0].joined(parts[1])
            after = tally.add(part, integers, every)
            found.append(integers)
            if every is not None:
                bias[group] = _bias(every, after)
        rows = _joined(found)
        self.errors[site.node] = tally.shares()
        floats = replaced(self.original, site, dequantize(rows), bias.ravel(), self.store)
        floats = floats if centred else floats[:1]
        edit = form.edit(site, rows, self.store, packed=packed)
        return [edit, *floats[1:]], floats

    def _layer(
        self, weight: Array, parts: tuple[Moments, Moments] | None, block_size: int | None
    ) -> Layer:
        """What is to be rounded: in sequence, what fits the inputs as they are now best."""
        if parts is None:
            return Layer(weight=weight, hessian=None, block_size=block_size)
        if self.now is not self.original:
            weight = fit(parts[0], weight, parts[1] if parts[1].rows else None).weight
        hessian = parts[0].joined(parts[1]).covariance
        return Layer(weight=weight, hessian=hessian, block_size=block_size)


class _Tally:
    """What was lost, summed over the groups of an operator."""

    def __init__(self) -> None:
        self._outputs, self._weights = np.zeros(2), np.zeros(2)
        self._variance = self._squares = 0.0
        self._seen = False

    def add(self, before: Array, integers: QuantizedTensor, seen: Moments | None) -> Array:
        """Count one matrix; answers what its integers stand for."""
        plain = quantize_weight(
            before,
            bits=integers.bits,
            axis=integers.axis,
            block_size=integers.block_size,
            symmetric=integers.zero_point is None,
        )
        same = quantize(
            before,
            integers.scale,
            integers.zero_point,
            bits=integers.bits,
            signed=integers.signed,
            axis=integers.axis,
            block_size=integers.block_size,
        )
        after, *others = (dequantize(one).astype(np.float64) for one in (integers, plain, same))
        made = after, others[0]
        self._weights += [((one - before) ** 2).sum() for one in (after, others[1])]
        self._squares += float((before**2).sum())
        if seen is not None:
            self._seen = True
            self._outputs += [seen.error(one, _bias(seen, one)) for one in made]
            self._variance += seen.variance
        return after

    def shares(self) -> dict[str, Json]:
        """The fields of a `LayerError`."""
        weights = self._weights / (self._squares or 1.0)
        outputs = (self._outputs / (self._variance or 1.0)).tolist()
        return {
            "output": outputs[0] if self._seen else None,
            "output_nearest": outputs[1] if self._seen else None,
            "weight": float(weights[0]),
            "weight_nearest": float(weights[1]),
        }


def _bias(seen: Moments, weight: Array) -> Array:
    """The bias with which a matrix gives the mean that it should; zero about zero."""
    return np.asarray((seen.y - weight @ seen.x) / max(seen.rows, 1))


def _about_zero(moments: Moments) -> Moments:
    """Without the means: for a layer that has no bias to take them."""
    return replace(moments, x=np.zeros_like(moments.x), y=np.zeros_like(moments.y))


def _takes_bias(model: Model, site: Site) -> bool:
    """Whether a bias costs nothing: a product has none but what is added behind it anyway."""
    return site.op_type != "MatMul" or bias_of(model, site) is not None


def _joined(parts: Sequence[QuantizedTensor]) -> QuantizedTensor:
    """Rows of all groups, one after another."""
    if len(parts) == 1:
        return parts[0]
    points = [one.zero_point for one in parts if one.zero_point is not None]
    return replace(
        parts[0],
        values=np.concatenate([one.values for one in parts]),
        scale=np.concatenate([one.scale for one in parts]),
        zero_point=np.concatenate(points) if points else None,
    )
