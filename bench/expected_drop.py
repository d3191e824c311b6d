"""The expected drop beside the true one: our estimate and those of the literature, on four tasks.

    python -m bench.expected_drop [TASK ...] [--cache DIR] [--models DIR]

Each task's network is made worse in many ways: noise on its weights, weights rounded to few bits,
int8 files of `onnxruntime.quantization`, recipes of ours. The true drop of each is measured on the
labelled test set. The estimates see two sets of inputs, without labels: the few hundred calibration
inputs that a user would give (`few`), and the very test inputs (`test`).

- `lissom`: what the product says, with its interval.
- `counted`: the original's belief in its own answer less that in the candidate's, counted where
  they differ; `counted_raw` without the original's known quality.
- `average_confidence`: the known quality less the candidate's mean confidence.
- `difference`: mean confidence of the original less that of the candidate (Guillory et al.,
  Predicting with Confidence on Unseen Distributions, ICCV 2021); `difference_tempered` at the
  temperature of the known quality.
- `thresholded`: the share of the candidate's answers below the confidence that the known share of
  right ones exceeds (Garg et al., Leveraging Unlabeled Data to Predict Out-of-Distribution
  Performance, ICLR 2022).
- `disagreement`: how often the answers differ.

For the image networks also what few labels add: drawings of 500 test inputs of which some have a
label, the quality not known otherwise; the error of the estimate corrected by the labels, and of
the labels alone.

Answers are computed once and kept in the cache; the result goes to `bench/results`, and
`python -m bench.scatter` makes the picture and the table of the documentation from it.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import lissom
from bench import ragged, task, timing
from bench.build import ensure
from lissom.measure.answers import Outlook
from lissom.measure.collect import Collector
from lissom.measure.environment import current
from lissom.measure.estimate import Trust, corrected_quality, estimate
from lissom.measure.expected import compare, confidence_temperature, confidences
from lissom.numerics.neighbours import normalized, similarities
from lissom.numerics.sketch import Sketch
from lissom.numerics.statistics import fit_temperature, paired_interval, softmax

RESULT = Path(__file__).parent / "results" / "expected_drop.json"
POOLS = ("few", "test")
KEEP = 32
SIMILARITY_TEMPERATURES = (1e-4, 10.0)
DRAWN, DRAWINGS, LABELLED = 500, 10, (0, 20, 100, 300)
WORTH_DRAWING = (0.002, 0.05)  # true drops that labels can tell from nothing

NOISES = {
    "fmnist_resnet": (0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4),
    "fmnist_vgg": (0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3),
    "minilm": (0.02, 0.1, 0.15, 0.2, 0.22, 0.24, 0.25, 0.27, 0.28, 0.3, 0.35),
    "ocr_rec": (0.005, 0.008, 0.01, 0.012, 0.015, 0.02, 0.025, 0.03),
}
ROUNDINGS = {
    "fmnist_resnet": ("channel-6", "channel-5", "channel-4", "tensor-5", "tensor-4", "block-4"),
    "fmnist_vgg": ("channel-5", "channel-4", "channel-3", "tensor-5", "tensor-4", "block-4"),
    "minilm": ("channel-5", "channel-4", "channel-3", "tensor-7", "tensor-6", "block-4", "block-3"),
    "ocr_rec": ("channel-8", "channel-7", "channel-6"),
}
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "static": ("quantize.static", {"ranges": "minmax"}),
    "weights-4": ("quantize.weight_only", {"bits": 4}),
}
OUTLOOKS = {
    "fmnist_resnet": Outlook(output="output", kind="classes", axis=1),
    "fmnist_vgg": Outlook(output="output", kind="classes", axis=1),
    "minilm": Outlook(output="output", kind="embedding"),
    "ocr_rec": Outlook(output="output", kind="ctc", axis=2, probabilities=True, blank=0),
}

Values = dict[str, np.ndarray]


def main() -> None:
    """Make the candidates, run them, estimate, and write the result."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.expected_drop",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(task.NAMES))
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--models", type=Path, help="folder with ready fmnist_*.onnx")
    given = parser.parse_args()
    known = json.loads(RESULT.read_text(encoding="utf-8"))["tasks"] if RESULT.exists() else {}
    for name in given.tasks or task.NAMES:
        job = ensure(name, given.cache, given.models)
        known[name] = estimated(job, given.cache / "expected" / name, given.cache / "store")
    found = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "tasks": {name: known[name] for name in task.NAMES if name in known},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


