"""Does the clock hold what it says: a model against itself, on a machine at rest and a busy one.

    python -m bench.clock [--cache DIR] [--runs 100] [--busy-runs 20] [--out FILE]

Each run is one timing as `lissom compress` makes it. A model is as fast as itself, so the 95%
interval of its speedup over itself should hold 1 in about 95 of 100 runs. Then the same with one
other process that never rests, and with one on every processor. And for a model and its quantized
twin: do busy machines' intervals hold the speedup that the machine at rest found?

It wants a machine that nobody else uses: about 25 minutes at rest, and as long again when busy.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import lissom
from lissom.demo.files import paths
from lissom.measure.environment import current
from lissom.measure.latency import Timing, compare_latency
from lissom.measure.pinning import Quiet
from lissom.runtime import cores
from lissom.runtime.target import Target
from lissom.search.assess import SECONDS
from lissom.search.opening import open_model
from lissom.store.store import Store

RESULT = Path(__file__).parent / "results" / "clock.json"
_SPIN = "while True: pass"
_START_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model, and what is timed against it: itself, or its quantized twin."""

    name: str
    model: Path
    twin: Path | None
    feed: Mapping[str, np.ndarray]


def main() -> None:
    """Time everything in every state of the machine, and write one result."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.clock",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--runs", type=int, default=100, help="of each model, at rest")
    parser.add_argument("--busy-runs", type=int, default=20, help="in a busy state, and of twins")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    every = {"at rest": 0, "one busy": 1, "all busy": len(cores.logical())}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        each = list(subjects(given.cache, Path(folder), store))
        found: dict[str, Any] = {one.name: {} for one in each}
        for state, spinning in every.items():
            count = given.busy_runs if spinning else given.runs
            with busy(spinning):
                for one in each:
                    found[one.name][state] = told(one, count, given.busy_runs, store)
                    print(f"{state}: {one.name}: {json.dumps(found[one.name][state])}", flush=True)
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "seconds": SECONDS,
        "models": {name: with_truth(states) for name, states in found.items()},
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def subjects(cache: Path, folder: Path, store: Store) -> Iterator[Subject]:
    """The demonstration's network, and those of the published tasks that have been built."""
    demo = paths()
    twins = {"demo": ("quantize.static", demo.samples), "minilm": ("quantize.dynamic", None)}
    models = {"demo": demo.model}
    models |= {name: cache / name / "model.onnx" for name in ("fmnist_vgg", "minilm")}
    for name, model in models.items():
        if not model.exists():
            print(f"{name}: not built, left out")
            continue
        twin = None
        if name in twins:
            method, samples = twins[name]
            recipe = lissom.Recipe(name="twin", steps=(lissom.Step(method=method),))
            twin = lissom.apply(
                recipe, model, samples, out=folder / f"{name}.onnx", store=store.root
            ).path
        opened = open_model(model, None, store=store, target=Target())
        yield Subject(name=name, model=model, twin=twin, feed=opened.feed)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many other processes that never rest."""
    spinning = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(count)]
    try:
        time.sleep(_START_SECONDS)
        yield
    finally:
        for one in spinning:
            one.kill()
            one.wait()


def told(subject: Subject, count: int, twin_count: int, store: Store) -> dict[str, Any]:
    """Timings of a model against itself, and of its twin against it, in numbers."""
    started = time.monotonic()
    quiet = Quiet()

    def timed(other: Path, times: int) -> list[Timing]:
        return [
            compare_latency(
                subject.model,
                other,
                subject.feed,
                Target(),
                seconds=SECONDS,
                store=store,
                quiet=quiet,
            )
            for _ in range(times)
        ]

    alone = timed(subject.model, count)
    found = {
        "latency_ms": statistics.median(one.original.median_ms for one in alone),
        "itself": against(alone, 1.0),
    }
    if subject.twin is not None:
        twins = timed(subject.twin, twin_count)
        found["twin_intervals"] = [list(one.speedup_interval) for one in twins]
        found["twin_speedups"] = [one.speedup for one in twins]
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def against(timings: list[Timing], truth: float) -> dict[str, Any]:
    """How often the intervals hold the truth, and how wide they are."""
    half = [(high - low) / 2 for low, high in (one.speedup_interval for one in timings)]
    return {
        "runs": len(timings),
        "held": sum(one.speedup_interval[0] <= truth <= one.speedup_interval[1] for one in timings),
        "half_width_median": statistics.median(half),
        "half_width_p90": float(np.quantile(half, 0.9)),
        "speedup_least": min(one.speedup for one in timings),
        "speedup_most": max(one.speedup for one in timings),
        "busy_median": statistics.median(one.busy for one in timings),
        "others_median": statistics.median(one.load.others for one in timings),
        "waited_seconds": sum(one.load.waited_seconds for one in timings),
    }


def with_truth(states: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How often each state's intervals hold the speedup that the machine at rest found."""
    if "twin_speedups" not in states["at rest"]:
        return states
    truth = statistics.median(states["at rest"]["twin_speedups"])
    made = {}
    for state, found in states.items():
        speedups, intervals = found["twin_speedups"], found["twin_intervals"]
        twin = {
            "runs": len(speedups),
            "truth": truth,
            "held": sum(low <= truth <= high for low, high in intervals),
            "speedup_median": statistics.median(speedups),
            "half_width_median": statistics.median((high - low) / 2 for low, high in intervals),
        }
        rest = {key: value for key, value in found.items() if not key.startswith("twin_")}
        made[state] = {**rest, "twin": twin}
    return made


if __name__ == "__main__":
    main()
