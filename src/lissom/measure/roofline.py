"""What a node could take at best on this machine, and what keeps it from that.

The roofline: a node takes at least as long as its arithmetic at the highest rate, and at least as
long as moving its bytes (Williams, Waterman and Patterson, Communications of the ACM 52(4), 2009).
Weights come from wherever all weights of the model fit, since every run goes through all of them;
activations from wherever those of the node fit.
"""

from dataclasses import dataclass
from typing import Final, Literal

from lissom.graph.cost import Work
from lissom.measure.ceilings import Ceilings, Numbers

__all__ = ["FEW", "Limit", "Roof", "limit_of", "roof_of"]

Limit = Literal["compute", "bandwidth", "overhead", "width"]
"""What a node's time is due to: its arithmetic, its bytes, the cost of a node as such, or a shape
too narrow to fill the kernel (few channels or rows)."""

NEAR: Final = 0.6
"""Share of the roofline from which a node is limited by what the roofline says."""
FEW: Final = 3.0
"""A node that takes no more than so many empty ones is limited by the cost of a node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """The least time of one node, in milliseconds.

    Attributes:
        compute_ms: of its arithmetic.
        memory_ms: of its bytes.
    """

    compute_ms: float
    memory_ms: float

    @property
    def least_ms(self) -> float:
        """The longer of the two: neither can be avoided."""
        return max(self.compute_ms, self.memory_ms)


def roof_of(
    work: Work, op_type: str, ceilings: Ceilings, *, held_bytes: int, numbers: Numbers = "float32"
) -> Roof:
    """Answer the least time of a node.

    Args:
        work: what it computes and moves.
        op_type: its operator.
        ceilings: of this machine.
        held_bytes: of all weights of the model.
        numbers: the format of a product's operands.
    """
    rate = ceilings.gflops(op_type, numbers)
    return Roof(
        compute_ms=2 * work.macs / (1e6 * rate) if rate else 0.0,
        memory_ms=ceilings.move_ms(work.weight_bytes, held_bytes)
        + ceilings.move_ms(work.activation_bytes),
    )


def limit_of(roof: Roof, milliseconds: float, node_ms: float) -> Limit:
    """Say what a node's time is due to.

    Args:
        roof: its least time.
        milliseconds: the time that it took.
        node_ms: the time of a node that does next to nothing.
    """
    if roof.least_ms >= NEAR * milliseconds:
        return "compute" if roof.compute_ms >= roof.memory_ms else "bandwidth"
    return "overhead" if milliseconds <= FEW * node_ms else "width"
