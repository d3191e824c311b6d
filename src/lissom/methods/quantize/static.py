"""Weights and activations as 8-bit integers, with ranges found beforehand on samples.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic- Only Inference", CVPR 2018, arXiv:1712.05877, sec. 2; ranges as compared in
Nagel et al., "A White Paper on Neural Network Quantization", 2021, arXiv:2106.08295, sec. 3.1;
entropy: Migacz, "8-bit Inference with TensorRT", GTC 2017.
Differs: a value is rounded only where the runtime has an integer kernel that reads it; ranges come
from a streamed histogram of 2048 bins, from averages over runs (average), or from rows that the
layers behind read (output); weights are per output channel, symmetric unless asked.
Needs: ranges of activations on calibration samples (a few hundred are enough).
Cost: some runs of the model on the samples; the arithmetic is O(parameters).
Choose it when: the model is convolutional, or its inputs always have a similar range; for large
matrix products on text see quantize.dynamic.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.errors import MethodError
from lissom.graph.edit import Edit, EncodeWeight, QuantizeActivation
from lissom.graph.model import Model
from lissom.graph.site import Site
from lissom.measure.evidence import Evidence
from lissom.methods.encoding import encode, layer_integers, merged
from lissom.methods.output_ranges import by_output
from lissom.methods.placement import Options, Placement, Rounded, Unit, clip_limits, place, units
from lissom.methods.protocol import ALREADY, NO_WEIGHTS, SETTINGS, Context, Need, Plan, Skip
from lissom.numerics.histogram import Histogram
from lissom.numerics.quantized import quantize_weight, scale_zero_point
from lissom.numerics.ranges import Range, entropy, minmax, mse, percentile
from lissom.numerics.smoothed import Smoothed
from lissom.store.store import Store

__all__ = ["Static"]

_ID = "quantize.static"
_BITS = 8
_SMALLEST, _LARGEST = 1e-20, 1e15  # beyond, products of scales leave float32's range


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Static:
    """Static 8-bit quantization; see the module."""

    ranges: Annotated[
        Literal["minmax", "percentile", "mse", "entropy", "average", "output"],
        Field(
            description="How the range of an activation is chosen from what was seen of it: all of "
            "it, all but the rarest, the least squared error, the least divergence, the usual ends "
            "of a run, or the least error at the outputs of the layers that read it.",
            json_schema_extra={
                "search": ["minmax", "mse", "percentile", "entropy", "average", "output"]
            },
        ),
    ] = "minmax"
    percentile: Annotated[
        float,
        Field(
            ge=50.0,
            le=100.0,
            description="For ranges=percentile: how much of the values each end keeps, in percent.",
            json_schema_extra={"search": [99.9, 99.99, 99.999]},
        ),
    ] = 99.99
    operators: Annotated[
        Literal["all", "heavy"],
        Field(
            description="Every operator with an integer kernel, or convolutions and products only.",
            json_schema_extra={"search": ["all", "heavy"]},
        ),
    ] = "all"
    attention: Annotated[
        Literal["float", "integer"],
        Field(
            description="Products of two computed values (attention): kept float, or integer.",
            json_schema_extra={"search": ["float", "integer"]},
        ),
    ] = "float"

    depthwise: Annotated[
        Literal["integer", "float"],
        Field(
            description="Convolutions in which each channel stands alone: integer, or kept float.",
            json_schema_extra={"search": ["integer", "float"]},
        ),
    ] = "integer"
    asymmetric_channels: Annotated[
        int | None,
        Field(
            ge=1,
            description="Convolutions with at least so many input channels get asymmetric weights, "
            "which some runtimes multiply faster; null: none does.",
            json_schema_extra={"search": [None, 64]},
        ),
    ] = None
    granularity: Annotated[
        Literal["channel", "tensor"],
        Field(
            description="One scale per output channel of a weight, or one for the whole weight.",
            json_schema_extra={"search": ["channel"]},
        ),
    ] = "channel"

    needs: ClassVar[frozenset[Need]] = frozenset({Need.RANGES, Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Place integers, observe the values that they would round, encode.

        Raises:
            MethodError: there are no calibration samples.
        """
        if model.already_quantized:
            return _nothing((Skip(target="model", reason=ALREADY),))
        candidates, skips = units(
            model,
            context.facts,
            context.scope,
            Options(
                light=self.operators == "all",
                attention=self.attention == "integer",
                depthwise=self.depthwise == "integer",
            ),
        )
        candidates, broken = _finite(model, candidates)
        answers = context.facts.float_answers
        values = _values(place(model, candidates, lambda _: None, answers))
        if not values:
            nothing = Skip(target="model", reason=NO_WEIGHTS)
            return _nothing((*skips, *broken) or (nothing,))
        evidence = context.evidence(model, {Need.RANGES: values})
        found = _Ranges(self, evidence, signed=context.facts.activation == "int8")
        placement = place(model, candidates, found.obstacle, answers)
        if self.ranges == "output":
            found.settle(self._by_output(model, context, placement, evidence))
        edits = _Writer(self, model, context, found, placement).edits()
        return Plan(
            method=_ID,
            edits=tuple(edits),
            skips=(*skips, *broken, *placement.skips),
            summary=_summary(placement, candidates, len(skips)),
        )

    def asymmetric(self, site: Site) -> bool:
        """Whether the weights of a layer get a zero point."""
        least = self.asymmetric_channels
        plain = site.op_type == "Conv" and site.groups == 1
        return plain and least is not None and site.shape[site.in_axis] >= least

    def range_of(self, histogram: Histogram, average: Smoothed) -> Range:
        """The range that the integers of a value shall cover, by what was seen of it alone."""
        match self.ranges:
            case "minmax":
                return minmax(histogram)
            case "percentile":
                return percentile(histogram, self.percentile)
            case "entropy":
                return entropy(histogram, bits=_BITS)
            case "average":
                return average.range
            case "mse" | "output":
                return mse(histogram, bits=_BITS, symmetric=False)

    def _by_output(
        self, model: Model, context: Context, placement: Placement, evidence: Evidence
    ) -> Mapping[str, Range]:
        """The ranges of what layers read, by the error at their outputs."""
        if context.calibration is None:
            raise MethodError("calibration samples are needed, and none were given")
        scale_of = {rounded.value: rounded.scale_of for rounded in placement.rounded}
        readers: dict[str, list[str]] = {}
        for unit in placement.integer:
            if unit.site is not None:
                readers.setdefault(scale_of[unit.inputs[0]], []).append(unit.node.name)
        seen = {value: evidence.histogram(value) for value in readers}
        starts = {
            value: (minmax(one), mse(one, bits=_BITS, symmetric=False))
            for value, one in seen.items()
        }
        return by_output(model, readers, starts, context.calibration, context.store, bits=_BITS)


