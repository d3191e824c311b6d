"""Move what is large in some channels of an activation into the weights that read them.

Source: Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
Language Models", ICML 2023, arXiv:2211.10438, section 4, equation 4.
Differs: the share alpha is chosen for each group of channels by the error that 8-bit rounding
leaves at the outputs of what reads it, and a group is left alone where no share helps; factors go
into whatever makes the channels (normalizations, but also convolutions and products), found by
following labels, and only where all that reads them can take its part; no node is added.
Needs: samples without labels.
Cost: some runs of the model on the samples, and a product of some rows for each share.
Choose it when: activations are to be rounded, and few channels are much larger than the others.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, final

from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.errors import MethodError
from lissom.graph.model import Model
from lissom.graph.scaling.groups import scalable
from lissom.methods.protocol import ALREADY, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.reading import readings
from lissom.methods.scaling import allowed, no_groups, rescaled
from lissom.methods.smoothing import readers, smoothed

__all__ = ["Smooth"]

_ID = "equalize.smooth"


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Smooth:
    """SmoothQuant; see the module."""

    alpha: Annotated[
        float | None,
        Field(
            ge=0.0,
            le=1.0,
            description="The share of an activation's range that goes into the weights; null: "
            "chosen for each group of channels.",
            json_schema_extra={"search": [None, 0.5]},
        ),
    ] = None

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Choose a share for each group that matrices read.

        Raises:
            MethodError: there are no calibration samples.
        """
        if model.already_quantized:
            return _nothing([Skip(target="model", reason=ALREADY)])
        if context.calibration is None:
            raise MethodError("calibration samples are needed, and none were given")
        shapes = context.shapes_of(model)
        found = scalable(model, shapes)
        groups, skips = allowed(found, found.groups, context)
        known = readings(model)
        places = {
            place: group
            for place, group in enumerate(found.groups)
            if group in groups and readers(group, known)
        }
        if not places:
            return _nothing(no_groups(skips))
        context.progress("looking for channels that are larger than others")
        chosen = smoothed(
            found, shapes, list(places), self.alpha, context.calibration, context.store
        )
        skips += [
            Skip(target=group.name, reason="rounding loses no less with any share moved")
            for place, group in places.items()
            if chosen.alphas[place] is None
        ]
        edits = rescaled(found, chosen.factors, context.store)
        moved = [place for place in places if chosen.alphas[place] is not None]
        before, after = (
            sum(errors[place] for place in moved) for errors in (chosen.before, chosen.after)
        )
        gained = f", {after / before:.0%} of the rounding error left" if before > 0 else ""
        return Plan(
            method=_ID,
            edits=tuple(edits),
            skips=tuple(skips),
            summary=f"{len(moved)} of {len(places)} groups of channels smoothed{gained}",
        )


def _nothing(skips: Sequence[Skip]) -> Plan:
    return Plan(method=_ID, edits=(), skips=tuple(skips), summary="no channels were smoothed")
