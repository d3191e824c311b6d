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

import lissom
from bench import task
from bench.build import ensure
from bench.places import scored
from lissom.measure.environment import current
from lissom.runtime.target import Target

RESULT = Path(__file__).parent / "results" / "weights.json"
NEAREST = "quantize.weight_only"
METHODS = (NEAREST, "quantize.hqq", "quantize.awq", "quantize.adaround", "quantize.gptq")
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
                one = made(job, method, bits, given.store or given.cache / "store")
                print(f"{name}: {method} in {bits} bits: {one}", flush=True)
                keep(job, method, bits, one)


def keep(job: task.Task, method: str, bits: int, one: dict[str, Any]) -> None:
    """Add one number to the result file."""
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


def made(job: task.Task, method: str, bits: int, store: Path) -> dict[str, Any]:
    """Round one model and score it."""
    started = time.monotonic()
    step = lissom.Step(method=method, parameters={"bits": bits})
    with tempfile.TemporaryDirectory() as folder:
        path = lissom.apply(
            lissom.Recipe(name="rounded", steps=(step,)),
            job.model,
            job.calibration,
            out=Path(folder) / "model.onnx",
            store=store,
        )
        return {
            "seconds": round(time.monotonic() - started, 1),
            "quality": scored(job, (path, Target())),
            "size_ratio": job.model.stat().st_size / path.stat().st_size,
        }


if __name__ == "__main__":
    main()