def _nothing(skips: tuple[Skip, ...]) -> Plan:
    return Plan(method=_ID, edits=(), skips=skips, summary="nothing could be quantized")


def _summary(placement: Placement, candidates: tuple[Unit, ...], refused: int) -> str:
    possible = sum(unit.kind != "moving" for unit in candidates) + refused
    return (
        f"{len(placement.integer)} of {possible} operators on integer kernels, "
        f"{len(placement.rounded)} values rounded"
    )


def _finite(
    model: Model, candidates: tuple[Unit, ...]
) -> tuple[tuple[Unit, ...], tuple[Skip, ...]]:
    """Leave out layers whose weights hold NaN, infinity or what integers cannot follow."""
    kept: list[Unit] = []
    skips: list[Skip] = []
    for unit in candidates:
        names = [*unit.constants]
        if unit.site is not None:
            names += [unit.site.weight, *([unit.site.bias] if unit.site.bias else [])]
        # A comparison with NaN is false.
        if all(np.all(np.abs(model.weight(name)) < _LARGEST) for name in names):
            kept.append(unit)
        else:
            skips.append(
                Skip(target=unit.node.name, reason="its weights are not finite, or enormous")
            )
    return tuple(kept), tuple(skips)


def _values(placement: Placement) -> tuple[str, ...]:
    """The values whose ranges would be used, each once."""
    return tuple(dict.fromkeys(rounded.scale_of for rounded in placement.rounded))