# --- candidates ---
def candidates(job: task.Task, folder: Path, store: Path) -> Iterator[tuple[str, Path]]:
    """Every candidate's name and file; those of our own making are written and removed again."""
    from bench import yardstick

    made = [f"noise-{size}" for size in NOISES[job.name]] + list(ROUNDINGS[job.name])
    for name in made:
        path = folder / "candidate.onnx"
        if not (folder / f"{name}.npz").exists():
            onnx.save(damaged(onnx.load(job.model), name), path)
        yield name, path
        path.unlink(missing_ok=True)
    for name, path in yardstick.made(job)[0].items():
        # Without its static ranges a convolution gains nothing and takes minutes here.
        if "static" in name or job.name == "minilm":
            yield name.replace("_", "-"), path
    for name, (method, parameters) in RECIPES.items():
        path = folder / f"{name}.onnx"
        if not path.exists():
            recipe = lissom.Recipe(
                name=name, steps=(lissom.Step(method=method, parameters=parameters),)
            )
            lissom.apply(recipe, job.model, job.calibration, out=path, store=store)
        yield f"lissom-{name}", path


def damaged(model: onnx.ModelProto, how: str) -> onnx.ModelProto:
    """A network with noise of a share of its weights' spread, or with rounded weights."""
    kind, _, size = how.partition("-")
    rng = np.random.default_rng(0)
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype != np.float32 or array.ndim < 2 or array.size < 256:
            continue
        if kind == "noise":
            worse = array + rng.normal(0, float(size) * array.std(), array.shape)
        else:
            worse = rounded(array, kind, int(size))
        weight.CopyFrom(numpy_helper.from_array(worse.astype(np.float32), weight.name))
    return model


def rounded(array: np.ndarray, kind: str, bits: int) -> np.ndarray:
    """Weights on a grid of so many bits: a scale for each channel, tensor, or block of 32."""
    most = 2 ** (bits - 1) - 1
    if kind == "block":
        flat = array.ravel()
        blocks = np.pad(flat, (0, -len(flat) % 32)).reshape(-1, 32)
        scale = np.abs(blocks).max(axis=1, keepdims=True) / most + 1e-12
        near = np.round(blocks / scale) * scale
        return np.asarray(near.ravel()[: len(flat)].reshape(array.shape))
    axes = tuple(range(1, array.ndim)) if kind == "channel" else None
    scale = np.abs(array).max(axis=axes, keepdims=True) / most + 1e-12
    return np.asarray(np.clip(np.round(array / scale), -most, most) * scale)


# --- answers, once ---
def answers(job: task.Task, path: Path, kept: Path) -> Values:
    """Which test answers are right, and what is kept of all answers to both sets of inputs."""
    if not kept.exists():
        running = timing.session(path, 1)
        data = dict(np.load(job.model.parent / "data.npz", allow_pickle=False))
        found: Values = {}
        for pool, feeds in (("few", job.calibration), ("test", job.test)):
            collector, read = Collector(OUTLOOKS[job.name], keep=KEEP), []
            for feed in feeds:
                out = running.run(None, feed)[0]
                collector.take(out)
                read.append(READERS[job.name](out, data))
            found |= {f"{pool}.{name}": array for name, array in collector.arrays().items()}
        found["right"] = RIGHT[job.name](read, data)
        np.savez(kept, **found)
    with np.load(kept, allow_pickle=False) as file:
        return dict(file)


def _class(out: np.ndarray, data: Values) -> np.ndarray:
    return np.asarray(out.argmax(axis=1))


def _vectors(out: np.ndarray, data: Values) -> np.ndarray:
    return out


