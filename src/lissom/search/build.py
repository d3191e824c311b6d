"""From a recipe to the exact file that would be delivered, remembered by all that it depends on."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lissom
from lissom.graph.model import Model
from lissom.graph.save import save
from lissom.measure.calibration import Calibration
from lissom.measure.evidence import Evidence, Need
from lissom.measure.observe import observe, shapes
from lissom.measure.widths import tables
from lissom.methods.protocol import Context, Observe, Plan, Skip
from lissom.methods.registry import create, load, values_of
from lissom.recipe import Recipe, rebuild
from lissom.runtime import cores, registry
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.search.candidate import ORIGINAL, StepRecord
from lissom.search.counting import count_macs
from lissom.search.job import Job, Opened
from lissom.store.refs import FileRef
from lissom.store.store import Store

__all__ = [
    "DATA",
    "MODEL",
    "Built",
    "build",
    "context",
    "observer",
    "placed",
    "provenance",
    "recall",
    "step_record",
    "step_to_json",
    "unchanged",
]

KIND: Final = "candidate.build"
_MOST_THREADS: Final = 8
MODEL: Final = "model.onnx"
DATA: Final = "model.onnx.data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A candidate's file, not measured yet.

    Attributes:
        file: the model.
        data_file: its external data, for models over the protobuf limit.
        fingerprint: of the graph and the weights, whatever the metadata.
        steps: what each step did.
        parameters: number of trained constants.
        macs: multiply-accumulates of one run; None where they cannot be counted.
        seconds: what building took when it was done.
    """

    file: FileRef
    data_file: FileRef | None
    fingerprint: str
    steps: tuple[StepRecord, ...]
    parameters: int
    macs: int | None
    seconds: float

    @property
    def edits(self) -> int:
        """How many edits were performed in all."""
        return sum(sum(step.edits.values()) for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "file": self.file.to_json(),
            "data_file": None if self.data_file is None else self.data_file.to_json(),
            "fingerprint": self.fingerprint,
            "steps": [step_to_json(step) for step in self.steps],
            "parameters": self.parameters,
            "macs": self.macs,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Built":
        """Read what `to_json` wrote."""
        data = value["data_file"]
        return cls(
            file=FileRef.from_json(value["file"]),
            data_file=None if data is None else FileRef.from_json(data),
            fingerprint=value["fingerprint"],
            steps=tuple(step_from_json(step) for step in value["steps"]),
            parameters=value["parameters"],
            macs=value["macs"],
            seconds=value["seconds"],
        )


def build(
    job: Job,
    recipe: Recipe,
    facts: Facts,
    *,
    target: Target | None = None,
    deadline: float | None,
    told: Callable[[str], None],
) -> Built:
    """Rebuild a candidate from the original and keep its file; from the store if done before.

    Args:
        job: what the run works on.
        recipe: what to do.
        facts: of the runtime.
        target: what the model is made for; None for the run's own.
        deadline: on `time.monotonic`'s clock; methods settle for what they have then.
        told: called with short lines of progress.

    Raises:
        MethodError: a step failed.
        RecipeError: a target of a step names no node.
        ChildFailed: a child that a step needed crashed or took too long.
        MeasurementError: the runtime failed on what a step needed.
    """
    opened = job.opened
    store = opened.store

    def compute() -> dict[str, Any]:
        started = time.monotonic()
        around = context(opened, facts, target=target, seed=job.seed, deadline=deadline, told=told)
        model, plans = rebuild(recipe, opened.model, around)
        file, data_file = saved(model, job, provenance(opened, recipe, target))
        steps = tuple(
            step_record(step.method, step.parameters, plan)
            for step, plan in zip(recipe.steps, plans, strict=True)
        )
        built = Built(
            file=file,
            data_file=data_file,
            fingerprint=model.fingerprint,
            steps=steps,
            parameters=model.parameters,
            macs=count_macs(model, opened, steps),
            seconds=round(time.monotonic() - started, 3),
        )
        return built.to_json()

    return Built.from_json(store.remember(KIND, build_inputs(job, recipe, facts, target), compute))


def unchanged(job: Job) -> Built:
    """The original's own file, to be run in another place; made again if it is several files."""
    opened = job.opened
    if opened.facts.external:
        recipe = Recipe(name=ORIGINAL, seed=job.seed)
        file, data_file = saved(opened.model, job, provenance(opened, recipe))
    else:
        file, data_file = opened.store.put_file(opened.path, ".onnx"), None
    return Built(
        file=file,
        data_file=data_file,
        fingerprint=opened.model.fingerprint,
        steps=(),
        parameters=opened.model.parameters,
        macs=count_macs(opened.model, opened),
        seconds=0.0,
    )


def saved(model: Model, job: Job, metadata: Mapping[str, str]) -> tuple[FileRef, FileRef | None]:
    """Put a model into the store: its file, and its external data where it has any."""
    store = job.opened.store
    with store.scratch() as folder:
        save(model, folder / MODEL, metadata=metadata)
        file = store.put_file(folder / MODEL, ".onnx")
        data = folder / DATA
        return file, store.put_file(data, ".data") if data.exists() else None


def recall(job: Job, recipe: Recipe, facts: Facts, target: Target | None = None) -> Built | None:
    """The candidate's file if it was built before; None otherwise."""
    store = job.opened.store
    found = store.get_json(store.key(KIND, build_inputs(job, recipe, facts, target)))
    return None if found is None else Built.from_json(found)


def build_inputs(job: Job, recipe: Recipe, facts: Facts, target: Target | None) -> dict[str, Any]:
    """All that the bytes of a candidate depend on, as JSON."""
    opened = job.opened
    return {
        "model": opened.model.fingerprint,
        "recipe": recipe.to_json(),
        "target": (target or opened.target).to_json(),
        "facts": facts.to_json(),
        "feed": {name: list(array.shape) for name, array in opened.feed.items()},
        "provenance": provenance(opened, recipe, target),
    }


def context(
    opened: Opened,
    facts: Facts,
    *,
    target: Target | None = None,
    seed: int,
    deadline: float | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Context:
    """What methods may ask for on this model."""
    place = target or opened.target
    return Context(
        original=opened.model,
        store=opened.store,
        facts=facts,
        target=place,
        observe=observer(opened),
        calibration=calibration(opened),
        shapes=lambda model: shapes(model, opened.feed, registry.stated(Target()), opened.store),
        tables=lambda forms: tables(forms, place, opened.store),
        seed=seed,
        deadline=deadline,
        progress=told,
    )


def calibration(opened: Opened) -> Calibration | None:
    """The calibration part, for methods that stream through it; None without samples.

    With as many threads as there are cores: nothing is timed.
    """
    samples = opened.samples
    if samples is None:
        return None
    part = samples.part("calibration")
    place = Target(threads=min(_MOST_THREADS, cores.physical()))
    return Calibration(samples=samples, part=part, target=registry.stated(place))


def observer(opened: Opened) -> Observe | None:
    """Evidence from the calibration part; None without samples.

    Always from the default runtime: whatever a model is made for, what is seen is the same, and a
    recipe gives the same bytes again.
    """
    samples = opened.samples
    if samples is None:
        return None
    part = samples.part("calibration")

    def answer(model: Model, needs: Mapping[Need, tuple[str, ...]]) -> Evidence:
        return observe(model, samples, part, needs, registry.stated(Target()))

    return answer


def provenance(opened: Opened, recipe: Recipe, target: Target | None = None) -> dict[str, str]:
    """What a delivered file says of how it was made: no dates, no folders, no machine."""
    runtime = (target or opened.target).runtime
    made = {
        "version": lissom.__version__,
        "original_sha256": opened.facts.sha256,
        "recipe": recipe.to_yaml(),
        "runtime": f"{runtime} {registry.load(runtime).version()}",
    }
    if opened.samples is not None and any(load(step.method).needs for step in recipe.steps):
        made["calibration"] = opened.samples.part("calibration").fingerprint
    return made


@contextmanager
def placed(store: Store, file: FileRef, data_file: FileRef | None) -> Iterator[Path]:
    """The path of a candidate's file, with its external data beside it under its own name."""
    if data_file is None:
        yield store.file(file)
        return
    with store.scratch() as folder:
        for ref, name in ((file, MODEL), (data_file, DATA)):
            shutil.copyfile(store.file(ref), folder / name)
        yield folder / MODEL


def step_record(method: str, parameters: Mapping[str, Any], plan: Plan) -> StepRecord:
    """What one step did, with all its parameters, those at their defaults too."""
    return StepRecord(
        method=method,
        parameters=values_of(create(method, parameters)),
        edits=plan.edit_counts,
        summary=plan.summary,
        skips=plan.skips,
    )


def step_to_json(step: StepRecord) -> dict[str, Any]:
    """Write a step's record as JSON values."""
    return {
        "method": step.method,
        "parameters": dict(step.parameters),
        "edits": dict(step.edits),
        "summary": step.summary,
        "skips": [skip.to_json() for skip in step.skips],
    }


def step_from_json(value: Mapping[str, Any]) -> StepRecord:
    """Read what `step_to_json` wrote."""
    return StepRecord(
        method=value["method"],
        parameters=value["parameters"],
        edits=value["edits"],
        summary=value["summary"],
        skips=tuple(Skip(target=s["target"], reason=s["reason"]) for s in value["skips"]),
    )
