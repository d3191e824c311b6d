"""Whether one quantized file means the same in two runtimes: the published tasks in both.

    python -m bench.agreement [TASK ...] [--cache DIR] [--models DIR]

Static 8-bit integers, placed for ONNX Runtime, calibrated on at most 512 unlabelled inputs. The
file is scored on the labelled test set in ONNX Runtime and in OpenVINO. Where the two scores are
further apart than `WITHIN`, the first node on which they differ is named. Raw results go to
`bench/results/agreement.json`, a list for each task.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lissom
from bench import task
from bench.build import ensure
from bench.places import scored
from lissom.measure.environment import current
from lissom.measure.parting import first_parting
from lissom.runtime.target import Target
from lissom.store.store import Store

__all__ = ["run", "sections"]

RESULT = Path(__file__).parent / "results" / "agreement.json"
SAMPLES = 512
WITHIN = 0.003  # of the score
HERE, THERE = Target(), Target(runtime="openvino")
_LOOKED_AT = 4  # test inputs on which nodes are compared
_PLANS: Mapping[str, Sequence[Mapping[str, str]]] = {
    "fmnist_resnet": ({"ranges": "mse"},),
    "fmnist_vgg": ({"ranges": "mse"},),
    "minilm": ({"ranges": "mse", "operators": "heavy"}, {"ranges": "minmax", "operators": "heavy"}),
    "ocr_rec": ({"ranges": "mse"}, {"ranges": "percentile", "depthwise": "float"}),
}


def main() -> None:
    """Build what is missing, run, and add each task to the result file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.agreement",
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
        found = [run(job, parameters, given.cache / "store") for parameters in _PLANS[name]]
        known = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
        RESULT.write_text(json.dumps({**known, name: found}, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {[one['apart'] for one in found]}", flush=True)


def run(job: task.Task, parameters: Mapping[str, str], store: Path) -> dict[str, Any]:
    """Quantize one task's model with `quantize.static` and score it in both runtimes."""
    steps = (
        lissom.Step(method="optimize.fusion"),
        lissom.Step(method="quantize.static", parameters=dict(parameters)),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = lissom.apply(
            lissom.Recipe(name="agreement", steps=steps),
            job.model,
            job.calibration[:SAMPLES],
            out=Path(folder) / "model.onnx",
            store=store,
        ).path
        scores = [scored(job, (path, target)) for target in (HERE, THERE)]
        apart = abs(scores[0] - scores[1])
        parting = None
        if apart > WITHIN:
            parting = first_parting(path, job.test[:_LOOKED_AT], HERE, THERE, Store(store))
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "metric": job.metric,
        "parameters": dict(parameters),
        "original": scored(job, (job.model, HERE)),
        "onnxruntime": scores[0],
        "openvino": scores[1],
        "apart": apart,
        "parting": None
        if parting is None
        else {"node": parting.node, "op_type": parting.op_type, "difference": parting.difference},
    }


def sections(folder: Path) -> list[str]:
    """The section of `docs/benchmarks.md` for the results in a folder; none without them."""
    path = folder / "agreement.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    return [
        "\n".join(
            [
                "## One quantized file in two runtimes",
                "",
                "Static 8-bit integers placed for ONNX Runtime, at most 512 unlabelled inputs, the",
                "same file scored in both (`python -m bench.agreement`). Where the scores are more",
                f"than {100 * WITHIN:.1f} points apart, the last column names the first node whose",
                "output differs by more than a tenth of its range and one step of its integers.",
                "",
                "| task | static | original | ONNX Runtime | OpenVINO | apart, points | part at |",
                "| --- | --- | --- | --- | --- | --- | --- |",
                *_rows(found),
                "",
            ]
        )
    ]


def _rows(found: Mapping[str, Any]) -> Sequence[str]:
    rows = []
    for name, one in ((name, one) for name, several in found.items() for one in several):
        parting = one["parting"]
        where = "" if one["apart"] <= WITHIN else "no single node"
        if parting is not None:
            where = f"`{parting['node']}` ({parting['op_type']})"
        cells = (
            name,
            _words(one["parameters"]),
            *(f"{one[key]:.4f}" for key in ("original", "onnxruntime", "openvino")),
            f"{100 * one['apart']:.2f}",
            where,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _words(parameters: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters.items())


if __name__ == "__main__":
    main()