def _line(out: np.ndarray, data: Values) -> str:
    return task.ctc_text(out[0], data["alphabet"])


def _right_class(read: Sequence[np.ndarray], data: Values) -> np.ndarray:
    return np.concatenate(read) == data["labels"]


def _right_line(read: Sequence[str], data: Values) -> np.ndarray:
    return np.asarray([found == text for found, text in zip(read, data["texts"], strict=True)])


def _right_partner(read: Sequence[np.ndarray], data: Values) -> np.ndarray:
    """The test rows come by length; row i of the first half belongs to row i of the second."""
    lengths = [len(row) for row in ragged.unpacked("tokens", data)]
    rows = np.empty((len(lengths), read[0].shape[1]), np.float32)
    rows[np.argsort(lengths, kind="stable")] = np.concatenate(read)
    half = len(rows) // 2
    likeness = rows[:half] @ rows[half:].T
    return np.asarray((likeness > np.diag(likeness)[:, None]).sum(axis=1) == 0)


READERS: dict[str, Callable[[np.ndarray, Values], Any]] = {
    "fmnist_resnet": _class,
    "fmnist_vgg": _class,
    "minilm": _vectors,
    "ocr_rec": _line,
}
RIGHT: dict[str, Callable[[Any, Values], np.ndarray]] = {
    "fmnist_resnet": _right_class,
    "fmnist_vgg": _right_class,
    "minilm": _right_partner,
    "ocr_rec": _right_line,
}


# --- estimates ---
def estimated(job: task.Task, folder: Path, store: Path) -> dict[str, Any]:
    """The true drop and every estimate for every candidate of a task."""
    folder.mkdir(parents=True, exist_ok=True)
    original = answers(job, job.model, folder / "original.npz")
    quality, rows, few = float(original["right"].mean()), [], []
    references = {pool: Reference(job.name, _of(original, pool), quality) for pool in POOLS}
    for name, path in candidates(job, folder, store):
        found = answers(job, path, folder / f"{name}.npz")
        lost = original["right"].astype(float) - found["right"]
        row: dict[str, Any] = {
            "candidate": name,
            "drop": float(lost.mean()),
            "drop_interval": list(paired_interval(lost)),
        }
        row |= {pool: references[pool].estimates(_of(found, pool)) for pool in POOLS}
        rows.append(row)
        if OUTLOOKS[job.name].kind == "classes" and _worth_drawing(row["drop"]):
            few.append(drawn(original, found))
        said = row["few"]["lissom"]
        print(f"{job.name} {name}: {100 * row['drop']:.2f}, expected {100 * said:.2f}", flush=True)
    return {
        "original_quality": quality,
        "tested": len(original["right"]),
        "inputs": {pool: len(original[f"{pool}.lengths"]) for pool in POOLS},
        "candidates": rows,
        "few_labels": summed_up(np.concatenate(few)) if few else [],
    }


# --- few labels ---
def _worth_drawing(drop: float) -> bool:
    return WORTH_DRAWING[0] < drop < WORTH_DRAWING[1]


def drawn(original: Values, candidate: Values) -> np.ndarray:
    """Errors with few labels: [drawings, numbers of labels, (corrected, labels alone, held)]."""
    rights = [each["right"].astype(float) for each in (original, candidate)]
    lost, true = rights[0] - rights[1], float((rights[0] - rights[1]).mean())
    view, found = OUTLOOKS["fmnist_vgg"], np.zeros((DRAWINGS, len(LABELLED), 3))
    for drawing in range(DRAWINGS):
        picked = np.random.default_rng(drawing).choice(len(lost), DRAWN, replace=False)
        ours, theirs = (_picked(_of(each, "test"), picked) for each in (original, candidate))
        for place, labels in enumerate(LABELLED):
            told = np.arange(DRAWN) < labels
            scores = np.where(told, rights[0][picked], np.nan)
            quality = corrected_quality(scores, confidences(ours, view))
            heat = 1.0 if quality is None else confidence_temperature(ours, view, quality)
            said = estimate(
                ours,
                theirs,
                view,
                compare(ours, theirs, view, temperature=heat),
                Trust(temperature=heat, quality_known=False),
                lost=np.where(told, lost[picked], np.nan),
            )
            alone = lost[picked][told].mean() if labels else np.nan
            held = said.interval[0] <= true <= said.interval[1]
            found[drawing, place] = said.drop - true, alone - true, held
    return found


