"""How much memory a model takes when it is loaded and run.

The growth of a fresh process's peak resident memory, from after the runtime is loaded and has run a
tiny model (its own code and threads are not the model's) to after loading and some runs.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lissom.graph import probe_models
from lissom.isolate.child import ChildLimits, call
from lissom.measure.feeds import read_feed, write_feed
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["grow", "peak_memory"]

_RUNS = 5
_LIMITS = ChildLimits(seconds=600.0)


def peak_memory(path: Path, feed: Mapping[str, np.ndarray], target: Target, store: Store) -> int:
    """Bytes that the process grew by at its peak. Good to about a megabyte.

    Raises:
        MeasurementError: The runtime cannot load or run the model.
        ChildFailed: It crashed, or took far too long.
    """
    with store.scratch() as folder:
        tiny = folder.resolve() / "tiny.onnx"
        tiny.write_bytes(probe_models.float_product((1, 4), (4, 4)))
        grown: int = call(
            "lissom.measure.memory:grow",
            {
                "path": str(path.resolve()),
                "tiny": str(tiny),
                "feed": write_feed(feed, folder),
                "target": target.to_json(),
            },
            limits=_LIMITS,
        )
    return grown


def grow(*, path: str, tiny: str, feed: Mapping[str, Json], target: Mapping[str, Json]) -> int:
    """Child entry: load and run; answer by how many bytes the peak went above the beginning."""
    given, place = read_feed(feed), Target.from_json(target)
    runtime = registry.load(place.runtime)
    with runtime.open(Path(tiny), place) as session:
        session.run({"x": np.zeros((1, 4), np.float32)})
    _forget_peak()
    before = _resident_bytes()
    with runtime.open(Path(path), place) as session:
        for _ in range(_RUNS):
            session.run(given)
        after = max(_peak_bytes(), _resident_bytes())
    return max(0, after - before)


def _forget_peak() -> None:
    """Where the kernel can, start the peak anew from what is used now."""
    if sys.platform != "linux":
        return
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # Some containers forbid it: then the peak includes that of loading the runtime.


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _peak_bytes() -> int:
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
