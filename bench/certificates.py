"""How often certificates hold: the stated 95% bounds on many drawings of the samples.

    python -m bench.certificates [--cache DIR] [--models DIR] [--resamplings 200]

The ten thousand labelled test images of Fashion-MNIST stand for all there is, so the true drop of
every candidate is known. A drawing takes 2500 of them at random (with replacement, so they are
independent), in the parts of a run: the confidence is fitted and the order of the tests fixed on
the selection part, and what certifies are 500. Counted are the drawings in which a candidate's
bound is at least the truth, and those in which anything at all was called held that is not: for one
point, and for limits just under the true drop of a candidate, which are the hardest.
Answers are computed once and kept in the cache; the result goes to `bench/results`.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import lissom
from bench import task, timing
from bench.build import ensure
from lissom.measure.answers import infer
from lissom.measure.certificate import certify, promise
from lissom.measure.collect import Collector
from lissom.measure.environment import current
from lissom.measure.expected import compare, confidence_temperature
from lissom.measure.split import FRACTIONS
from lissom.numerics.bounds import upper_bound
from lissom.numerics.statistics import mean_interval, paired_interval, wilson

RESULT = Path(__file__).parent / "results" / "certificates.json"
NAMES = ("fmnist_vgg", "fmnist_resnet")
CONFIDENCE = 0.95
DRAWN = 2500
KEEP = 32
CHECKED = 20
JUST_UNDER = 0.98

RECIPES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "static-minmax": ("quantize.static", {"ranges": "minmax"}),
    "static-percentile": ("quantize.static", {"ranges": "percentile"}),
    "weights-int4": ("quantize.weight_only", {"bits": 4}),
}
BITS = (5, 4, 3)
"""Weights rounded to so few bits, a scale for each tensor: candidates that do lose something."""

Values = dict[str, np.ndarray]


def main() -> None:
    """Draw, count, and write the result."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.certificates",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--models", type=Path, help="folder with ready fmnist_*.onnx")
    parser.add_argument("--resamplings", type=int, default=200)
    given = parser.parse_args()
    tasks = {}
    for name in NAMES:
        folder = given.cache / "certificates" / name
        known = answers(ensure(name, given.cache, given.models), folder, given.cache / "store")
        tasks[name] = coverage(known, given.resamplings)
        print(name, json.dumps(tasks[name]["summary"]), flush=True)
    found = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "resamplings": given.resamplings,
        "confidence": CONFIDENCE,
        "drawn": DRAWN,
        "certifying": round(DRAWN * FRACTIONS["certification"]),
        "tasks": tasks,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


