"""Layers rounded to integers one by one: the edits, and what each lost. Runs in a child process.

In which order they come, and what each is fitted towards, is `lissom.methods.reconstruction`'s.
What nothing could be seen of, is rounded to nearest, with the scales of the least squared error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lissom.graph.edit import Edit, ReplaceWeight, edit_to_json
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.site import Site
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration
from lissom.methods.protocol import Need
from lissom.methods.reading import Array, flat, replaced
from lissom.methods.reconstruction import Seen, in_order
from lissom.methods.registry import create
from lissom.methods.rounding import Layer, Rounder, form_of
from lissom.numerics.grids import Shape, searched
from lissom.numerics.moments import Moments
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
    """Child entry: round operator by operator; answers edits, what each lost, and the unseen."""
    held = None if calibration is None else Calibration.from_json(calibration)
    work = _Work(
        create(method, settings),  # type: ignore[arg-type]  # the id is of a Rounder
        open_trusted(Path(path)),
        packed,
        Store(Path(store)) if held is None else held.samples.store,
    )
    unseen = in_order(
        work.original,
        list(packed),
        work.one,
        held,
        how=work.method.reconstruction,
        sums=sums,
        folder=Path(path).parent,
        store=work.store,
    )
    edits = [edit_to_json(one) for one in work.edits]
    return {"edits": edits, "errors": work.errors, "unseen": unseen}


class _Work:
    """The model, the method, and what came of it so far."""

    def __init__(
        self, method: Rounder, original: Model, packed: Mapping[str, bool], store: Store
    ) -> None:
        self.method = method
        self.original = original
        self.packed = packed
        self.store = store
        self.edits: list[Edit] = []
        self.errors: dict[str, Json] = {}

    def one(self, site: Site, seen: Sequence[Seen] | None) -> list[ReplaceWeight]:
        """Round an operator; answers the float weights that say the same."""
        form, packed = form_of(self.method), self.packed[site.node]
        block_size = form.block_size if packed else form.blocks_of(site)
        found: list[QuantizedTensor] = []
        bias, tally = np.zeros((site.groups, site.outputs // site.groups)), _Tally()
        for group, weight in enumerate(np.split(flat(self.original, site), site.groups)):
            own = None if seen is None else seen[group]
            every = None if own is None else own.every
            layer = Layer(
                weight=weight if own is None else own.anew(weight),
                hessian=None if every is None else every.covariance,
                block_size=block_size,
            )
            found.append(self._rounded(layer))
            after = tally.add(weight, found[-1], every)
            if every is not None:
                bias[group] = every.bias_for(after)
        rows = _joined(found)
        self.errors[site.node] = tally.shares()
        moved = bias.ravel() if seen is not None and seen[0].centred else None
        floats = replaced(self.original, site, dequantize(rows), moved, self.store)
        self.edits += [form.edit(site, rows, self.store, packed=packed), *floats[1:]]
        report(len(self.errors))
        return floats

    def _rounded(self, layer: Layer) -> QuantizedTensor:
        method = self.method
        if layer.hessian is not None or Need.ROWS not in method.needs:
            return method.round(layer)
        shape = Shape(bits=method.bits, block_size=layer.block_size, symmetric=method.symmetric)
        grid = searched(layer.weight, shape)
        return grid.tensor(grid.rounded(layer.weight))


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
            self._outputs += [seen.error(one, seen.bias_for(one)) for one in made]
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
