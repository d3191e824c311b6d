"""Prune the published tasks: what removal takes, what repair gives back, what int8 adds.

    python -m bench.pruning [TASK ...] [--cache DIR] [--models DIR]

Unlabelled calibration inputs of the task, at most 512 of them; scored on the labelled test set;
each model timed against the original on ONNX Runtime, one thread, in interleaved rounds. Raw
results go to `bench/results/pruning.json`, one entry a task.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

import lissom
from bench import task
from bench.build import ensure
from bench.places import ratios_of, scored
from lissom.measure.environment import current
from lissom.runtime.target import Target

RESULT = Path(__file__).parent / "results" / "pruning.json"
SAMPLES = 1710
LOOK_SECONDS = 0.05
STATIC = {"ranges": "mse", "asymmetric_channels": 64}
WIDE = {"ranges": "percentile", "depthwise": "float"}
AGAIN = lissom.Step(method="quantize.bias_correction")
# Ratios of the curve, the ratio at which removal and repair are told apart, and the int8 step.
PLANS: dict[str, tuple[tuple[float, ...], float, tuple[lissom.Step, ...]]] = {
    "fmnist_vgg": ((0.5, 0.65, 0.7), 0.25, (
        lissom.Step(method="quantize.static", parameters=STATIC), AGAIN)),
    "fmnist_resnet": ((0.2, 0.25, 0.3), 0.25, (
        lissom.Step(method="quantize.static", parameters={"ranges": "mse"}), AGAIN)),
    "minilm": ((0.25, 0.35, 0.45), 0.25, (
        lissom.Step(method="optimize.fusion"), lissom.Step(method="quantize.dynamic"), AGAIN)),
    "ocr_rec": ((0.1, 0.15, 0.2), 0.1, (
        lissom.Step(method="optimize.fusion"),
        lissom.Step(method="quantize.static", parameters=WIDE), AGAIN)),
}  # fmt: skip

ARITHMETIC = frozenset({"minilm"})
"""Tasks of matrix products alone: their time follows the arithmetic, so that is what is saved."""


def main() -> None:
    """Build what is missing, run, and add each task to the result file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pruning",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(task.NAMES))
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--models", type=Path, help="folder with ready fmnist_*.onnx")
    given = parser.parse_args()
    if unknown := set(given.tasks) - set(task.NAMES):
        parser.error(f"no such task: {', '.join(sorted(unknown))}")
    for name in given.tasks or task.NAMES:
        job = ensure(name, given.cache, given.models)
        known = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
        known[name] = run(job, given.cache / "store")
        RESULT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def run(job: task.Task, store: Path) -> dict[str, Any]:
    """All models of one task."""
    ratios, apart, integers = PLANS[job.name]
    goal = "macs" if job.name in ARITHMETIC else "latency"
    found: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "metric": job.metric,
        "original": scored(job, (job.model, Target())),
        "at": apart,
        "goal": goal,
    }
    for repair, name in ((False, "removed"), (True, "repaired")):
        even = {"ratio": apart, "allocation": "uniform", "repair": repair}
        found[name] = made(job, (prune(even),), store)
    found["curve"] = [
        {
            "ratio": ratio,
            "float": made(job, (prune({"ratio": ratio, "goal": goal}),), store),
            "int8": made(job, (prune({"ratio": ratio, "goal": goal}), *integers), store),
        }
        for ratio in ratios
    ]
    return found


def prune(parameters: Mapping[str, Any]) -> lissom.Step:
    """The step that prunes."""
    return lissom.Step(method="prune.obs", parameters=dict(parameters))


def made(job: task.Task, steps: Sequence[lissom.Step], store: Path) -> dict[str, Any]:
    """Make one model, score it, and time it against the original."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        with Children() as children:
            path = lissom.apply(
                lissom.Recipe(name="pruned", steps=tuple(steps)),
                job.model,
                job.calibration[:SAMPLES],
                out=Path(folder) / "model.onnx",
                store=store,
            ).path
        seconds = time.monotonic() - started
        ratios = ratios_of((job.model, Target()), (path, Target()), job.latency)
        answer = {
            "seconds": round(seconds, 1),
            "peak_bytes": children.peak_bytes,
            "quality": scored(job, (path, Target())),
            "speedup": statistics.median(ratios),
            "speedup_quartiles": [float(q) for q in np.quantile(ratios, (0.25, 0.75))],
            "size_ratio": job.model.stat().st_size / path.stat().st_size,
        }
    words = " + ".join(f"{step.method} {dict(step.parameters)}" for step in steps)
    print(f"{job.name}: {words}: {answer}", flush=True)
    return answer


class Children:
    """Looks at this process's children while a block runs, many times a second.

    Attributes:
        peak_bytes: the most resident memory that they had together.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._ended.wait(LOOK_SECONDS):
            now = 0
            for child in me.children(recursive=True):
                try:
                    now += child.memory_info().rss
                except psutil.Error:
                    continue  # ended between two looks
            self.peak_bytes = max(self.peak_bytes, now)


if __name__ == "__main__":
    main()
