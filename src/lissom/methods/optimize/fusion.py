"""Compute the same function in fewer, faster nodes, by patterns of our own.

Source: the exact GELU of Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415,
sec. 2; the rest is measurement: a runtime's own fusion of Add and LayerNormalization can cost more
than the two nodes (on ONNX Runtime's CPU kernels 0.27 ms instead of 0.04 ms for 128 x 384 values).
Differs: patterns are followed by the meaning of values, so they hold for every exporter's order of
nodes; the residual Add is written as Sum, which the runtime computes as fast and leaves unfused.
Needs: no data. Cost: seconds. The function stays the same up to the last bits.
Choose it when: the model is a transformer; put it before quantization, so that what stays float
between integer kernels is short.
"""

from typing import ClassVar, Literal, final

from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.edit import Edit
from lissom.graph.fusion import gelu, residual_sum
from lissom.graph.model import Model
from lissom.methods.protocol import SETTINGS, Context, Need, Plan, Skip

__all__ = ["Fusion"]

_SLOW = "SkipLayerNormFusion"


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Fusion:
    """Put one node in place of several, where the runtime is faster for it."""

    needs: ClassVar[frozenset[Need]] = frozenset()

    residual: Literal["measured", "always", "never"] = Field(
        default="measured",
        description="whether residual sums are kept out of the runtime's own fusion: where it was "
        "measured to be slow, always, or never",
        json_schema_extra={"search": ["measured"]},
    )

    def plan(self, model: Model, context: Context) -> Plan:
        """Find the patterns of a model; nothing is changed."""
        skips: list[Skip] = []
        found: list[Edit] = []
        gelus = gelu(model)
        sums = residual_sum(model)
        if sums and self._leaves_sums(context):
            skips += [
                Skip(target=edit.nodes[0], reason="the runtime fuses it without loss of time here")
                for edit in sums
            ]
            sums = ()
        for edit in (*gelus, *sums):
            refusals = map(context.scope.refusal, map(model.node, edit.nodes))
            refusal = next(filter(None, refusals), None)
            if refusal is None:
                found.append(edit)
            else:
                skips.append(Skip(target=edit.nodes[0], reason=refusal))
        kept = sum(edit in found for edit in gelus), sum(edit in found for edit in sums)
        return Plan(
            method="optimize.fusion",
            edits=tuple(found),
            skips=tuple(skips),
            summary=f"{kept[0]} GELUs in one node each, {kept[1]} residual sums kept apart",
        )

    def _leaves_sums(self, context: Context) -> bool:
        if self.residual == "measured":
            return _SLOW not in context.facts.slow_fusions
        return self.residual == "never"
