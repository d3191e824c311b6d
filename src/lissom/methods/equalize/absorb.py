"""Take what a channel is never below out of its activation, and put it into the next biases.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, arXiv:1906.04721, section 4.1.3 (absorbing high biases).
Differs: what a channel is never below is seen on samples, less a margin, not guessed from a batch
normalization; a sample that goes lower still is changed, which the paper accepts of one in 700;
channels are followed through whatever passes a constant, not only from layer to layer; a reader
that pads with zeros is left alone.
Needs: samples without labels.
Cost: one run of the model on the samples.
Choose it when: activations are to be rounded with one scale, and some channels are far from zero
and vary little, as equalize.cross_layer can leave them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, final

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.errors import MethodError
from lissom.graph.edit import ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.scaling.groups import Scalable, scalable
from lissom.graph.scaling.labels import Use
from lissom.graph.scaling.shifting import Shift, shiftable
from lissom.graph.site import Site
from lissom.methods.channel_ranges import ChannelRanges, channel_ranges
from lissom.methods.protocol import ALREADY, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.reading import Array, Reading, flat, readings, rebiased
from lissom.methods.scaling import allowed, no_groups

__all__ = ["Absorb"]

_ID = "equalize.absorb"
_MARGIN = 0.1
"""Other samples go lower than those seen: by so much of the way from there to the mean."""
_Known = Mapping[str, tuple[Site, Reading]]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Absorb:
    """Absorption of high biases; see the module."""

    deviations: Annotated[
        Annotated[float, Field(ge=0.0, le=100.0)] | None,
        Field(
            description="A channel is taken to be never below its mean less so many standard "
            "deviations (3 in the paper); null: the smallest value seen, less a margin.",
            json_schema_extra={"search": [None, 3.0]},
        ),
    ] = None

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Look at every channel's smallest value, and move what is above zero.

        Raises:
            MethodError: there are no calibration samples, or the model cannot be run.
        """
        if model.already_quantized:
            return _plan([], [Skip(target="model", reason=ALREADY)], "nothing was absorbed")
        if context.calibration is None:
            raise MethodError("calibration samples are needed, and none were given")
        found = scalable(model, context.shapes_of(model))
        groups, skips = allowed(found, found.groups, context)
        known = readings(model, grouped=True)
        shifts: list[tuple[Array, Shift]] = []
        for group in groups:
            one = shiftable(found, group)
            reason = one if isinstance(one, str) else _refusal(one, known)
            if isinstance(one, Shift) and reason is None:
                shifts.append((group.channels, one))
            else:
                skips.append(Skip(target=group.name, reason=str(reason)))
        if not shifts:
            return _plan([], no_groups(skips), "nothing was absorbed")
        context.progress("looking at what channels are never below")
        axes = {shift.value: _axis(known[shift.maker.node][1]) for _, shift in shifts}
        seen = channel_ranges(model, axes, context.calibration, context.store)
        constants = np.zeros(found.channels + 1)
        for channels, shift in shifts:
            own = self._constants(found, known, shift, seen[shift.value])[channels]
            constants[channels] = own
            if not np.any(own):
                reason = "none of its channels is always above zero"
                skips.append(Skip(target=shift.maker.node, reason=reason))
        count = int(np.count_nonzero(constants))
        if not count:
            return _plan([], skips, "nothing was absorbed")
        edits = list(_edits(found, known, [shift for _, shift in shifts], constants, context))
        summary = f"what {count} of {sum(len(c) for c, _ in shifts)} channels are never below "
        return _plan(edits, skips, summary + f"went into {len(edits)} biases")

    def _constants(
        self, found: Scalable, known: _Known, shift: Shift, seen: ChannelRanges
    ) -> Array:
        """What each channel is never below, zero at least, [channels + 1]."""
        below = seen.low - _MARGIN * (seen.mean - seen.low)
        if self.deviations is not None:
            below = seen.mean - self.deviations * seen.deviation
        below = np.where(np.isfinite(below), np.maximum(below, 0.0), 0.0)
        labels = _laid(found, shift.maker, known[shift.maker.node][0])[:, 0]
        constants = np.full(found.channels + 1, np.inf)
        np.minimum.at(constants, labels, below)
        return np.where(np.isfinite(constants), constants, 0.0)


def _plan(edits: Sequence[ReplaceWeight], skips: Sequence[Skip], summary: str) -> Plan:
    return Plan(method=_ID, edits=tuple(edits), skips=tuple(skips), summary=summary)


def _axis(reading: Reading) -> int:
    return -1 if reading.window is None else 1


def _refusal(shift: Shift, known: _Known) -> str | None:
    """Why biases cannot take the constants; None if they can."""
    for use in (shift.maker, *shift.readers):
        if use.node not in known:
            return f"{use.node!r} has no plain bias of its own"
    for use in shift.readers:
        window = known[use.node][1].window
        if window is not None and any(window.pads):
            return f"{use.node!r} pads it with zeros, which are not the constant"
    return None


def _laid(found: Scalable, use: Use, site: Site) -> Array:
    """The channel of each element of a flat weight [outputs, inputs x kernel]."""
    shape = found.model.weights[use.weight].shape
    laid = np.asarray(site.canonical(np.broadcast_to(use.labels, shape)))
    return laid.reshape(len(laid), -1)


def _edits(
    found: Scalable,
    known: _Known,
    shifts: Sequence[Shift],
    constants: Array,
    context: Context,
) -> Iterator[ReplaceWeight]:
    """The biases without the constants of what they make, and with those of what they read."""
    model = found.model
    makers = {shift.maker.weight: shift.maker for shift in shifts}
    readers = {use.weight: use for shift in shifts for use in shift.readers}
    changes: dict[str, Array] = {}
    for use in (*makers.values(), *readers.values()):
        site, _ = known[use.node]
        own = constants[_laid(found, use, site)]
        change = -own[:, 0] if use.makes else (flat(model, site) * own).sum(axis=1)
        changes[use.node] = changes.get(use.node, 0.0) + change
    for node, change in changes.items():
        site, _ = known[node]
        if np.any(change):
            bias = change if site.bias is None else change + model.weight(site.bias)
            yield rebiased(model, site, bias, context.store)
