"""Layers rounded in their order: what each reads on samples, and what it is fitted towards.

    layer     each reads what it does in the original, and should give what it did there
    sequence  each reads what the layers rounded before give: first its weight is fitted anew
    block     likewise, but where what it gives is added to something, it should give what the
              original's sum lacks: so it makes good what the whole block before the sum lost

What is lost in the mean goes into the bias, where the layer has one or can have one for nothing, so
that the covariance of the inputs, and not their second moment, weighs what is lost.

Source: sequence is the asymmetric reconstruction of Nagel et al., "Up or Down? Adaptive Rounding
for Post-Training Quantization", ICML 2020, arXiv:2004.10568, equation 25; block follows Li et al.,
"BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction", ICLR 2021,
arXiv:2102.05426, section 3.2, which learns all layers of a block together. Here they are solved in
closed form, one after another, and the last takes over what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lissom.graph.edit import ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.site import Site
from lissom.measure.calibration import Calibration
from lissom.methods.gathering import TOO_LARGE, Between, MomentsPair, split, too_large
from lissom.methods.naming import naming
from lissom.methods.protocol import NOT_FINITE, Context
from lissom.methods.reading import Array, bias_of, readings
from lissom.methods.stages import last_of_sums, stages_of, sums_of
from lissom.methods.weights import Reconstruction
from lissom.numerics.moments import Moments, fit
from lissom.store.store import Store

__all__ = ["Seen", "in_order", "seen_by", "sums_within"]


def sums_within(
    model: Model, nodes: Sequence[str], how: Reconstruction, context: Context
) -> dict[str, Sequence[str]]:
    """The sums that layers are fitted towards, by layer: none unless blocks are reconstructed."""
    if how != "block" or not nodes:
        return {}
    return last_of_sums(sums_of(model, model, nodes, context.shapes_of(model)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of one matrix from samples.

    Attributes:
        fitting: of what it reads and should give, in runs that it is fitted to.
        held_out: in the others.
        centred: a bias takes the mean of what is lost; else the moments are about zero.
        changed: what it reads is not what it was.
    """

    fitting: Moments
    held_out: Moments
    centred: bool
    changed: bool

    @property
    def every(self) -> Moments:
        """Of all runs."""
        return self.fitting.joined(self.held_out)

    def anew(self, weight: Array) -> Array:
        """The weight [outputs, inputs] to be rounded: the one that fits what is read now best."""
        if not self.changed:
            return weight
        held_out = self.held_out if self.held_out.rows else None
        return fit(self.fitting, weight, held_out).weight


def in_order(
    original: Model,
    nodes: Sequence[str],
    each: Callable[[Site, Sequence[Seen] | None], Sequence[ReplaceWeight]],
    held: Calibration | None,
    *,
    how: Reconstruction,
    sums: Mapping[str, Sequence[str]],
    folder: Path,
    store: Store,
) -> dict[str, str]:
    """Show layers one after another, with what is known of them.

    Args:
        original: the model.
        nodes: the layers, which `readings` has, groups included.
        each: called with a layer and what was seen of each of its groups (None if nothing could
            be); answers the float weights that say what became of it.
        held: the samples; None if there are none.
        how: what later layers read and are fitted towards.
        sums: as `sums_within` answers.
        folder: a scratch folder, as for `spill`.
        store: of weights.

    Returns:
        The layers of which nothing could be seen on the samples, and why.
    """
    unseen: dict[str, str] = {}
    known, now = readings(original, grouped=True), original
    stages = [list(nodes)] if how == "layer" else stages_of(original, nodes, sums)
    batches, between = split(original, stages), None
    if held is not None:
        between = Between(original, batches, held, folder, sums=sums, changes=how != "layer")
    for number, batch in enumerate(batches):
        found = {} if between is None else between.moments(number, now)
        later: list[ReplaceWeight] = []
        for node in batch:
            site, groups = known[node][0], found.pop(node, None)
            if groups is None and between is not None:
                unseen[node] = TOO_LARGE if too_large(site) else NOT_FINITE
            with naming(node):
                seen = None
                if groups is not None:
                    changed = now is not original
                    seen = [seen_by(original, site, one, changed=changed) for one in groups]
                later += each(site, seen)
        if how != "layer":
            now = perform(now, later, store)
    return unseen


def seen_by(original: Model, site: Site, pair: MomentsPair, *, changed: bool) -> Seen:
    """What is known of one matrix of a layer: about the means only if a bias takes them.

    Args:
        original: the model.
        site: the layer.
        pair: of what it reads and should give, to fit to and held out.
        changed: whether what it reads is not what it was.
    """
    # A product has no bias but what is added behind it anyway.
    centred = site.op_type != "MatMul" or bias_of(original, site) is not None
    fitting, held_out = pair if centred else map(_about_zero, pair)
    return Seen(fitting=fitting, held_out=held_out, centred=centred, changed=changed)


def _about_zero(moments: Moments) -> Moments:
    """Without the means: for a layer that has no bias to take them."""
    return replace(moments, x=np.zeros_like(moments.x), y=np.zeros_like(moments.y))
