"""Run the published tasks: compress without labels, then score with them.

    python -m bench [TASK ...] [--cache DIR] [--models DIR]

For each task: Lissom gets the model, the unlabelled calibration inputs, the original's known
quality (its score on the test set), a drop limit of one point and one thread. Its choice, the
original and the yardsticks of `onnxruntime.quantization` are then scored on the labelled test set
and timed interleaved.
Raw results go to `bench/results`; `python -m bench.table` makes the published table from them.
"""

import argparse
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lissom
from bench import task, timing
from bench.build import ensure
from lissom.measure.environment import current

RESULTS = Path(__file__).parent / "results"
MAX_DROP = 0.01


def main() -> None:
    """Build what is missing, run, and write one result file a task."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(task.NAMES))
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--models", type=Path, help="folder with ready fmnist_*.onnx")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if unknown := set(given.tasks) - set(task.NAMES):
        parser.error(f"no such task: {', '.join(sorted(unknown))}")
    RESULTS.mkdir(exist_ok=True)
    for name in given.tasks or task.NAMES:
        found = run(ensure(name, given.cache, given.models), given.cache, given.threads)
        text = json.dumps(found, indent=1) + "\n"
        (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
        chosen = found["models"]["lissom"]
        print(f"{name}: {chosen['speedup']:.2f}x, drop {100 * chosen['drop']:.2f} points")


def run(job: task.Task, cache: Path, threads: int) -> dict[str, Any]:
    """Compress one task's model, score and time what came out."""
    from bench import yardstick

    known = job.score(timing.outputs(job.model, job.test, threads))[job.metric]
    print(f"{job.name}: the original has {job.metric} {known:.4f}; compressing", flush=True)
    started = time.monotonic()
    result = lissom.compress(
        job.model,
        lissom.Data(source=job.calibration),
        limits=lissom.Limits(max_drop=MAX_DROP),
        target=lissom.Target(threads=threads),
        judge=lissom.Judge(original_quality=known),
        settings=lissom.Settings(store=cache / "store"),
        out=cache / "out" / f"{job.name}-{datetime.now(UTC):%Y%m%dT%H%M%S}",
    )
    seconds = time.monotonic() - started
    print(f"{job.name}: chose {result.choice.name}; scoring", flush=True)
    peers, failed = yardstick.made(job)
    delivered = result.delivered
    if delivered is None:
        raise RuntimeError(f"{job.name}: nothing was delivered")
    files = {"original": job.model, "lissom": delivered, **peers}
    return {
        "task": job.name,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "threads": threads,
        "max_drop": MAX_DROP,
        "original_quality": known,
        "metric": job.metric,
        "seconds": seconds,
        "choice": {
            "name": result.choice.name,
            "met": result.choice.met,
            "reasons": list(result.choice.reasons),
        },
        "promised": _promised(result),
        "models": _measured(job, files, threads),
        "failed": failed,
    }


def _promised(result: lissom.Result) -> dict[str, Any]:
    """What Lissom itself said of its choice, without having seen a label."""
    chosen = result.chosen
    return {
        "drop": chosen.quality.drop if chosen.quality else None,
        "drop_kind": chosen.quality.drop_kind if chosen.quality else None,
        "speedup": chosen.speedup,
        "speedup_interval": chosen.speedup_interval,
    }


def _measured(job: task.Task, files: dict[str, Path], threads: int) -> dict[str, Any]:
    scores = {
        name: job.score(timing.outputs(path, job.test, threads)) for name, path in files.items()
    }
    speeds = timing.speeds(files, "original", job.latency, threads=threads)
    original = scores["original"][job.metric]
    return {
        name: {
            "scores": scores[name],
            "drop": original - scores[name][job.metric],
            "size_bytes": path.stat().st_size,
            **asdict(speeds[name]),
        }
        for name, path in files.items()
    }


if __name__ == "__main__":
    main()
