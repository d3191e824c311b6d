"""Put back the means that earlier steps moved: biases corrected on samples, layer by layer.

Source: Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight
Equalization and Bias Correction", ICCV 2019, arXiv:1906.04721, section 4.2, the empirical form.
Differs: the means are those before the first step that rounded, so they are right where channels
were scaled or removed; statistics of batch normalizations that are left in the graph move with
their inputs, too; nothing is changed where the model's answers come out clearly further from
the original's, as they can where what several layers had lost made up for each other.
Needs: samples without labels.
Cost: a part of the network is run on the samples for each of its layers.
Choose it when: a step before it rounded weights or activations. The model is no slower.
"""

from typing import Annotated, ClassVar, final

from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.errors import MethodError
from lissom.graph.model import Model
from lissom.graph.site import Site, sites
from lissom.methods.means import Holder, holder, mend, norm_holder
from lissom.methods.protocol import ALREADY, NO_WEIGHTS, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.reading import bias_of

__all__ = ["BiasCorrection"]

_ID = "quantize.bias_correction"
_NOTHING = "nothing was done to the model before, so no mean has moved"


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class BiasCorrection:
    """Empirical bias correction; see the module."""

    normalization: Annotated[
        bool,
        Field(
            description="Also move the statistics of batch normalizations with their inputs.",
            json_schema_extra={"search": [True]},
        ),
    ] = True

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Compare the means of what layers give with those before rounding, and set biases."""
        original = context.reference or context.original
        if original.already_quantized:
            return _nothing(Skip(target="model", reason=ALREADY))
        if context.calibration is None:
            raise MethodError("calibration samples are needed, and none were given")
        found: list[Holder] = []
        skips: list[Skip] = []
        for target, value, one in self._places(original, model):
            reason = context.scope.refusal(original.node(target))
            if reason is None and isinstance(one, str):
                reason = one
            if reason is None and value not in _computed(original):
                reason = "there was no such value before"
            if reason is not None or isinstance(one, str):
                skips.append(Skip(target=target, reason=str(reason)))
            elif model.fingerprint == original.fingerprint:
                skips.append(Skip(target=target, reason=_NOTHING))
            else:
                found.append(one)
        if not found:
            return _nothing(*(skips or [Skip(target="model", reason=NO_WEIGHTS)]))
        mended = mend(original, model, found, context, context.calibration)
        if not mended.nearer:
            reason = (
                f"with their means put back the answers are further from the original's: an error "
                f"of {mended.after:.3g} instead of {mended.before:.3g}"
            )
            return _nothing(*skips, Skip(target="model", reason=reason))
        moved = max(mended.shifts.values(), default=0.0)
        return Plan(
            method=_ID,
            edits=mended.edits,
            skips=tuple(skips),
            summary=f"{len(mended.shifts)} layers have their means again; they had moved "
            f"by up to {moved:.1%} of the deviation",
        )

    def _places(self, original: Model, model: Model) -> list[tuple[str, str, Holder | str]]:
        """Each layer's node in the original, the value whose mean counts, and what holds it."""
        places: list[tuple[str, str, Holder | str]] = []
        for site in sites(original):
            if site.op_type in {"Conv", "ConvTranspose", "Gemm", "MatMul"}:
                value = _given(original, site)
                axis = 1 if site.op_type.startswith("Conv") else -1
                one = holder(model, value, axis=axis, channels=site.outputs)
                places.append((site.node, value, one))
            else:
                reason = f"the means of what a {site.op_type} gives are not looked at"
                places.append((site.node, site.output, reason))
        if self.normalization:
            kept = set(model.node_names)
            places += [
                (node.name, node.inputs[0], norm_holder(model, node))
                for node in original.nodes
                if node.op_type == "BatchNormalization" and node.name in kept
            ]
        return places


def _given(model: Model, site: Site) -> str:
    """What a layer gives once its bias is added."""
    if site.op_type != "MatMul" or bias_of(model, site) is None:
        return site.output
    return model.node(model.consumers[site.output][0]).outputs[0]


def _computed(model: Model) -> frozenset[str]:
    return frozenset({*model.producers, *(port.name for port in model.inputs)})


def _nothing(*skips: Skip) -> Plan:
    return Plan(method=_ID, edits=(), skips=skips, summary="no mean was put back")
