"""Round the weights of the published tasks to 4 and 3 bits, in every way that there is.

    python -m bench.weights [TASK ...] [--cache DIR] [--bits BITS ...] [--method ID ...]

Unlabelled calibration inputs of the task; scored on the labelled test set. One scale a channel,
activations in float. Raw results go to `bench/results/weights.json`, one entry a task; methods that
are not asked for keep the numbers that they have.
"""

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import lissom
from bench import task, timing
from bench.build import ensure
from bench.expected_drop import READERS, RIGHT
from bench.places import scored
from lissom.measure.environment import current
from lissom.numerics.statistics import paired_interval
from lissom.runtime.target import Target

RESULT = Path(__file__).parent / "results" / "weights.json"
NEAREST = "quantize.weight_only"
METHODS = (
    NEAREST,
    "quantize.hqq",
    "quantize.awq",
    "quantize.adaround",
    "quantize.gptq",
    "quantize.codebook",
)
AGAINST = {
    "quantize.adaround": NEAREST,
    "quantize.gptq": NEAREST,
    "quantize.codebook": "quantize.gptq",
}
"""What the answers to the test inputs are compared with, one by one."""
BITS = (4, 3)


def main() -> None:
    """Build what is missing, run, and add each number to the result file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(task.NAMES))
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--models", type=Path, help="folder with ready fmnist_*.onnx")
    parser.add_argument("--store", type=Path, help="where results are remembered")
    parser.add_argument("--bits", type=int, nargs="*", default=BITS)
    parser.add_argument("--method", nargs="*", default=METHODS, choices=METHODS)
    given = parser.parse_args()
    if unknown := set(given.tasks) - set(task.NAMES):
        parser.error(f"no such task: {', '.join(sorted(unknown))}")
    for name in given.tasks or task.NAMES:
        job = ensure(name, given.cache, given.models)
        for bits in given.bits:
            for method in given.method:
                if method == NEAREST and bits not in {4, 8}:
                    continue  # it has no other widths
                one = made(job, method, bits, given.cache, given.store)
                print(f"{name}: {method} in {bits} bits: {one}", flush=True)
                keep(job, method, bits, one)


def keep(job: task.Task, method: str, bits: int, one: dict[str, Any]) -> None:
    """Add one model's numbers to the result file."""
    known = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    if job.name not in known:
        known[job.name] = {
            "metric": job.metric,
            "original": scored(job, (job.model, Target())),
            "rounded": {},
        }
    known[job.name]["date"] = f"{datetime.now(UTC):%Y-%m-%d}"
    known[job.name]["environment"] = current().to_json()
    known[job.name]["rounded"].setdefault(str(bits), {})[method] = one
    RESULT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def made(job: task.Task, method: str, bits: int, cache: Path, store: Path | None) -> dict[str, Any]:
    """Round one model, score it, and compare its answers with those of another rounding."""
    started = time.monotonic()
    step = lissom.Step(method=method, parameters={"bits": bits})
    kept = cache / "rounded" / job.name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = lissom.apply(
            lissom.Recipe(name="rounded", steps=(step,)),
            job.model,
            job.calibration,
            out=Path(folder) / "model.onnx",
            store=store or cache / "store",
        )
        seconds = time.monotonic() - started
        right = judged(job, path)
        size_ratio = job.model.stat().st_size / path.stat().st_size
    np.save(kept / f"{method}-{bits}.npy", right)
    found = {
        "seconds": round(seconds, 1),
        "quality": float(right.mean()),
        "size_ratio": size_ratio,
    }
    other = kept / f"{AGAINST.get(method)}-{bits}.npy"
    if other.exists():
        gained = right.astype(float) - np.load(other)
        low, high = paired_interval(gained)
        found["against"] = {
            "method": AGAINST[method],
            "gained": float(gained.mean()),
            "interval": [low, high],
        }
    return found


def judged(job: task.Task, path: Path) -> np.ndarray:
    """Which answers to the test inputs are right."""
    session = timing.session(path, 1)
    data = dict(np.load(job.model.parent / "data.npz", allow_pickle=False))
    read = [READERS[job.name](session.run(None, feed)[0], data) for feed in job.test]
    return RIGHT[job.name](read, data)


if __name__ == "__main__":
    main()