def _picked(arrays: Values, rows: np.ndarray) -> Values:
    return {name: a if name == "classes" else a[rows] for name, a in arrays.items()}


def summed_up(errors: np.ndarray) -> list[dict[str, Any]]:
    """Root of the mean squared errors, and how often the interval held, by number of labels."""
    return [
        {
            "labels": labels,
            "inputs": DRAWN,
            "corrected_error": float(np.sqrt((errors[:, place, 0] ** 2).mean())),
            "labels_alone_error": (
                float(np.sqrt((errors[:, place, 1] ** 2).mean())) if labels else None
            ),
            "held": float(errors[:, place, 2].mean()),
            "drawings": len(errors),
        }
        for place, labels in enumerate(LABELLED)
    ]


def _of(found: Values, pool: str) -> Values:
    prefix = f"{pool}."
    return {name.removeprefix(prefix): a for name, a in found.items() if name.startswith(prefix)}


class Reference:
    """The original on a set of inputs, beside which candidates are estimated."""

    def __init__(self, name: str, arrays: Values, quality: float) -> None:
        """Fit the temperature of its confidence."""
        self.view, self.arrays, self.quality = OUTLOOKS[name], arrays, quality
        self.temperature: float | None = None
        if self.view.kind == "embedding":
            self.nearness = fit_temperature(
                lambda t: float(near(arrays, t).mean()), quality, bounds=SIMILARITY_TEMPERATURES
            )
            self.sure = self.tempered = near(arrays, self.nearness)
        else:
            self.temperature = confidence_temperature(arrays, self.view, quality)
            self.sure = confidences(arrays, self.view)
            self.tempered = confidences(retempered(arrays, self.temperature), self.view)

    def estimates(self, arrays: Values) -> dict[str, Any]:
        """What each estimator says of a candidate's drop."""
        raw = compare(self.arrays, arrays, self.view, temperature=1.0)
        found = compare(
            self.arrays, arrays, self.view, temperature=self.temperature, quality=self.quality
        )
        said = estimate(
            self.arrays,
            arrays,
            self.view,
            found,
            Trust(temperature=self.temperature, quality_known=True),
        )
        if self.temperature is None:
            sure = tempered = near(arrays, self.nearness)
        else:
            sure = confidences(arrays, self.view)
            tempered = confidences(retempered(arrays, self.temperature), self.view)
        threshold = np.quantile(self.sure, 1 - self.quality)
        above = [float((each >= threshold).mean()) for each in (self.sure, sure)]
        return {
            "lissom": said.drop,
            "interval": list(said.interval),
            "counted": _mean(found.drop),
            "counted_raw": _mean(raw.drop),
            "average_confidence": self.quality - float(sure.mean()),
            "difference": float(self.sure.mean() - sure.mean()),
            "difference_tempered": float(self.tempered.mean() - tempered.mean()),
            "thresholded": above[0] - above[1],
            "disagreement": float(found.disagreement.mean()),
        }


def _mean(values: np.ndarray | None) -> float | None:
    return None if values is None else float(values.mean())


def retempered(arrays: Values, temperature: float) -> Values:
    """The same answers with another temperature's confidence."""
    steps = Sketch(
        index=arrays["index"],
        logp=arrays["logp"],
        rest=arrays["rest"],
        classes=int(arrays["classes"][0]),
    ).at(temperature)
    return {**arrays, "logp": steps.logp, "rest": steps.rest}


def near(arrays: Values, temperature: float) -> np.ndarray:
    """How sure embeddings are of their nearest neighbour, by a softmax of similarities."""
    rows = normalized(arrays["vectors"])
    return np.concatenate(
        [softmax(found / temperature).max(axis=1) for _, found in similarities(rows)]
    )


if __name__ == "__main__":
    main()
