"""Scale channels so that every weight that makes or reads one has the same range for it.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, arXiv:1906.04721, sections 4.1.1 and 4.1.2.
Differs: not pairs of layers but whatever weights make or read a channel, found by following labels
(residual sums, chains through depthwise convolutions, attention values), with geometric means where
there are several; a Relu that is clipped at six stays unless it is asked for (the paper replaces
it); the paper's bias absorption is equalize.absorb.
Needs: nothing but the shapes of one run; no samples.
Cost: O(parameters) for each sweep, some tens of sweeps.
Choose it when: weights get one scale for a whole tensor, or in networks of depthwise convolutions.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, final

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.edit import FuseNodes
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.scaling.groups import Group, Scalable, largest, scalable
from lissom.methods.protocol import ALREADY, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.scaling import allowed, no_groups, rescaled
from lissom.numerics.equalization import balance

__all__ = ["CrossLayer"]

_ID = "equalize.cross_layer"
_SETTLED = 1e-3  # of a factor's logarithm
Array = npt.NDArray[Any]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class CrossLayer:
    """Cross-layer equalization; see the module."""

    sweeps: Annotated[
        int,
        Field(
            ge=1,
            le=1000,
            description="How often all channels are gone through, unless nothing changes before.",
            json_schema_extra={"search": [50]},
        ),
    ] = 50
    limit: Annotated[
        float,
        Field(
            ge=1.0,
            le=1e8,
            description="A channel is scaled in a sweep by at most this, and at least its inverse.",
            json_schema_extra={"search": [1e4]},
        ),
    ] = 1e4

    relu6: Annotated[
        Literal["keep", "relu"],
        Field(
            description="A Relu that is clipped from above stops factors (keep), or becomes one "
            "that is not (relu): what was above the bound then changes what the model computes.",
            json_schema_extra={"search": ["keep"]},
        ),
    ] = "keep"

    needs: ClassVar[frozenset[Need]] = frozenset()

    def plan(self, model: Model, context: Context) -> Plan:
        """Balance the ranges of every group's channels until they settle.

        Raises:
            MethodError: the model cannot be run for its shapes.
        """
        if model.already_quantized:
            return _nothing([Skip(target="model", reason=ALREADY)])
        opened = list(_opened(model, context)) if self.relu6 == "relu" else []
        found = scalable(perform(model, opened, context.store), context.shapes_of(model))
        groups, skips = allowed(found, found.groups, context)
        groups = [group for group in groups if _between_matrices(group)]
        if not groups:
            return _nothing(no_groups(skips))
        factors, sweeps = _balanced(found, groups, self.sweeps, self.limit)
        edits = rescaled(found, factors, context.store)
        nowhere = np.full(1, found.channels)
        passed = [
            one for one in opened if np.any(factors[found.values.get(one.output, nowhere)] != 1.0)
        ]
        count = sum(len(group.channels) for group in groups)
        summary = f"{count} channels in {len(groups)} groups equalized in {sweeps} sweeps, "
        return Plan(
            method=_ID,
            edits=(*passed, *edits),
            skips=tuple(skips),
            summary=summary
            + (f"{len(passed)} bounds of Relu dropped, " if passed else "")
            + f"{len(edits)} weights changed",
        )


def _nothing(skips: Sequence[Skip]) -> Plan:
    return Plan(method=_ID, edits=(), skips=tuple(skips), summary="no channels were equalized")


def _opened(model: Model, context: Context) -> Iterator[FuseNodes]:
    """A Relu in the place of each one that is clipped from above, as far as the scope allows."""
    for node in model.nodes:
        low, high = ([model.weights.get(name) for name in node.inputs] + [None] * 3)[1:3]
        if node.op_type != "Clip" or node.domain or low is None or high is None:
            continue
        positive = bool(np.all(np.asarray(model.weight(node.inputs[2])) > 0))
        from_zero = not np.any(model.weight(node.inputs[1]))
        if from_zero and positive and context.scope.refusal(node) is None:
            yield FuseNodes(
                nodes=(node.name,),
                op_type="Relu",
                domain="",
                inputs=node.inputs[:1],
                output=node.outputs[0],
            )


def _between_matrices(group: Group) -> bool:
    return any(use.matrix for use in group.made) and any(use.matrix for use in group.read)


def _balanced(
    found: Scalable, groups: Sequence[Group], sweeps: int, limit: float
) -> tuple[Array, int]:
    """The factors of all channels, and after how many sweeps they settled."""
    factors = np.ones(found.channels + 1)
    sizes = {
        use.weight: np.abs(np.asarray(found.model.weight(use.weight), np.float64))
        for group in groups
        for use in (*group.made, *group.read)
        if use.matrix
    }
    for sweep in range(1, sweeps + 1):
        moved = 0.0
        for group in groups:
            step = np.ones(found.channels + 1)
            ends = [
                [largest(sizes[use.weight], use.labels, found.channels)[group.channels]
                 for use in side if use.matrix]
                for side in (group.made, group.read)
            ]  # fmt: skip
            step[group.channels] = balance(ends[0], ends[1], limit)
            for use in (*group.made, *group.read):
                if use.matrix:
                    sizes[use.weight] *= step[use.labels] ** use.sign
            factors *= step
            moved = max(moved, float(np.abs(np.log(step)).max()))
        if moved < _SETTLED:
            return factors, sweep
    return factors, sweeps