# --- answers, once ---
def answers(job: task.Task, folder: Path, store: Path) -> Values:
    """The scores of every class for every test image: the original's and each candidate's."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"labels": labels(job)}
    for name, path in candidates(job, folder, store):
        kept = folder / f"{name}.npy"
        if not kept.exists():
            np.save(kept, np.concatenate([out[0] for out in timing.outputs(path, job.test, 1)]))
        found[name] = np.load(kept, allow_pickle=False)
    return found


def labels(job: task.Task) -> np.ndarray:
    """The true class of each test image."""
    with np.load(job.model.parent / "data.npz", allow_pickle=False) as file:
        return np.asarray(file["labels"])


def candidates(job: task.Task, folder: Path, store: Path) -> Iterator[tuple[str, Path]]:
    """The original, recipes of ours, and rounded weights; each file is made once."""
    yield "original", job.model
    images = np.concatenate([feed["input"] for feed in job.calibration])
    for name, (method, parameters) in RECIPES.items():
        path = folder / f"{name}.onnx"
        if not path.exists():
            steps = (lissom.Step(method=method, parameters=dict(parameters)),)
            recipe = lissom.Recipe(name=name, steps=steps)
            lissom.apply(recipe, job.model, {"input": images}, out=path, store=store)
        yield name, path
    for bits in BITS:
        path = folder / f"rounded-{bits}.onnx"
        if not path.exists():
            onnx.save(rounded(onnx.load(job.model), bits), path)
        yield f"rounded-{bits}", path


def rounded(model: onnx.ModelProto, bits: int) -> onnx.ModelProto:
    """Every weight on a grid of so many bits."""
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.ndim >= 2 and array.dtype == np.float32:
            scale = np.abs(array).max() / (2 ** (bits - 1) - 1)
            near = (np.round(array / scale) * scale).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(near, weight.name))
    return model


# --- drawings ---
class Population:
    """All there is: the values of every image, and their means, which are the truth."""

    def __init__(self, known: Values) -> None:
        """Compare every candidate with the original."""
        self.names = [name for name in known if name not in {"labels", "original"}]
        right = {
            name: known[name].argmax(1) == known["labels"] for name in ("original", *self.names)
        }
        self.quality = float(right["original"].mean())
        self.outlook = infer("scores", [known["original"][:400]])
        self.arrays = {name: self.collected(known[name]) for name in ("original", *self.names)}
        original = right["original"].astype(np.float64)
        self.drop = {name: original - right[name] for name in self.names}
        self.differ = {
            name: (known[name].argmax(1) != known["original"].argmax(1)).astype(np.float64)
            for name in self.names
        }
        self.size = len(original)

    def collected(self, scores: np.ndarray) -> Values:
        """The answers as a run keeps them."""
        collector = Collector(self.outlook, keep=KEEP)
        collector.take(scores)
        return {name: np.asarray(array) for name, array in collector.arrays().items()}

    def expected(self, name: str, at: np.ndarray, temperature: float) -> np.ndarray:
        """The expected drop of some images, at a temperature of the original's confidence."""
        mine, its = (some(self.arrays[which], at) for which in ("original", name))
        found = compare(mine, its, self.outlook, temperature=temperature, quality=self.quality)
        if found.drop is None:
            raise RuntimeError("classes have an expected drop")
        return found.drop

    def temperature(self, at: np.ndarray) -> float:
        """At which the original is as sure of some images, on average, as it is right."""
        given = some(self.arrays["original"], at)
        return confidence_temperature(given, self.outlook, self.quality)


def some(arrays: Values, at: np.ndarray) -> Values:
    """The answers to some of the images."""
    return {name: array if name == "classes" else array[at] for name, array in arrays.items()}


def coverage(known: Values, resamplings: int) -> dict[str, Any]:
    """Draw again and again, and count how often what was stated is true."""
    population = Population(known)
    whole = np.arange(population.size)
    settled = population.temperature(whole)
    truth: dict[str, dict[str, float]] = {
        name: {
            "labels": float(population.drop[name].mean()),
            "bound": float(population.differ[name].mean()),
            "expected": float(population.expected(name, whole, settled).mean()),
        }
        for name in population.names
    }
    limits = sorted({0.01, *hardest(truth)})
    right: dict[str, dict[str, list[bool]]] = {
        name: {kind: [] for kind in (*truth[name], "bound of the drop", "expected of the drop")}
        for name in population.names
    }
    wrong: dict[str, dict[float, int]] = {kind: dict.fromkeys(limits, 0) for kind in KINDS}
    held: dict[str, dict[float, int]] = {kind: dict.fromkeys(limits, 0) for kind in KINDS}
    generator = np.random.default_rng(11)
    for number in range(resamplings):
        drawing = Drawing(population, generator)
        for name in population.names:
            bounds = {kind: drawing.bound(kind, name) for kind in KINDS}
            for kind in KINDS:
                right[name][kind].append(bounds[kind] >= truth[name][kind])
            for kind in ("bound", "expected"):
                right[name][f"{kind} of the drop"].append(bounds[kind] >= truth[name]["labels"])
        for kind in KINDS:
            for limit in limits:
                named = drawing.held(kind, limit)
                if number % CHECKED == 0:
                    drawing.check(kind, limit, named)
                held[kind][limit] += len(named)
                wrong[kind][limit] += any(truth[name][kind] > limit for name in named)
    return told(truth, right, wrong, held, resamplings)


KINDS = ("labels", "bound", "expected")


def hardest(truth: Mapping[str, Mapping[str, float]]) -> list[float]:
    """Limits just under what is true of some candidate, which then is over the limit."""
    drops = sorted(one["labels"] for one in truth.values() if 0.001 < one["labels"] < 0.03)
    return [round(JUST_UNDER * drop, 6) for drop in drops[-2:]]


