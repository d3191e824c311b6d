"""Round the weights of the published tasks to 4 and 3 bits, in every way that there is.

    python -m bench.weights [TASK ...] [--cache DIR] [--bits BITS ...] [--way NAME ...]

Unlabelled calibration inputs of the task; scored on the labelled test set. One scale a channel,
unless blocks are named; embeddings in 8 bits, activations in float. Raw results go to
`bench/results/weights.json`, one entry a task; ways that are not asked for keep the numbers that
they have.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import lissom
from bench import task, timing
from bench.build import ensure
from bench.expected_drop import READERS, RIGHT
from bench.places import scored
from lissom.api import opened_at
from lissom.graph.site import sites
from lissom.measure.environment import current
from lissom.methods.registry import create
from lissom.methods.rounding import rounded, selected
from lissom.numerics.statistics import paired_interval
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.search.build import context

RESULT = Path(__file__).parent / "results" / "weights.json"


@dataclass(frozen=True, kw_only=True)
class Way:
    """How weights are rounded.

    Attributes:
        method: the id.
        parameters: beside the bits.
        against: the way whose answers to the test inputs are compared with these, one by one.
        layers: whether what each layer loses is counted.
        bits: that it is published with.
    """

    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    against: str | None = None
    layers: bool = False
    bits: tuple[int, ...] = (4, 3)


NEAREST, GPTQ, CODEBOOK = "quantize.weight_only", "quantize.gptq", "quantize.codebook"
BLOCKS: dict[str, Any] = {"block_size": 32}
ONWARD: dict[str, Any] = {"reconstruction": "sequence"}
WAYS: Mapping[str, Way] = {
    NEAREST: Way(method=NEAREST, bits=(4,)),  # it has no 3
    "quantize.hqq": Way(method="quantize.hqq"),
    "quantize.awq": Way(method="quantize.awq"),
    "quantize.adaround": Way(method="quantize.adaround", against=NEAREST, layers=True),
    GPTQ: Way(method=GPTQ, against=NEAREST, layers=True),
    f"{GPTQ}, blocks": Way(method=GPTQ, parameters=BLOCKS, against=GPTQ, layers=True),
    CODEBOOK: Way(method=CODEBOOK, parameters={"granularity": "channel"}, against=GPTQ),
    f"{CODEBOOK}, blocks": Way(method=CODEBOOK, parameters=BLOCKS, against=f"{GPTQ}, blocks"),
    f"{GPTQ}, in sequence": Way(method=GPTQ, parameters=ONWARD, against=GPTQ, bits=(3,)),
    f"{CODEBOOK}, blocks, in sequence": Way(
        method=CODEBOOK, parameters=BLOCKS | ONWARD, against=f"{CODEBOOK}, blocks", bits=(3,)
    ),
}
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
    parser.add_argument("--way", nargs="*", default=WAYS, choices=WAYS)
    given = parser.parse_args()
    if unknown := set(given.tasks) - set(task.NAMES):
        parser.error(f"no such task: {', '.join(sorted(unknown))}")
    for name in given.tasks or task.NAMES:
        job = ensure(name, given.cache, given.models)
        for bits in given.bits:
            for way in (way for way in given.way if bits in WAYS[way].bits):
                one = made(job, way, bits, given.cache, given.store)
                print(f"{name}: {way} in {bits} bits: {one}", flush=True)
                keep(job, way, bits, one)


def keep(job: task.Task, way: str, bits: int, one: dict[str, Any]) -> None:
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
    ways = known[job.name]["rounded"].setdefault(str(bits), {})
    ways[way] = one
    known[job.name]["rounded"][str(bits)] = {name: ways[name] for name in WAYS if name in ways}
    RESULT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def made(job: task.Task, name: str, bits: int, cache: Path, store: Path | None) -> dict[str, Any]:
    """Round one model, score it, and compare its answers with those of another rounding."""
    started, way = time.monotonic(), WAYS[name]
    kept = cache / "rounded" / job.name
    kept.mkdir(parents=True, exist_ok=True)
    store = store or cache / "store"
    with tempfile.TemporaryDirectory() as folder:
        path = lissom.apply(
            lissom.Recipe(name="rounded", steps=steps_of(job, way, bits, store)),
            job.model,
            job.calibration,
            out=Path(folder) / "model.onnx",
            store=store,
        ).path
        seconds = time.monotonic() - started
        right = judged(job, path)
        size_ratio = job.model.stat().st_size / path.stat().st_size
    np.save(kept / f"{name}-{bits}.npy", right)
    found: dict[str, Any] = {
        "seconds": round(seconds, 1),
        "quality": float(right.mean()),
        "size_ratio": size_ratio,
    }
    if way.layers:
        found["layers"] = layers(job, way, bits, store)
    other = kept / f"{way.against}-{bits}.npy"
    if other.exists():
        gained = right.astype(float) - np.load(other)
        low, high = paired_interval(gained)
        found["against"] = {
            "way": way.against,
            "gained": float(gained.mean()),
            "interval": [low, high],
        }
    return found


def steps_of(job: task.Task, way: Way, bits: int, store: Path) -> tuple[lissom.Step, ...]:
    """The steps of a recipe; codebooks, which could hold embeddings, leave those to 8 bits."""
    parameters = {"bits": bits, **way.parameters}
    model = opened_at(job.model, job.calibration, Target(), store).model
    if way.method != CODEBOOK or all(site.op_type != "Gather" for site in sites(model)):
        return (lissom.Step(method=way.method, parameters=parameters),)
    return (
        lissom.Step(method=way.method, parameters=parameters, exclude=("Gather",)),
        lissom.Step(method=NEAREST, parameters={"bits": 8}, include=("Gather",)),
    )


def layers(job: task.Task, way: Way, bits: int, store: Path) -> dict[str, int]:
    """How many layers lose less in their outputs than to nearest, and more in their weights."""
    opened = opened_at(job.model, job.calibration, Target(), store)
    around = context(opened, registry.load(opened.target.runtime).facts(opened.store), seed=0)
    method: Any = create(way.method, {"bits": bits, **way.parameters})
    chosen = selected(method, opened.model, around)
    errors = rounded(method, opened.model, chosen.packed, around).errors.values()
    return {
        "all": len(errors),
        "outputs_below": sum((e.output or 0.0) < (e.output_nearest or 0.0) for e in errors),
        "weights_above": sum(e.weight > e.weight_nearest for e in errors),
    }


def judged(job: task.Task, path: Path) -> np.ndarray:
    """Which answers to the test inputs are right."""
    session = timing.session(path, 1)
    data = dict(np.load(job.model.parent / "data.npz", allow_pickle=False))
    read = [READERS[job.name](session.run(None, feed)[0], data) for feed in job.test]
    return RIGHT[job.name](read, data)


if __name__ == "__main__":
    main()
