"""Second moments of what layers read and should give, layer by layer, in bounded memory.

A layer is an operator, or one group of a grouped convolution. What it reads may come from another
model than what it should give: from the network as it is rounded so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lissom.graph.extract import extract
from lissom.graph.model import Model
from lissom.graph.save import spill
from lissom.measure.calibration import Calibration, fetched, opened
from lissom.methods.gathering import HELD_OUT
from lissom.methods.reading import Array, Reading, readings, rows
from lissom.methods.stages import bias_behind
from lissom.numerics.moments import Moments

__all__ = ["Gathered", "batches", "gather"]

Gathered = tuple[list[Moments], list[Moments]]
"""Of each group of an operator: to fit to, and held out."""

_ROWS = 8192  # of each operator, over all samples
_BUFFER = 2048
_MOST_NUMBERS = 1 << 24  # float64 numbers of moments at a time: 128 MB, if no layer has more


def batches(stages: Sequence[Sequence[str]], numbers: Mapping[str, int]) -> Iterator[list[str]]:
    """Operators whose moments are gathered together: a stage, or parts of one that fit in memory.

    Args:
        stages: operators by name.
        numbers: in the moments of each.
    """
    for stage in stages:
        batch: list[str] = []
        for node in stage:
            if batch and sum(numbers[one] for one in [*batch, node]) > _MOST_NUMBERS:
                yield batch
                batch = []
            batch.append(node)
        if batch:
            yield batch


def gather(
    original: Model,
    now: Model,
    wanted: Sequence[Reading],
    calibration: Calibration,
    folder: Path,
    *,
    sums: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, Gathered]:
    """Moments of what operators read in one model, and should give, by node.

    Args:
        original: gives what they should give.
        now: gives what they read; may be the same.
        wanted: the operators.
        calibration: samples to run both on.
        folder: where parts of the models are written.
        sums: of operators whose output is added to something: the sum, and what it is added to.
            They should give what the original's sum is, less what they are added to now.
    """
    known = readings(original, grouped=True)
    shifts = {node: bias_behind(original, known[node][0]) for node in sums}
    targets = {one.node: sums[one.node][0] if one.node in sums else one.output for one in wanted}
    inputs = [one.input for one in wanted] + [past for _, past in sums.values()]
    most = max(1, -(-_ROWS // max(calibration.count, 1)))
    found: dict[str, Gathered] = {}
    buffers: dict[tuple[str, int], list[list[Array]]] = {}
    pairs = _runs((now, inputs), (original, list(targets.values())), calibration, folder)
    for number, (read, given) in enumerate(pairs):
        part = int(number % HELD_OUT == HELD_OUT - 1)
        for one in wanted:
            x = read[one.input]
            own = rows(one, x, given[targets[one.node]], most=most, seed=number)
            if one.node in sums:
                past = rows(one, x, read[sums[one.node][1]], most=most, seed=number)[1]
                own[1] = own[1] - past - shifts[one.node]
            buffer = buffers.setdefault((one.node, part), [])
            buffer.append(own)
            if sum(len(x) for x, _ in buffer) >= _BUFFER:
                _flush(found, one, part, buffer)
    for one in wanted:
        for part in (0, 1):
            if buffers.get((one.node, part)):
                _flush(found, one, part, buffers[one.node, part])
    return found


def _flush(
    found: dict[str, Gathered], reading: Reading, part: int, buffer: list[list[Array]]
) -> None:
    x, y = (np.concatenate(parts) for parts in zip(*buffer, strict=True))
    buffer.clear()
    count = reading.groups
    sizes = x.shape[1] // count, y.shape[1] // count
    if reading.node not in found:
        fitting, held_out = ([Moments.empty(*sizes) for _ in range(count)] for _ in range(2))
        found[reading.node] = fitting, held_out
    parts = (np.split(array, count, axis=1) for array in (x, y))
    for moments, *own in zip(found[reading.node][part], *parts, strict=True):
        moments.add(*own)


def _runs(
    read: tuple[Model, Sequence[str]],
    given: tuple[Model, Sequence[str]],
    calibration: Calibration,
    folder: Path,
) -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
    """For each run some values of one model, and some of another, which may be the same."""
    now, inputs = read[0], list(dict.fromkeys(read[1]))
    original, outputs = given[0], list(dict.fromkeys(given[1]))
    with ExitStack() as stack:

        def part_of(model: Model, values: Sequence[str], name: str) -> Path:
            path = folder / name
            spill(extract(model, [v for v in values if v in model.producers]), path)
            return path

        same = now is original
        first = part_of(original, [*inputs, *outputs] if same else outputs, "outputs.onnx")
        whole = stack.enter_context(opened(first, calibration))
        computed = any(name in now.producers for name in inputs)
        other = None
        if not same and computed:
            other = stack.enter_context(opened(part_of(now, inputs, "inputs.onnx"), calibration))
        for feed in calibration.feeds():
            if other is None:
                both = fetched(whole, feed, list(dict.fromkeys([*inputs, *outputs])))
                yield both, both
            else:
                yield fetched(other, feed, inputs), fetched(whole, feed, outputs)
