"""Let channels with outlier weights be there twice, so that each copy reads half of them.

Source: Zhao et al., "Improving Neural Network Quantization without Retraining using Outlier Channel
Splitting", ICML 2019, arXiv:1901.09504, section 3 (of weights, quantization-aware).
Differs: not pairs of layers but channel groups, with all that makes and reads them; a channel that
is split more than once is shared out evenly; a copy is a channel of the graph, computed again, not
one that a layer of its own repeats.
Needs: nothing but the shapes of one run; no samples.
Cost: O(parameters); the model has as many channels more as the ratio says.
Choose it when: few input channels of a weight are much larger than the others, weights get few
bits, and equalize.cross_layer is stopped by what stands between (GELU, a Clip at six).
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, final

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.channels.groups import ChannelGroup, Channels, channels
from lissom.graph.channels.splitting import summed
from lissom.graph.cutting import WeightGrowth
from lissom.graph.edit import Edit, ReplaceWeight, SplitChannels
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.site import sites
from lissom.methods.protocol import ALREADY, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.splitting import Added, refusal_to_split, split_units, times_by_peaks
from lissom.numerics.splitting import offsets

__all__ = ["Split"]

_ID = "equalize.split"
_SETTLED = 16  # rounds, each of which moves the step by a quarter of what the last one did at most
Array = npt.NDArray[Any]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Split:
    """Outlier channel splitting; see the module."""

    ratio: Added = 0.02
    bits: Annotated[
        Annotated[int, Field(ge=2, le=8)] | None,
        Field(
            description="Bits that weights are going to have: copies are set apart so that they "
            "are rounded to the same sum. null: copies are equal.",
            json_schema_extra={"search": [8, 4]},
        ),
    ] = 8
    granularity: Annotated[
        Literal["tensor", "channel"],
        Field(
            description="What is going to share a scale: a whole weight, or an output channel.",
            json_schema_extra={"search": ["channel", "tensor"]},
        ),
    ] = "channel"

    needs: ClassVar[frozenset[Need]] = frozenset()

    def plan(self, model: Model, context: Context) -> Plan:
        """Split the channels with the largest weights in every group that can be split.

        Raises:
            MethodError: the model cannot be run for its shapes.
        """
        if model.already_quantized:
            return _plan([], [Skip(target="model", reason=ALREADY)], "no channel was split")
        found = channels(model, context.shapes_of(model))
        reasons = {group.name: refusal_to_split(found, group, context) for group in found.groups}
        refused = {name: reason for name, reason in reasons.items() if reason is not None}
        chosen = split_units(found, partial(self._times, found), refused)
        if not chosen.times:
            return _plan([], chosen.skips, "no channel was split")
        apart = self._apart(model, chosen.edit, context) if self.bits else ()
        summary = f"{chosen.added} channels added in {len(chosen.times)} groups of channels"
        return _plan([chosen.edit, *apart], chosen.skips, summary)

    def _times(self, found: Channels, group: ChannelGroup) -> dict[int, int]:
        """How often each unit is to be there."""
        model = found.walk.model
        members = {(one.weight, one.axis): one for one in group.members}
        peaks = []
        for weight, axis in summed(found, group):
            sizes = np.abs(np.asarray(model.weight(weight), np.float64))
            alike = self._sharing(model, weight)
            mean = np.sqrt(np.mean(sizes**2, axis=alike, keepdims=True))
            sizes = np.divide(sizes, mean, out=np.zeros_like(sizes), where=mean > 0)
            columns = np.moveaxis(sizes, axis, 0).reshape(sizes.shape[axis], -1).max(axis=1)
            peaks.append([columns[list(own)].max() for own in members[weight, axis].indices])
        return times_by_peaks(group, peaks, self.ratio)

    def _sharing(self, model: Model, weight: str) -> tuple[int, ...]:
        """The axes of a weight along which a scale is shared."""
        (site,) = (site for site in sites(model) if site.weight == weight)
        kept = site.out_axis if self.granularity == "channel" else None
        return tuple(axis for axis in range(len(site.shape)) if axis != kept)

    def _apart(self, model: Model, edit: SplitChannels, context: Context) -> Iterator[Edit]:
        """Edits that set the shares of every weight apart, as its integers want it."""
        split = perform(model, [edit], context.store)
        for one in edit.growths:
            if not one.shared or self.bits is None:
                continue
            array = np.asarray(split.weight(one.weight), np.float64)
            alike = self._sharing(split, one.weight)
            moved = _moved(one, array.ndim, array.shape[one.axis])
            step, levels = np.zeros(1), 2 ** (self.bits - 1) - 1
            for _ in range(_SETTLED):  # the copies that are moved outwards widen the range
                step = np.abs(array + step * moved).max(axis=alike, keepdims=True) / levels
            values = context.store.put_array((array + step * moved).astype(np.float32))
            yield ReplaceWeight(weight=one.weight, values=values)


def _moved(growth: WeightGrowth, rank: int, size: int) -> Array:
    """What every index along a grown axis is moved by, in steps, broadcast to the weight."""
    moved = np.zeros(size)
    for begin, end, copies in growth.standing:
        moved[begin:end] = np.repeat(offsets(copies), (end - begin) // copies)
    return moved.reshape([size if axis == growth.axis else 1 for axis in range(rank)])


def _plan(edits: Sequence[Edit], skips: Sequence[Skip], summary: str) -> Plan:
    return Plan(method=_ID, edits=tuple(edits), skips=tuple(skips), summary=summary)
