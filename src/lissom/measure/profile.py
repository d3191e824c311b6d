"""Where a model's time goes: each executed node's share, from the runtime's own profile.

Profiling itself costs about a microsecond a node, so these are shares, not latencies: for how long
a model takes see `latency`.
"""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lissom.isolate.child import ChildLimits, call
from lissom.measure.feeds import read_feed, write_feed
from lissom.measure.pinning import quiet_cpus
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["NodeTime", "node_seconds", "operator_times"]

_WARM_RUNS = 2
_LEAST_RUNS = 5
_MOST_RUNS = 100
_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTime:
    """One executed node.

    Attributes:
        node: Its name, as the runtime has it after its own fusions.
        op_type: Its operator, as executed.
        milliseconds: Its own time in one run: the median over runs.
        share: Of the time of all nodes, 0 to 1.
    """

    node: str
    op_type: str
    milliseconds: float
    share: float

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "node": self.node,
            "op_type": self.op_type,
            "milliseconds": self.milliseconds,
            "share": self.share,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "NodeTime":
        """Read what `to_json` wrote."""
        return cls(
            node=value["node"],
            op_type=value["op_type"],
            milliseconds=value["milliseconds"],
            share=value["share"],
        )


def operator_times(
    path: Path, feed: Mapping[str, np.ndarray], target: Target, store: Store
) -> tuple[NodeTime, ...]:
    """Profile a model: one entry for each executed node, the longest first.

    Raises:
        MeasurementError: The runtime cannot load or run the model.
        ChildFailed: It crashed, or took far too long.
    """
    with store.scratch() as folder:
        found = call(
            "lissom.measure.profile:node_seconds",
            {
                "path": str(path.resolve()),
                "feed": write_feed(feed, folder),
                "target": target.to_json(),
            },
            limits=ChildLimits(seconds=600.0, cpus=quiet_cpus(target.threads)),
        )
    whole = sum(seconds for _, _, seconds in found) or 1.0
    nodes = (
        NodeTime(node=node, op_type=op_type, milliseconds=seconds * 1e3, share=seconds / whole)
        for node, op_type, seconds in found
    )
    return tuple(sorted(nodes, key=lambda one: (-one.milliseconds, one.node)))


def node_seconds(
    *, path: str, feed: Mapping[str, Json], target: Mapping[str, Json]
) -> list[tuple[str, str, float]]:
    """Child entry: node, operator, and median seconds in a run, warm-up runs left out."""
    given, place = read_feed(feed), Target.from_json(target)
    runtime = registry.load(place.runtime)
    with TemporaryDirectory() as folder:
        profile = Path(folder) / "profile.json"
        runs = 0
        with runtime.open(Path(path), place, profile=profile) as session:
            session.time(given, _WARM_RUNS)
            deadline = time.perf_counter() + _SECONDS
            while runs < _LEAST_RUNS or (runs < _MOST_RUNS and time.perf_counter() < deadline):
                session.time(given, 1)
                runs += 1
        executed = runtime.node_times(profile)
    per_run: dict[tuple[str, str], dict[int, float]] = {}
    for one in executed:
        if one["run"] >= _WARM_RUNS:
            mine = per_run.setdefault((str(one["node"]), str(one["op_type"])), {})
            mine[one["run"]] = mine.get(one["run"], 0.0) + one["seconds"]
    # A branch not taken in some runs took no time there.
    return [
        (node, op_type, statistics.median([*mine.values(), *[0.0] * (runs - len(mine))]))
        for (node, op_type), mine in per_run.items()
    ]
