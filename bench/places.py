"""The published tasks with other wishes: another runtime or the best of all, a small file.

    python -m bench.places [TASK ...] [--target NAME] [--goal GOAL] [--max-drop SHARE]

As `python -m bench`, but with `--target auto` unless told otherwise. The original on ONNX Runtime
and the choice where it was measured to be best are then scored on the labelled test set and timed
interleaved, by a clock of this file's own. Raw results go to `bench/results/places.json`, one entry
a task and wish.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np

import lissom
from bench import task
from bench.build import ensure
from lissom.measure.environment import current
from lissom.runtime import registry
from lissom.runtime.protocol import Session
from lissom.runtime.target import Target
from lissom.search.limits import DEFAULT_MAX_DROP, Goal
from lissom.search.places import AUTO

RESULT = Path(__file__).parent / "results" / "places.json"
_ROUNDS = 25
_ROUND_SECONDS = 0.2

Placed = tuple[Path, Target]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a run is asked for.

    Attributes:
        target: the name of a runtime, or `auto`.
        goal: of the run.
        max_drop: the largest loss of score.
    """

    target: str
    goal: Goal
    max_drop: float

    @property
    def label(self) -> str:
        """In one word."""
        return f"{self.target}-{self.goal}-{100 * self.max_drop:g}"


def main() -> None:
    """Build what is missing, run, and add each task to the result file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.places",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(task.NAMES))
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--models", type=Path, help="folder with ready fmnist_*.onnx")
    parser.add_argument("--target", default=AUTO, help="as that of `lissom compress`")
    parser.add_argument("--goal", default="speed", choices=get_args(Goal))
    parser.add_argument("--max-drop", type=float, default=DEFAULT_MAX_DROP)
    given = parser.parse_args()
    wish = Wish(given.target, given.goal, given.max_drop)
    if unknown := set(given.tasks) - set(task.NAMES):
        parser.error(f"no such task: {', '.join(sorted(unknown))}")
    for name in given.tasks or task.NAMES:
        found = run(ensure(name, given.cache, given.models), wish, given.cache)
        known = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
        RESULT.write_text(
            json.dumps({**known, f"{name}: {wish.label}": found}, indent=1) + "\n", encoding="utf-8"
        )
        print(f"{name}: {found['choice']['name']}, {found['speedup']:.2f}x, "
              f"drop {100 * found['drop']:.2f} points")  # fmt: skip


def run(job: task.Task, wish: Wish, cache: Path) -> dict[str, Any]:
    """Compress one task's model as wished, and check the choice.

    Raises:
        RuntimeError: nothing was delivered.
    """
    first = Target()
    known = scored(job, (job.model, first))
    print(f"{job.name}: the original has {job.metric} {known:.4f}; compressing", flush=True)
    started = time.monotonic()
    result = lissom.compress(
        job.model,
        lissom.Data(source=job.calibration),
        limits=lissom.Limits(goal=wish.goal, max_drop=wish.max_drop),
        target=lissom.Places.find(wish.target, first.threads),
        judge=lissom.Judge(original_quality=known),
        settings=lissom.Settings(store=cache / "store"),
        out=cache / "out" / f"{job.name}-{wish.label}-{datetime.now(UTC):%Y%m%dT%H%M%S}",
    )
    if result.delivered is None:
        raise RuntimeError(f"{job.name}: nothing was delivered")
    chosen = result.chosen
    delivered = (result.delivered, chosen.target)
    ratios = ratios_of((job.model, first), delivered, job.latency)
    score = scored(job, delivered)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "task": job.name,
        "wish": asdict(wish),
        "metric": job.metric,
        "seconds": time.monotonic() - started,
        "choice": {"name": chosen.name, "met": result.choice.met, **chosen.target.to_json()},
        "promised": {"speedup": chosen.speedup, "speedup_interval": chosen.speedup_interval,
                     "drop": chosen.drop},
        "original_quality": known,
        "quality": score,
        "drop": known - score,
        "speedup": statistics.median(ratios),
        "speedup_quartiles": [float(q) for q in np.quantile(ratios, (0.25, 0.75))],
        "size_ratio": job.model.stat().st_size / result.delivered.stat().st_size,
        "tried": {
            one.name: {"speedup": one.speedup, "drop": one.drop, "failed": one.failed}
            for one in result.candidates
        },
    }  # fmt: skip


def opened(placed: Placed) -> Session:
    """A session of a model where it runs."""
    path, target = placed
    return registry.load(target.runtime).open(path, registry.stated(target))


def scored(job: task.Task, placed: Placed) -> float:
    """The task's metric on its labelled test set."""
    with opened(placed) as session:
        outputs = [list(session.run(feed).values()) for feed in job.test]
    return job.score(outputs)[job.metric]


def ratios_of(one: Placed, other: Placed, feed: task.Feed) -> Sequence[float]:
    """How many times faster the other is, round by round, there and back."""
    ratios = []
    with opened(one) as first, opened(other) as second:
        slow = max(max(session.time(feed, 5)) for session in (first, second))
        count = max(2, round(_ROUND_SECONDS / 4 / slow))
        for _ in range(_ROUNDS):
            runs = [session.time(feed, count) for session in (first, second, second, first)]
            mine, theirs = runs[0] + runs[3], runs[1] + runs[2]
            ratios.append(statistics.median(mine) / statistics.median(theirs))
    return ratios


if __name__ == "__main__":
    main()
