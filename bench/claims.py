"""Claims of papers, held at our scale: what a rewriting or a rounding gives back.

    python -m bench.claims [CLAIM ...] [--cache DIR]

Each claim is a function of the cache's folder that answers rows: what was done, and the task's own
metric on its labelled test set. Calibration inputs are unlabelled. Results go to
`bench/results/claims.json`, one entry a claim.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lissom
from bench import outliers, task
from bench.places import scored
from lissom.measure.environment import current
from lissom.runtime.target import Target

__all__ = ["CLAIMS"]

RESULT = Path(__file__).parent / "results" / "claims.json"
SAMPLES = 300
Row = dict[str, Any]


def main() -> None:
    """Run claims, and add each to the result file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.claims",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=", ".join(CLAIMS))
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    given = parser.parse_args()
    if unknown := set(given.claims) - set(CLAIMS):
        parser.error(f"no such claim: {', '.join(sorted(unknown))}")
    for name in given.claims or CLAIMS:
        claim, source, run = CLAIMS[name]
        known = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
        known[name] = {
            "claim": claim,
            "source": source,
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "environment": current().to_json(),
            "rows": run(given.cache),
        }
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def equalization(cache: Path) -> list[Row]:
    """8-bit weights with one scale a tensor, on a network of depthwise convolutions.

    Training left its channels alike enough, so they are also scaled apart, without changing the
    function: by factors between 1/8 and 8, drawn with a fixed seed.
    """
    job = outliers.depthwise(cache)
    integers = {name: step("quantize.static", granularity=name) for name in ("tensor", "channel")}
    equal = step("equalize.cross_layer")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        planted = outliers.scaled_apart(job, Path(folder) / "planted.onnx", cache / "store")
        for what, model in (("as trained", job.model), ("channels scaled apart", planted)):
            for words, steps in (
                ("float32", ()),
                ("one scale a channel", (integers["channel"],)),
                ("one scale a channel, equalized", (equal, integers["channel"])),
                ("one scale a tensor", (integers["tensor"],)),
                ("one scale a tensor, equalized", (equal, integers["tensor"])),
            ):
                rows.append(made(job, model, f"{what}: {words}", steps, cache / "store"))
    return rows


def clipping(cache: Path) -> list[Row]:
    """8-bit weights with one scale a tensor, on a depthwise network whose Relus end at six.

    Its normalizations start with channels apart by up to 16, which training keeps. What is clipped
    stops factors; without its bound it passes them, and what was above six counts.
    """
    job = outliers.depthwise(cache, clipped=True)
    opened = step("equalize.cross_layer", relu6="relu")
    tensor = step("quantize.static", granularity="tensor")
    return [
        made(job, job.model, words, steps, cache / "store")
        for words, steps in (
            ("float32", ()),
            ("float32, bounds dropped", (opened,)),
            ("one scale a tensor", (tensor,)),
            ("one scale a tensor, equalized", (step("equalize.cross_layer"), tensor)),
            ("one scale a tensor, equalized, bounds dropped", (opened, tensor)),
        )
    ]


def correction(cache: Path) -> list[Row]:
    """8-bit weights with one scale a tensor, on a network of depthwise convolutions.

    Training left its channels alike enough, so they are scaled apart, as for equalization. What
    rounding moves in the mean goes into the biases; also behind equalization.
    """
    job = outliers.depthwise(cache)
    tensor = step("quantize.static", granularity="tensor")
    equal, means = step("equalize.cross_layer"), step("quantize.bias_correction")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for span in (2.0, 4.0):
            planted = Path(folder) / f"{span}.onnx"
            outliers.scaled_apart(job, planted, cache / "store", span=span)
            what = f"channels scaled apart by up to {span:g}"
            for words, steps in (
                ("float32", ()),
                ("one scale a tensor", (tensor,)),
                ("one scale a tensor, means put back", (tensor, means)),
                ("one scale a tensor, equalized, means put back", (equal, tensor, means)),
            ):
                rows.append(made(job, planted, f"{what}: {words}", steps, cache / "store"))
    return rows


def splitting(cache: Path) -> list[Row]:
    """4-bit weights with one scale an output channel, on a residual network of convolutions.

    A fiftieth of the channels are also made eight times smaller, and the weights that read them
    larger, without changing the function.
    """
    job = task.load("fmnist_resnet", cache)
    narrow = step("quantize.weight_only", bits=4)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        planted = outliers.peaked(job, Path(folder) / "planted.onnx", cache / "store")
        for what, model in (("as trained", job.model), ("outlier channels", planted)):
            for words, steps in (
                ("float32", ()),
                ("4 bits", (narrow,)),
                *(
                    (f"4 bits, {ratio:.0%} of channels added", (
                        step("equalize.split", bits=4, ratio=ratio), narrow))
                    for ratio in (0.02, 0.05)
                ),
            ):  # fmt: skip
                rows.append(made(job, model, f"{what}: {words}", steps, cache / "store"))
    return rows


def smoothing(cache: Path) -> list[Row]:
    """8-bit activations of a transformer in whose normalizations four channels are 50 times larger.

    The parameters of each normalization are multiplied there, and the rows of the weights that read
    them divided; a residual sum gets the inverse by a multiplication, so the function stays.
    """
    job = task.load("minilm", cache)
    integers = step("quantize.static", operators="heavy")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        planted = outliers.enlarged(job, Path(folder) / "planted.onnx", cache / "store")
        for what, model in (("as trained", job.model), ("four channels enlarged", planted)):
            for words, steps in (
                ("float32", ()),
                ("static int8", (integers,)),
                ("static int8, smoothed", (step("equalize.smooth"), integers)),
            ):
                rows.append(made(job, model, f"{what}: {words}", steps, cache / "store"))
    return rows


def step(method: str, **parameters: Any) -> lissom.Step:
    """A step of a recipe."""
    return lissom.Step(method=method, parameters=parameters)


def made(job: task.Task, model: Path, words: str, steps: Sequence[lissom.Step], store: Path) -> Row:
    """One row: make a model, and score it."""
    with tempfile.TemporaryDirectory() as folder:
        path = model
        if steps:
            recipe = lissom.Recipe(name="claim", steps=tuple(steps))
            calibration = job.calibration[:SAMPLES]
            path = Path(folder) / "model.onnx"
            lissom.apply(recipe, model, calibration, out=path, store=store)
        row = {"what": words, "metric": job.metric, "quality": scored(job, (path, Target()))}
    print(f"{job.name}: {row}", flush=True)
    return row


CLAIMS: Mapping[str, tuple[str, str, Callable[[Path], list[Row]]]] = {
    "equalization": (
        "Cross-layer equalization rescues a depthwise network whose weights get one scale a tensor",
        "Nagel et al., arXiv:1906.04721, table 1",
        equalization,
    ),
    "clipping": (
        "Where a Relu is clipped at six, equalization needs the bound dropped",
        "Nagel et al., arXiv:1906.04721, table 1",
        clipping,
    ),
    "correction": (
        "Bias correction rescues a depthwise network whose weights get one scale a tensor",
        "Nagel et al., arXiv:1906.04721, table 2",
        correction,
    ),
    "splitting": (
        "Outlier channel splitting keeps few bits usable where few weights are large",
        "Zhao et al., arXiv:1901.09504, section 5",
        splitting,
    ),
    "smoothing": (
        "SmoothQuant rescues a transformer with outlier channels",
        "Xiao et al., arXiv:2211.10438, table 3",
        smoothing,
    ),
}


if __name__ == "__main__":
    main()
