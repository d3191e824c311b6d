"""Layers rounded in their order: what each reads on samples, and what it is fitted towards.

    layer     each reads what it does in the original, and should give what it did there
    sequence  each reads what the layers rounded before give: first its weight is fitted anew
    block     likewise, but where what it gives is added to something, it should give what the
              original's sum lacks: so it makes good what the whole block before the sum lost

What is lost in the mean goes into the bias, where the layer has one or can have one for nothing, so
that the covariance of the inputs, and not their second moment, weighs what is lost. Runs in a child
process, a few layers at a time.

Source: sequence is the asymmetric reconstruction of Nagel et al., "Up or Down? Adaptive Rounding
for Post-Training Quantization", ICML 2020, arXiv:2004.10568, equation 25; block follows Li et al.,
"BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction", ICLR 2021,
arXiv:2102.05426, section 3.2, which learns all layers of a block together. Here they are solved in
closed form, one after another, and the last takes over what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lissom.graph.edit import Edit, ReplaceWeight, edit_to_json
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.site import Site
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration
from lissom.methods.gathering import MomentsPair, gathered_now, split
from lissom.methods.reading import Array, bias_of, flat, readings, replaced
from lissom.methods.registry import create
from lissom.methods.rounding import Layer, Rounder, form_of
from lissom.methods.stages import stages_of
from lissom.numerics.moments import Moments, fit
from lissom.numerics.quantized import QuantizedTensor, dequantize, quantize, quantize_weight
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["round_all"]


def round_all(
    *,
    path: str,
    packed: Mapping[str, bool],
    method: str,
    settings: Mapping[str, Json],
    calibration: Mapping[str, Json] | None,
    sums: Mapping[str, Sequence[str]],
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
    alone = work.method.reconstruction == "layer"
    stages = [list(packed)] if alone else stages_of(work.original, list(packed), sums)
    edits: list[Edit] = []
    for batch in split(work.original, stages):
        wanted = [known[node][1] for node in batch]
        folder = Path(path).parent
        within = {node: sums[node] for node in batch if node in sums}
        seen = (
            {}
            if held is None
            else gathered_now(work.original, work.now, wanted, held, folder, sums=within)
        )
        later: list[ReplaceWeight] = []
        for node in batch:
            own, floats = work.one(known[node][0], seen.pop(node, None), packed=packed[node])
            edits += own
            later += floats
            report(len(work.errors))
        if not alone:
            work.now = perform(work.now, later, work.store)
    return {"edits": [edit_to_json(one) for one in edits], "errors": work.errors}


class _Work:
    """The models, the method, and what came of it so far."""

    def __init__(self, method: Rounder, original: Model, store: Store) -> None:
        self.method = method
        self.original = self.now = original
        self.store = store
        self.errors: dict[str, Json] = {}

    def one(
        self, site: Site, seen: Sequence[MomentsPair] | None, *, packed: bool
    ) -> tuple[list[Edit], list[ReplaceWeight]]:
        """Round an operator: the edits, and the float weights that say the same."""
        weight, form = flat(self.original, site), form_of(self.method)
        centred = seen is not None and _takes_bias(self.original, site)
        block_size = form.block_size if packed else form.blocks_of(site)
        found: list[QuantizedTensor] = []
        bias, tally = np.zeros((site.groups, site.outputs // site.groups)), _Tally()
        for group, part in enumerate(np.split(weight, site.groups)):
            parts = None if seen is None else seen[group]
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
    return np.asarray((seen.y - weight @ seen.x) / (seen.rows or 1.0))


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
