"""Every criterion of pruning against chance, on the published tasks, with and without repair.

    python -m bench.criteria [TASK ...] [--cache DIR] [--models DIR]

The same share of every channel group leaves (`uniform`), or the same share of the arithmetic, from
where the criterion says that it costs least (`global`). Scored on the labelled test set; distances
are those of the outputs on its inputs. Nothing is timed. Raw results go to
`bench/results/criteria.json`, one entry a task.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import lissom
from bench import task
from bench.build import ensure
from bench.places import opened
from lissom.measure.environment import current
from lissom.runtime.target import Target

RESULT = Path(__file__).parent / "results" / "criteria.json"
SAMPLES = 512
CHANCE = "prune.chance"
SEEDS = (0, 1, 2)
CRITERIA = ("obs", "energy", "wanda", "magnitude", "lamp", "geometric_median")
ACROSS = ("obs", "energy", "lamp")  # whose scores of different groups can be compared
SAVING = {"goal": "macs", "grid": 16}  # nothing that depends on the machine
RATIOS = {"fmnist_resnet": 0.25, "fmnist_vgg": 0.25, "minilm": 0.25, "ocr_rec": 0.1}

Outputs = list[list[np.ndarray[Any, Any]]]


def main() -> None:
    """Build what is missing, run, and add each task to the result file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.criteria",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(task.NAMES))
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--models", type=Path, help="folder with ready fmnist_*.onnx")
    parser.add_argument("--store", type=Path, help="where results are remembered")
    given = parser.parse_args()
    if unknown := set(given.tasks) - set(task.NAMES):
        parser.error(f"no such task: {', '.join(sorted(unknown))}")
    for name in given.tasks or task.NAMES:
        job = ensure(name, given.cache, given.models)
        found = run(job, RATIOS[name], given.store or given.cache / "store")
        known = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
        known[name] = found
        RESULT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def run(job: task.Task, ratio: float, store: Path) -> dict[str, Any]:
    """All criteria on one task."""
    original = outputs_of(job, job.model)
    found: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "metric": job.metric,
        "original": job.score(original)[job.metric],
        "ratio": ratio,
        "models": [],
    }
    for allocation, names in (("uniform", CRITERIA), ("global", ACROSS)):
        methods = [(f"prune.{name}", 0) for name in names] + [(CHANCE, seed) for seed in SEEDS]
        for repair in (False, True):
            how = {"ratio": ratio, "allocation": allocation, "repair": repair, **SAVING}
            for method, seed in methods:
                step = lissom.Step(method=method, parameters=how)
                one = {
                    "method": method,
                    "seed": seed,
                    "allocation": allocation,
                    "repair": repair,
                    **judged(job, step, seed, original, store),
                }
                print(f"{job.name}: {one}", flush=True)
                found["models"].append(one)
    return found


def judged(
    job: task.Task, step: lissom.Step, seed: int, original: Outputs, store: Path
) -> dict[str, float]:
    """Make one model; its score, and how far its outputs are from the original's."""
    with tempfile.TemporaryDirectory() as folder:
        path = lissom.apply(
            lissom.Recipe(name="pruned", steps=(step,), seed=seed),
            job.model,
            job.calibration[:SAMPLES],
            out=Path(folder) / "model.onnx",
            store=store,
        ).path
        outputs = outputs_of(job, path)
    return {"quality": job.score(outputs)[job.metric], "distance": distance(original, outputs)}


def outputs_of(job: task.Task, path: Path) -> Outputs:
    """What a model answers to all test inputs."""
    with opened((path, Target())) as session:
        return [list(session.run(feed).values()) for feed in job.test]


def distance(original: Sequence[Sequence[np.ndarray]], other: Outputs) -> float:
    """The squared distance of first outputs, as a share of the original's variance."""
    ours = [np.asarray(each[0], np.float64) for each in original]
    spread = float(np.concatenate([each.ravel() for each in ours]).var())
    squares = sum(float(((a - b[0]) ** 2).sum()) for a, b in zip(ours, other, strict=True))
    return squares / (spread * sum(each.size for each in ours))


if __name__ == "__main__":
    main()