class _Ranges:
    """Scale and zero point of every observed value, or why it has none."""

    def __init__(self, method: Static, evidence: Evidence, *, signed: bool) -> None:
        self._method = method
        self._evidence = evidence
        self._signed = signed
        self._settled: Mapping[str, Range] = {}

    def settle(self, ranges: Mapping[str, Range]) -> None:
        """Take these ranges, whatever the histograms say."""
        self._settled = ranges

    def obstacle(self, value: str) -> str | None:
        """Why a value cannot be rounded, as the rest of a sentence about it; None if it can."""
        if value not in self._evidence.histograms:
            return "is not a value that was observed"
        histogram = self._evidence.histogram(value)
        if histogram.non_finite:
            return "holds NaN or infinity on the samples"
        if not histogram.count:
            return "was empty on every sample"
        if histogram.low == histogram.high:
            return "never varies on the samples"
        if not _SMALLEST < max(-histogram.low, histogram.high) < _LARGEST:
            return "is too small or too large for the scale of integers"
        return None

    def scale(self, value: str, limit: float | None = None) -> tuple[float, int]:
        """Scale and zero point; no integer stands for more than `limit`, where there is one."""
        covered = self._settled.get(value) or self._method.range_of(
            self._evidence.histogram(value), self._evidence.averages[value]
        )
        scale, zero = scale_zero_point(
            covered.low, covered.high, bits=_BITS, signed=self._signed, symmetric=False
        )
        if limit is not None and covered.low == 0.0:
            # A runtime drops a Clip only if the integers reach no further than it.
            while np.float32(2**_BITS - 1) * scale > np.float32(limit):
                scale = np.nextafter(scale, np.float32(0.0))
        return float(scale), int(zero)


class _Writer:
    """Turns a placement into edits."""

    def __init__(
        self,
        method: Static,
        model: Model,
        context: Context,
        found: _Ranges,
        placement: Placement,
    ) -> None:
        self._method = method
        self._model = model
        self._store: Store = context.store
        self._facts = context.facts
        self._placement = placement
        limits = {
            unit.output: clip_limits(model, unit.absorbed)[1]
            for unit in placement.integer
            if unit.absorbed is not None and unit.absorbed.op_type == "Clip"
        }
        self._scales = {
            value: found.scale(value, limits.get(value)) for value in _values(placement)
        }
        self._scale_of = {rounded.value: rounded.scale_of for rounded in placement.rounded}

    def edits(self) -> list[Edit]:
        """The edits: weights first, then values."""
        weights: list[EncodeWeight] = []
        for unit in self._placement.integer:
            weights += self._layer(unit) if unit.site is not None else self._constants(unit)
        return [*merged(weights), *map(self._value, self._placement.rounded)]

    def _layer(self, unit: Unit) -> list[EncodeWeight]:
        site = unit.site
        if site is None:
            return []
        bias = None if site.bias is None else self._model.weight(site.bias)
        integers, bias_integers = layer_integers(
            self._model.weight(site.weight),
            bias,
            axis=site.out_axis if self._method.granularity == "channel" else None,
            bits=_BITS - self._facts.reduce_range,
            input_scale=self._scales[self._scale_of[unit.inputs[0]]][0],
            symmetric=not self._method.asymmetric(site),
        )
        readers = (unit.node.name,)
        edits = [encode(site.weight, integers, readers, self._store)]
        if site.bias is not None and bias_integers is not None:
            edits.append(encode(site.bias, bias_integers, readers, self._store))
        return edits

    def _constants(self, unit: Unit) -> list[EncodeWeight]:
        """Constant operands of a light operator: per tensor, as the activations are."""
        signed = self._facts.activation == "int8"
        return [
            encode(
                name,
                quantize_weight(self._model.weight(name), symmetric=False, signed=signed),
                (unit.node.name,),
                self._store,
            )
            for name in unit.constants
        ]

    def _value(self, rounded: Rounded) -> QuantizeActivation:
        scale, zero_point = self._scales[rounded.scale_of]
        return QuantizeActivation(
            value=rounded.value,
            consumers=rounded.consumers,
            scale=scale,
            zero_point=zero_point,
            dtype=self._facts.activation,
        )
