"""Mix channels by an orthogonal matrix between two products, so that none is larger than others.

Source: Ashkboos et al., "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs", NeurIPS 2024,
arXiv:2404.00456, section 4 (values and the output projection of a head).
Differs: only matrices that disappear into the weights on both sides, found by following channels:
the values of each attention head, and products in a row; the residual stream, whose normalization
takes means, is left alone; a block is rotated only if its weights are then more even.
Needs: nothing but the shapes of one run; no samples.
Cost: O(parameters x channels of a block).
Choose it when: activations, or weights with one scale for a whole tensor, have outlier channels;
where each output channel or block of a weight has its own scale, it can lose more than it gives.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, final

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.graph.edit import ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.scaling.mixing import Mixable, mixable
from lissom.methods.protocol import ALREADY, NO_WEIGHTS, SETTINGS, Context, Need, Plan, Skip
from lissom.numerics.rotation import incoherence, orthogonal

__all__ = ["Rotate"]

_ID = "equalize.rotate"
Array = npt.NDArray[Any]


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Rotate:
    """Rotation between products; see the module."""

    least: Annotated[
        int,
        Field(
            ge=2,
            le=4096,
            description="Blocks of fewer channels than this are left alone.",
            json_schema_extra={"search": [8]},
        ),
    ] = 8

    needs: ClassVar[frozenset[Need]] = frozenset()

    def plan(self, model: Model, context: Context) -> Plan:
        """Rotate every block that gets more even.

        Raises:
            MethodError: the model cannot be run for its shapes.
        """
        if model.already_quantized:
            return _plan([], [Skip(target="model", reason=ALREADY)], "nothing was rotated")
        found, refused = mixable(model, context.shapes_of(model))
        skips = [Skip(target=node, reason=reason) for node, reason in refused.items()]
        changed: dict[str, Array] = {}
        rotated = 0
        for one in found:
            reason = self._refusal(one, model, context)
            arrays = {} if reason else _turned(one, model, changed, context.seed)
            if reason is None and not arrays:
                reason = "its weights would be no more even"
            if reason is None:
                changed |= arrays
                rotated += len(one.blocks)
            else:
                skips.append(Skip(target=one.maker.node, reason=reason))
        edits = [
            ReplaceWeight(weight=name, values=context.store.put_array(array.astype(np.float32)))
            for name, array in changed.items()
        ]
        nothing = [Skip(target="model", reason=NO_WEIGHTS)]
        return _plan(edits, skips or ([] if edits else nothing), f"{rotated} blocks rotated")

    def _refusal(self, one: Mixable, model: Model, context: Context) -> str | None:
        """Why channels are left alone; None if they need not be."""
        if one.blocks.shape[1] < self.least:
            return f"its blocks have fewer than {self.least} channels"
        weights = [one.maker.weight, *one.biases, *(site.weight for site, _ in one.readers)]
        if not all(np.all(np.isfinite(model.weight(name))) for name in weights):
            return "its weights are not finite"
        nodes = {one.maker.node, *(site.node for site, _ in one.readers)}
        nodes |= {node for name in one.biases for node in model.consumers[name]}
        refusals = (context.scope.refusal(model.node(node)) for node in sorted(nodes))
        return next(filter(None, refusals), None)


def _plan(edits: Sequence[ReplaceWeight], skips: Sequence[Skip], summary: str) -> Plan:
    return Plan(method=_ID, edits=tuple(edits), skips=tuple(skips), summary=summary)


def _turned(one: Mixable, model: Model, changed: dict[str, Array], seed: int) -> dict[str, Array]:
    """The weights with every block turned; none if they are no more even than before."""

    def held(name: str) -> Array:
        return np.asarray(changed.get(name, model.weight(name)), np.float64).copy()

    turn = orthogonal(one.blocks.shape[1], seed)
    made = one.maker.canonical(held(one.maker.weight)).copy()
    biases = {name: held(name) for name in one.biases}
    read = {site.weight: (site, site.canonical(held(site.weight)).copy())
            for site, _ in one.readers}  # fmt: skip
    before = _uneven([made, *(array for _, array in read.values())])
    for block in one.blocks:
        made[block] = turn.T @ made[block]
        for array in biases.values():
            array[block] = turn.T @ array[block]
        for site, channels in one.readers:
            order = np.argsort(channels, kind="stable")
            columns = order[np.searchsorted(channels, block, sorter=order)]
            read[site.weight][1][:, columns] = read[site.weight][1][:, columns] @ turn
    if _uneven([made, *(array for _, array in read.values())]) >= before:
        return {}
    turned = {name: np.asarray(site.stored(array)) for name, (site, array) in read.items()}
    return {one.maker.weight: np.asarray(one.maker.stored(made)), **biases, **turned}


def _uneven(weights: Sequence[Array]) -> float:
    return sum(incoherence(weight) for weight in weights)