class Drawing:
    """One drawing of the samples: what is known of each candidate on its parts."""

    def __init__(self, population: Population, generator: np.random.Generator) -> None:
        """Draw, and split as a run does."""
        drawn = generator.integers(0, population.size, DRAWN)
        first = round(DRAWN * FRACTIONS["calibration"])
        last = DRAWN - round(DRAWN * FRACTIONS["certification"])
        selection, certification = drawn[first:last], drawn[last:]
        temperature = population.temperature(selection)
        self.selected, self.certified = (
            {
                "labels": {name: population.drop[name][at] for name in population.names},
                "bound": {name: population.differ[name][at] for name in population.names},
                "expected": {
                    name: population.expected(name, at, temperature) for name in population.names
                },
            }
            for at in (selection, certification)
        )
        self.bounds: dict[tuple[str, str], float] = {}

    def bound(self, kind: str, name: str) -> float:
        """The upper bound of one candidate."""
        if (kind, name) not in self.bounds:
            values = self.certified[kind][name]
            self.bounds[kind, name] = bound_of(kind, values)
        return self.bounds[kind, name]

    def order(self, kind: str, limit: float) -> list[str]:
        """The order of the tests, by the selection part."""
        chosen = self.selected[kind]
        surety = {name: -promise(values.mean(), upper(kind, values), limit)
                  for name, values in chosen.items()}  # fmt: skip
        return sorted(chosen, key=lambda name: (surety[name], name))

    def held(self, kind: str, limit: float) -> list[str]:
        """What is held, one after another until one is not."""
        found = []
        for name in self.order(kind, limit):
            if self.bound(kind, name) > limit:
                break
            found.append(name)
        return found

    def check(self, kind: str, limit: float, named: list[str]) -> None:
        """See that a certificate says the same as this count."""
        order = self.order(kind, limit)
        values = [self.certified[kind][name] for name in order]
        made = certify(values, limit, confidence=CONFIDENCE, kind=kind)  # type: ignore[arg-type]
        if [name for name, one in zip(order, made, strict=True) if one.held] != named:
            raise RuntimeError(f"certify holds others than were counted: {kind}, {limit}")


def upper(kind: str, values: np.ndarray) -> float:
    """The upper end of an estimate's interval on the selection part."""
    if kind == "labels":
        return paired_interval(values)[1]
    if kind == "bound":
        return wilson(float(values.sum()), len(values))[1]
    return mean_interval(values, low=min(0.0, float(values.min())), high=1.0)[1]


def bound_of(kind: str, values: np.ndarray) -> float:
    """The upper bound of a mean; equal counts are not computed twice."""
    if kind == "expected":
        return upper_bound(values, confidence=CONFIDENCE)
    more, fewer = int((values > 0).sum()), int((values < 0).sum())
    return counted(kind == "bound", more, fewer, len(values))


@cache
def counted(share: bool, more: int, fewer: int, count: int) -> float:  # noqa: FBT001 - a cache key
    """The upper bound of so many ones, minus ones and zeros."""
    values = np.zeros(count)
    values[:more], values[more : more + fewer] = 1.0, -1.0
    return upper_bound(values, confidence=CONFIDENCE, share=share)


# --- the result ---
def told(
    truth: Mapping[str, Mapping[str, float]],
    right: Mapping[str, Mapping[str, list[bool]]],
    wrong: Mapping[str, Mapping[float, int]],
    held: Mapping[str, Mapping[float, int]],
    resamplings: int,
) -> dict[str, Any]:
    """Shares of the drawings, and the least of them."""
    each = {
        name: {"truth": truth[name], "right": {kind: float(np.mean(one)) for kind, one in
               right[name].items()}}
        for name in truth
    }  # fmt: skip
    jointly = [
        {
            "kind": kind,
            "limit": limit,
            "false_held": wrong[kind][limit] / resamplings,
            "held": held[kind][limit] / resamplings,
            "true": sum(one[kind] <= limit for one in truth.values()),
        }
        for kind in wrong
        for limit in wrong[kind]
    ]
    least = {kind: min(one["right"][kind] for one in each.values()) for kind in KINDS}
    mean = {kind: float(np.mean([one["right"][kind] for one in each.values()])) for kind in KINDS}
    summary = {
        "least_right": least,
        "mean_right": mean,
        "most_false_held": max(float(one["false_held"]) for one in jointly),
    }
    return {"summary": summary, "candidates": each, "joint": jointly}


if __name__ == "__main__":
    main()
