"""Where each weighted operator stands under this machine's roofline.

Time from the runtime's profile, arithmetic and bytes from the graph, ceilings as the runtime
reaches them: how much of what is possible an operator gets, and what keeps it from the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lissom.graph.cost import Work
from lissom.graph.model import Model
from lissom.measure.ceilings import Ceilings
from lissom.measure.profile import NodeTime
from lissom.measure.roofline import Limit, limit_of, roof_of

__all__ = ["LIMITS", "Standing", "standings"]

LIMITS: Final[Mapping[Limit, str]] = {
    "compute": "its arithmetic is near the ceiling: narrower numbers or less of it would help",
    "bandwidth": "its bytes take the time: smaller weights or values would help",
    "overhead": "it takes about as long as an empty node: only fewer nodes would help",
    "width": "its shape does not fill the kernel: few channels or rows, or a kernel of its own",
}
"""What each limit means, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One operator under the roofline.

    Attributes:
        milliseconds: its time in one run.
        share: of the whole run, in [0, 1].
        gflops: thousand million operations a second that it reaches; a multiply-accumulate is two.
        intensity: operations for each byte that it reads or gives.
        roofline: its least time by the roofline over its time: 1 is what the machine can do.
        limit: what keeps it from being faster.
    """

    milliseconds: float
    share: float
    gflops: float
    intensity: float
    roofline: float
    limit: Limit

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "milliseconds": self.milliseconds,
            "share": self.share,
            "gflops": self.gflops,
            "intensity": self.intensity,
            "roofline": self.roofline,
            "limit": self.limit,
        }


def standings(
    model: Model, profile: tuple[NodeTime, ...], work: Mapping[str, Work], ceilings: Ceilings
) -> dict[str, Standing]:
    """Answer how each product stands, by the node's name; those without a time are left out.

    Args:
        model: the canonical model.
        profile: of the file that it was read from, attributed to nodes.
        work: of the model's nodes.
        ceilings: of the place where the profile was made.
    """
    whole = sum(one.milliseconds for one in profile)
    spent: dict[str, float] = {}
    for one in profile:
        if one.stands_for is not None:
            spent[one.stands_for] = spent.get(one.stands_for, 0.0) + one.milliseconds
    found = {}
    for name, milliseconds in spent.items():
        counted = work.get(name)
        if counted is None or counted.macs == 0 or milliseconds <= 0:
            continue
        roof = roof_of(counted, model.node(name).op_type, ceilings, held_bytes=model.weight_bytes)
        found[name] = Standing(
            milliseconds=milliseconds,
            share=milliseconds / whole,
            gflops=2 * counted.macs / (1e6 * milliseconds),
            intensity=2 * counted.macs / max(1, counted.bytes_moved),
            roofline=roof.least_ms / milliseconds,
            limit=limit_of(roof, milliseconds, ceilings.node_ms),
        )
    return found
