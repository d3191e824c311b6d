"""Put zeros into weights, wherever they cost least, and correct the rest.

Source: Frantar and Alistarh, "SparseGPT", 2023, arXiv:2301.00774, algorithm 1; masks also as Wanda
(Sun, Liu, Bair and Kolter, 2023, arXiv:2306.11695, equation 1) and by magnitude (Han, Pool, Tran
and Dally, 2015, arXiv:1506.02626); N:M patterns as Mishra et al., 2021, arXiv:2104.08378.
Differs: covariances instead of second moments, since the bias takes what is constant; every
layer is corrected on what the original network feeds it. A threshold has the criterion's units: |w|
(magnitude), |w| times the root mean square of its input (wanda), or the squared error of the output
that the zero costs (obs).
Needs: samples without labels.
Cost: one inverse of each operator's input covariance, O(inputs^3).
Choose it when: the file is packed afterwards, or a device has sparse kernels. ONNX Runtime computes
with zeros as with other numbers: the model is NOT faster, and its file is smaller only once packed.
"""

from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from lissom.errors import MethodError
from lissom.graph.model import Model
from lissom.methods.protocol import ALREADY, NOT_FINITE, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.pruning import EitherRatio
from lissom.methods.reading import readings
from lissom.methods.zeroing import zeroed

__all__ = ["Sparse"]

_ID = "prune.sparse"


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Sparse:
    """Zeros in weights; see the module."""

    ratio: EitherRatio = None
    threshold: Annotated[
        Annotated[float, Field(ge=0.0, lt=float("inf"))] | None,
        Field(
            description="Instead of a ratio: all weights that are worth less to the criterion "
            "become zero; not with 2:4 and 4:8.",
            json_schema_extra={"search": [0.01]},
        ),
    ] = None
    pattern: Annotated[
        Literal["unstructured", "2:4", "4:8", "block"],
        Field(
            description="Where zeros may stand; 2:4 and 4:8 set the ratio to a half.",
            json_schema_extra={"search": ["unstructured"]},
        ),
    ] = "unstructured"
    criterion: Annotated[
        Literal["obs", "wanda", "magnitude"],
        Field(description="Which weights become zero.", json_schema_extra={"search": ["obs"]}),
    ] = "obs"

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.threshold is not None and self.ratio is not None:
            raise ValueError("give a ratio or a threshold, not both")
        if self.threshold is not None and ":" in self.pattern:
            raise ValueError(f"the pattern {self.pattern} says how many are zero; no threshold can")
        return self

    def plan(self, model: Model, context: Context) -> Plan:
        """Zero and correct every operator that can be seen as a matrix."""
        if context.original.already_quantized:
            skip = Skip(target="model", reason=ALREADY)
            return Plan(method=_ID, edits=(), skips=(skip,), summary="nothing was zeroed")
        if context.calibration is None:
            raise MethodError("calibration samples are needed, and none were given")
        skips, nodes = [], []
        for node, (site, _) in readings(model).items():
            reason = context.scope.refusal(model.node(node))
            if model.weights[site.weight].dtype != "float32":
                reason = f"its weight is {model.weights[site.weight].dtype}"
            if len(model.consumers[site.weight]) > 1:
                reason = "its weight is shared"
            if reason is None:
                nodes.append(node)
            else:
                skips.append(Skip(target=node, reason=reason))
        if not nodes:
            return Plan(method=_ID, edits=(), skips=tuple(skips), summary="nothing was zeroed")
        settings = {
            "ratio": self.ratio or 0.5,
            "threshold": self.threshold,
            "pattern": self.pattern,
            "criterion": self.criterion,
        }
        found = zeroed(model, nodes, settings, context.calibration, context.store)
        skips += [Skip(target=node, reason=self._why_none) for node in found.untouched]
        skips += [Skip(target=node, reason=NOT_FINITE) for node in found.unseen]
        if not found.edits:
            return Plan(method=_ID, edits=(), skips=tuple(skips), summary="nothing was zeroed")
        return Plan(
            method=_ID,
            edits=found.edits,
            skips=tuple(skips),
            summary=f"{found.zeros} of {found.weights} weights of {len(nodes)} operators are zero: "
            f"{found.packed_bytes} instead of {4 * found.weights} bytes if packed, no faster",
        )

    @property
    def _why_none(self) -> str:
        if self.threshold is None:
            return "it has too few inputs for a zero"
        return f"none of its weights is worth less than {self.threshold:g}"
