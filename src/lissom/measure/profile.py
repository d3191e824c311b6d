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

from lissom.graph.wiring import read_wiring
from lissom.isolate.child import ChildLimits, call
from lissom.measure.attribution import attribute
from lissom.measure.feeds import read_feed, write_feed
from lissom.measure.pinning import Quiet, quiet_cpus
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["NodeTime", "node_seconds", "node_runs", "operator_times"]

_WARM_RUNS = 2
_LEAST_RUNS = 5
_MOST_RUNS = 100
_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTime:
    """One executed node.

    Attributes:
        node: Its name, as the runtime has it after its own fusions.
        op_type: Its operator, as executed.
        milliseconds: Its own time in one run: the median over runs.
        share: Of the time of all nodes, 0 to 1.
        stands_for: The node of the file that it runs, or the product among the nodes that it joins;
            None where that cannot be told, or was not asked.
    """

    node: str
    op_type: str
    milliseconds: float
    share: float
    stands_for: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "node": self.node,
            "op_type": self.op_type,
            "milliseconds": self.milliseconds,
            "share": self.share,
            "stands_for": self.stands_for,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "NodeTime":
        """Read what `to_json` wrote."""
        return cls(
            node=value["node"],
            op_type=value["op_type"],
            milliseconds=value["milliseconds"],
            share=value["share"],
            stands_for=value["stands_for"],
        )


def operator_times(
    path: Path,
    feed: Mapping[str, np.ndarray],
    target: Target,
    store: Store,
    *,
    attributed: bool = False,
    quiet: Quiet | None = None,
) -> tuple[NodeTime, ...]:
    """Profile a model: one entry for each executed node, the longest first.

    Args:
        path: The model's file.
        feed: What it is fed.
        target: The runtime and how it runs.
        store: For a scratch folder only.
        attributed: Say which node of the file each of them stands for, too.
        quiet: Waits for idle processors first; None takes the least busy as they are.

    Raises:
        MeasurementError: The runtime cannot load or run the model.
        ModelError: Its nodes were asked for, and the file cannot be read.
        ChildFailed: It crashed, or took far too long.
    """
    cpus = quiet_cpus(target.threads) if quiet is None else quiet.processors(target.threads).cpus
    with store.scratch() as folder:
        found = call(
            "lissom.measure.profile:node_seconds",
            {
                "path": str(path.resolve()),
                "feed": write_feed(feed, folder),
                "target": target.to_json(),
                "attributed": attributed,
            },
            limits=ChildLimits(seconds=600.0, cpus=cpus),
        )
    whole = sum(one["seconds"] for one in found) or 1.0
    nodes = (
        NodeTime(
            node=one["node"],
            op_type=one["op_type"],
            milliseconds=one["seconds"] * 1e3,
            share=one["seconds"] / whole,
            stands_for=one["stands_for"],
        )
        for one in found
    )
    return tuple(sorted(nodes, key=lambda one: (-one.milliseconds, one.node)))


def node_seconds(
    *, path: str, feed: Mapping[str, Json], target: Mapping[str, Json], attributed: bool
) -> list[dict[str, Json]]:
    """Child entry: each node's operator, median seconds in a run, and what it stands for."""
    file, place = Path(path), Target.from_json(target)
    executed = node_runs(file, read_feed(feed), place, seconds=_SECONDS)
    meant: tuple[str | None, ...] = (None,) * len(executed)
    if attributed:
        meant = attribute(list(executed), read_wiring(file))
    return [
        {
            "node": node,
            "op_type": op_type,
            "seconds": statistics.median(seconds),
            "stands_for": name,
        }
        for ((node, op_type), seconds), name in zip(executed.items(), meant, strict=True)
    ]


def node_runs(
    path: Path, feed: Mapping[str, np.ndarray], target: Target, *, seconds: float
) -> dict[tuple[str, str], list[float]]:
    """Run a model in this process, profiled: the seconds of each node in each run.

    Args:
        path: The model's file.
        feed: What it is fed.
        target: The runtime and how it runs.
        seconds: How long to go on at most, once there are a few runs.

    Returns:
        (node, operator) to one number a run, warm-up runs left out. A branch not taken in a run
        took no time there.
    """
    runtime = registry.load(target.runtime)
    with TemporaryDirectory() as folder:
        profile = Path(folder) / "profile.json"
        runs = 0
        with runtime.open(path, target, profile=profile) as session:
            session.time(feed, _WARM_RUNS)
            deadline = time.perf_counter() + seconds
            while runs < _LEAST_RUNS or (runs < _MOST_RUNS and time.perf_counter() < deadline):
                session.time(feed, 1)
                runs += 1
        executed = runtime.node_times(profile)
    per_run: dict[tuple[str, str], dict[int, float]] = {}
    for one in executed:
        if one["run"] >= _WARM_RUNS:
            mine = per_run.setdefault((str(one["node"]), str(one["op_type"])), {})
            mine[one["run"]] = mine.get(one["run"], 0.0) + one["seconds"]
    return {key: [*mine.values(), *[0.0] * (runs - len(mine))] for key, mine in per_run.items()}
