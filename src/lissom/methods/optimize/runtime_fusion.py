"""The runtime's own offline fusions, written into the file.

Source: the graph optimizations of ONNX Runtime and its transformer optimizer (documentation,
"Graph Optimizations in ONNX Runtime"); GELU after Hendrycks and Gimpel, arXiv:1606.08415.
Differs: nothing; what the runtime writes is measured like any other candidate.
Needs: nothing.
Cost: one run of the runtime's optimizer.
Choose it when: the model holds GELU, layer normalization or attention as many small operators; the
result is for this runtime only.
"""

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from lissom.graph.edit import ReplaceGraph
from lissom.graph.model import Model
from lissom.graph.save import save
from lissom.methods.protocol import SETTINGS, Context, Need, Plan, Skip
from lissom.runtime import registry

__all__ = ["RuntimeFusion"]

_ID = "optimize.runtime_fusion"


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class RuntimeFusion:
    """The runtime's own offline fusions; see the module."""

    needs: ClassVar[frozenset[Need]] = frozenset()

    def plan(self, model: Model, context: Context) -> Plan:
        """Let the runtime optimize the whole model; a scope cannot be honoured, so none may be set.

        Raises:
            ChildFailed: the optimizer did not come to an end.
            MeasurementError: what it wrote cannot be loaded.
        """
        reason = None
        if context.scope.include or context.scope.exclude:
            reason = "the runtime optimizes whole models only; remove include and exclude"
        elif model.already_quantized:
            reason = "it is already quantized, and fusions of float operators would miss it"
        if reason is not None:
            return _nothing(reason)
        runtime = registry.load(context.target.runtime)
        with context.store.scratch() as folder:
            source, out = (folder / "source.onnx").resolve(), (folder / "fused.onnx").resolve()
            save(model, source, metadata={})
            fused = runtime.optimize(source, out, context.target)
            if not fused:
                return _nothing(f"{context.target.runtime} found nothing to fuse")
            ref = context.store.put_file(out, ".onnx")
        names = ", ".join(fused)
        edit = ReplaceGraph(model=ref, reason=f"fused by {context.target.runtime}: {names}")
        return Plan(method=_ID, edits=(edit,), skips=(), summary=f"fused {names}")


def _nothing(reason: str) -> Plan:
    skip = Skip(target="model", reason=reason)
    return Plan(method=_ID, edits=(), skips=(skip,), summary="nothing was fused")
