"""A tiny model with samples on disk, opened: what the slow tests of the search share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from lissom.measure.judge import Judge
from lissom.recipe import Recipe, Step
from lissom.runtime.target import Target
from lissom.search.job import Job
from lissom.search.limits import Limits
from lissom.search.opening import Data, open_model
from lissom.store.store import Store
from tests import tiny

__all__ = ["Trial", "recipe", "trial_in", "write_cnn"]

SAMPLES = 120


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Where the tiny model, its samples and the store lie."""

    model: Path
    samples: Path
    store: Store

    def job(self, *, data: bool = True, limits: Limits | None = None) -> Job:
        opened = open_model(
            self.model,
            Data(source=self.samples) if data else None,
            store=self.store,
            target=Target(),
        )
        given = limits or Limits()
        return Job(opened=opened, limits=given.with_default_drop(data=data), judge=Judge())


def write_cnn(folder: Path) -> tuple[Path, Path]:
    """A tiny classifier and labelled samples that it answers mostly right."""
    model, samples = folder / "cnn.onnx", folder / "samples.npz"
    made = tiny.cnn()
    onnx.save(made, model)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((SAMPLES, 3, 8, 8)).astype(np.float32)
    reference = ReferenceEvaluator(made)
    labels = reference.run(None, {"image": images})[0].argmax(axis=1)
    labels[::10] = (labels[::10] + 1) % 5
    np.savez(samples, image=images, label=labels.astype(np.int64))
    return model, samples


def trial_in(folder: Path) -> Trial:
    model, samples = write_cnn(folder)
    return Trial(model=model, samples=samples, store=Store(folder / "store"))


def recipe(name: str, method: str, **parameters: object) -> Recipe:
    return Recipe(name=name, steps=(Step(method=method, parameters=parameters),))
