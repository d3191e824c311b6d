"""Remove whole blocks: residual branches, layers and gates that the network can do without.

Source: greedy removal of layers by what it costs at the outputs, as Kim, Kim, Kim, Castells, Choi,
Shin and Song, "Shortened LLaMA", 2024, arXiv:2402.02834, section 3.1; that depth can leave, Men et
al., "ShortGPT", 2024, arXiv:2403.03853; with lazy evaluation (Minoux, 1978).
Differs: blocks are found from shapes, so branches of convolutional networks count as well; the
error is measured after the next operators were fitted anew, and per saved arithmetic; what follows
is repaired in closed form instead of trained.
Needs: samples without labels.
Cost: for each block some runs of the network on a hundred samples, and a repair at the end.
Choose it when: latency is bound by the number of operators, or memory: a block leaves with all its
operators, where narrower channels leave each of them in place.
"""

from typing import Annotated, ClassVar, final

from pydantic import Field
from pydantic.dataclasses import dataclass

from lissom.errors import MethodError
from lissom.graph.blocks import Block, blocks
from lissom.graph.cost import macs
from lissom.graph.edit import Edit
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.methods.bypassing import choose, fittable, followers
from lissom.methods.gathering import HELD_OUT
from lissom.methods.protocol import ALREADY, SETTINGS, Context, Need, Plan, Skip
from lissom.methods.pruning import Repaired
from lissom.methods.removing import nothing
from lissom.methods.repair import refit

__all__ = ["Blocks"]

_ID = "prune.blocks"
_NONE = "no block can leave"
_LEAST = 0.01  # of the arithmetic: what saves less is not worth its measurement
_MOST = 0.5  # of the arithmetic: what holds more is the network itself


@final
@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Blocks:
    """Depth pruning by the cost at the outputs; see the module."""

    ratio: Annotated[
        float,
        Field(
            ge=0.01,
            le=0.99,
            description="Blocks leave until this share of the arithmetic is saved.",
            json_schema_extra={"search": [0.1, 0.2, 0.3]},
        ),
    ] = 0.2
    count: Annotated[
        int,
        Field(
            ge=1,
            description="So many blocks leave at most.",
            json_schema_extra={"search": [64]},
        ),
    ] = 64
    repair: Repaired = True

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ROWS})

    def plan(self, model: Model, context: Context) -> Plan:
        """Remove blocks, and repair."""
        if context.original.already_quantized:
            return nothing(_ID, [Skip(target="model", reason=ALREADY)], _NONE)
        if context.calibration is None:
            raise MethodError("calibration samples are needed, and none were given")
        if context.calibration.count < HELD_OUT:
            few = f"fewer than {HELD_OUT} samples: none can be held out to judge blocks by"
            return nothing(_ID, [Skip(target="model", reason=few)], _NONE)
        shapes = context.shapes_of(model)
        total = sum(macs(model, shapes).values())
        able, skips = _able(blocks(model, shapes), model, total, context)
        if not able:
            return nothing(_ID, skips, _NONE)
        chosen = choose(model, able, self.count, self.ratio * total, context.calibration, context)
        if not chosen:
            lost = "without any block nothing is left of the answers"
            return nothing(_ID, [*skips, Skip(target="model", reason=lost)], _NONE)
        removed = [one.block.edit for one in chosen]
        edits: tuple[Edit, ...] = tuple(removed)
        if self.repair:
            reduced = perform(model, removed, context.store)
            nodes = followers(reduced, removed, fittable(model, context))
            edits += refit(model, reduced, nodes, context.calibration, context).edits
        left = 1 - sum(one.block.macs for one in chosen) / total
        names = ", ".join(one.block.name for one in chosen)
        return Plan(
            method=_ID,
            edits=edits,
            skips=tuple(skips),
            summary=f"{len(chosen)} of {len(able)} blocks removed, {left:.0%} of the arithmetic "
            f"left: {names}",
        )


def _able(
    found: tuple[Block, ...], model: Model, total: int, context: Context
) -> tuple[list[Block], list[Skip]]:
    """Blocks that may leave, and why others are left alone."""
    able, skips = [], []
    for block in found:
        refusals = [context.scope.refusal(model.node(node)) for node in block.nodes]
        reason = next(filter(None, refusals), None)
        if reason is None and block.macs < _LEAST * total:
            reason = f"it saves less than {_LEAST:.0%} of the arithmetic"
        if reason is None and block.macs > _MOST * total:
            reason = f"it holds more than {_MOST:.0%} of the arithmetic"
        if reason is None:
            able.append(block)
        else:
            skips.append(Skip(target=block.name, reason=reason))
    if not found:
        skips.append(Skip(target="model", reason="no value could stand in for a later one"))
    return able, skips
