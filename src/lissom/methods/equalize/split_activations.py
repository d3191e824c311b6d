"""Let channels with outlier activations be there twice, each copy with half of the value.

Source: Zhao et al., "Improving Neural Network Quantization without Retraining using Outlier Channel
Splitting", ICML 2019, arXiv:1901.09504, section 3 (of activations).
Differs: the channels are chosen by the largest value on samples, for all readers of a group at
once; halves come out of the weights that make the channels, so no layer is put in for them, and
only channels that can be scaled are split.
Needs: samples without labels.
Cost: two runs for shapes and one on the samples; the model has as many channels more as the ratio
says.
Choose it when: activations are to be rounded with one scale, few channels are much larger than the
others, and the weights that read them have no room for a factor (else equalize.smooth).
"""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass

from lissom.errors import MethodError
from lissom.graph.channels.groups import ChannelGroup, Channels, channels
from lissom.graph.channels.splitting import summed
from lissom.graph.edit import SplitChannels
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.scaling.groups import Scalable, scalable
from lissom.methods.channel_ranges import ChannelRanges, channel_ranges
from lissom.methods.protocol import ALREADY, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.reading import Array
from lissom.methods.scaling import rescaled
from lissom.methods.splitting import Added, refusal_to_split, split_units, times_by_peaks

__all__ = ["SplitActivations"]

_ID = "equalize.split_activations"
_Seen = Mapping[tuple[str, int], ChannelRanges]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class SplitActivations:
    """Outlier channel splitting of activations; see the module."""

    ratio: Added = 0.02

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Split the channels with the largest values in every group that can be split and scaled.

        Raises:
            MethodError: there are no calibration samples, or the model cannot be run.
        """
        if model.already_quantized:
            skip = Skip(target="model", reason=ALREADY)
            return Plan(method=_ID, edits=(), skips=(skip,), summary="no channel was split")
        if context.calibration is None:
            raise MethodError("calibration samples are needed, and none were given")
        shapes = context.shapes_of(model)
        found, scaling = channels(model, shapes), scalable(model, shapes)
        reasons = {
            group.name: refusal_to_split(found, group, context) or _bound(found, group, scaling)
            for group in found.groups
        }
        refused = {name: reason for name, reason in reasons.items() if reason is not None}
        context.progress("looking for channels that are larger than others")
        seen: dict[tuple[str, int], ChannelRanges] = {}
        for axis, values in _read(found, refused).items():
            ranges = channel_ranges(
                model, dict.fromkeys(values, axis), context.calibration, context.store
            )
            seen.update({(value, axis): each for value, each in ranges.items()})
        chosen = split_units(found, partial(self._times, model, seen), refused)
        if not chosen.times:
            return Plan(method=_ID, edits=(), skips=chosen.skips, summary="no channel was split")
        split = perform(model, [chosen.edit], context.store)
        halved = scalable(split, context.shapes_of(split))
        factors = _factors(chosen.edit, halved)
        return Plan(
            method=_ID,
            edits=(chosen.edit, *rescaled(halved, factors, context.store)),
            skips=chosen.skips,
            summary=f"{chosen.added} channels added in {len(chosen.times)} groups of channels",
        )

    def _times(self, model: Model, seen: _Seen, group: ChannelGroup) -> dict[int, int]:
        """How often each unit is to be there."""
        peaks = []
        for reader in group.readers:
            own = seen[model.node(reader.node).inputs[reader.input], reader.axis]
            squares = own.mean**2 + own.deviation**2
            finite = squares[np.isfinite(squares)]
            mean = float(np.sqrt(finite.mean())) if finite.any() else 1.0
            sizes = np.maximum(np.abs(own.low), np.abs(own.high)) / mean
            sizes = np.where(np.isfinite(sizes), sizes, 0.0)
            peaks.append([sizes[list(own)].max() for own in reader.indices])
        return times_by_peaks(group, peaks, self.ratio)


def _read(found: Channels, refused: Mapping[str, str]) -> dict[int, list[str]]:
    """What is read of the groups that are not refused: values by the axis of their channels."""
    values: dict[int, list[str]] = {}
    for group in found.groups:
        for reader in group.readers if group.name not in refused else ():
            value = found.walk.model.node(reader.node).inputs[reader.input]
            values.setdefault(reader.axis, []).append(value)
    return values


def _bound(found: Channels, group: ChannelGroup, scaling: Scalable) -> str | None:
    """Why the values of a group cannot be halved; None if they can."""
    members = {(one.weight, one.axis): one for one in group.members}
    for weight, axis in summed(found, group):
        labels = _labels(scaling, weight, axis)
        own = [index for unit in members[weight, axis].indices for index in unit]
        if labels is None or np.any(labels[own] == scaling.channels):
            return "what stands between does not pass a factor"
    return None


def _labels(scaling: Scalable, weight: str, axis: int) -> Array | None:
    """The channels that each index of a weight's axis reads, [indices, others]."""
    reads = [use for use in scaling.by_weight.get(weight, ()) if not use.makes]
    if len(reads) != 1:
        return None
    shape = scaling.model.weights[weight].shape
    laid = np.moveaxis(np.broadcast_to(reads[0].labels, shape), axis, 0)
    return laid.reshape(shape[axis], -1)


def _factors(edit: SplitChannels, halved: Scalable) -> Array:
    """Factors that make each copy's value its share, [channels + 1]."""
    factors = np.ones(halved.channels + 1)
    for one in edit.growths:
        labels = _labels(halved, one.weight, one.axis) if one.shared else None
        if labels is None:
            continue
        for begin, end, copies in one.standing:
            factors[labels[begin:end]] = 1 / copies
    factors[-1] = 1.0
    return factors
