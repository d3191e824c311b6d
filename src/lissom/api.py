"""The verbs of the library: inspect, compress, measure, compare, verify, apply, doctor, load.

Quiet by default; a progress callback hears of every stage. Errors are `lissom.LissomError` and its
kinds: what was given wrongly is an `InputError`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lissom.errors import OptionError
from lissom.graph.load import file_facts
from lissom.graph.model import Model
from lissom.measure import environment
from lissom.measure.judge import Judge
from lissom.methods.scope import Scope
from lissom.recipe import Recipe
from lissom.report import document, page
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.search.applied import Applied, carry_out, check_absent
from lissom.search.assess import unmeasured_original
from lissom.search.comparison import Comparison, Measured, compare_models, measure_model
from lissom.search.compose import Found, compose
from lissom.search.doctor import Diagnosis, diagnose
from lissom.search.folder import Folder
from lissom.search.inspection import Inspection, inspect_model
from lissom.search.job import Job, Opened
from lissom.search.limits import Limits
from lissom.search.opening import Data, default_store, open_model
from lissom.search.origin import origin_of
from lissom.search.phases import planned
from lissom.search.places import Places
from lissom.search.progress import Event, Progress, silent
from lissom.search.proposals import Proposals
from lissom.search.result import NotTried, Result
from lissom.search.run import run
from lissom.search.verification import Asked, Verification, verify_model
from lissom.store.store import Store

__all__ = [
    "Data",
    "Settings",
    "apply",
    "compare",
    "compress",
    "doctor",
    "inspect",
    "load",
    "measure",
    "verify",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run of `compress` goes about it.

    Attributes:
        scope: nodes that may be touched.
        recipe: try only this one; None tries the proposals.
        seed: of everything random.
        store: where results are remembered; None takes the user's cache folder.
        dry_run: answer what would be tried, measure nothing, write nothing.
    """

    scope: Scope = field(default_factory=Scope)
    recipe: Recipe | None = None
    seed: int = 0
    store: Path | None = None
    dry_run: bool = False


DEFAULTS = Settings()
NO_LIMITS = Limits()
HERE = Target()
INFERRED = Judge()


def compress(
    model: Path | str,
    samples: Any = None,
    *,
    limits: Limits = NO_LIMITS,
    target: Target | Places = HERE,
    judge: Judge = INFERRED,
    out: Path | str | None = None,
    settings: Settings = DEFAULTS,
    progress: Progress = silent,
) -> Result:
    """Find the best model under the limits, measured on the runtime that will run it.

    Args:
        model: an ONNX file.
        samples: inputs of the model (a path, a mapping, feeds: see `Data`), or a `Data` with
            labels; None does what needs none and does not measure quality.
        limits: goal and limits; the drop is limited to 1% when nothing is said.
        target: runtime, threads and batch; or several places, of which the measurement chooses
            (`Places.find("auto", None)`: every runtime installed, any number of threads).
        judge: how quality is told; inferred from the original's outputs by default.
        out: a new folder, or a path ending in `.onnx` for the chosen model with the rest beside
            it; None takes `<model>-lissom` in the current folder. The same run is continued.
        settings: scope, recipe, seed, store, dry run.
        progress: told of every stage.

    Returns:
        The front, the choice with its reasons, and everything that was tried.

    Raises:
        InputError: the model, samples, limits or `out` cannot be used.
        MeasurementError: the runtime cannot run the original.
        KeyboardInterrupt: interrupted; everything found so far is on disk.
    """
    path = Path(model)
    progress(Event(stage="load"))
    places = Places.of(target)
    opened = opened_at(path, samples, places.first, settings.store)
    job = Job(
        opened=opened,
        limits=limits.with_default_drop(data=opened.samples is not None),
        judge=judge,
        scope=settings.scope,
        recipe=settings.recipe,
        seed=settings.seed,
        places=places,
    )
    check_scope(job)
    names = [place.target.runtime for place in places.runtimes]
    facts = {name: registry.load(name).facts(opened.store) for name in names}
    here = environment.current()
    tried = planned(job, facts)
    if settings.dry_run:
        return dry(job, tried, here)
    place = Path(out) if out is not None else Path(f"{path.stem}-lissom")
    with Folder.opened(place, job.identity()) as folder:
        return run(
            job, tried, facts, here, folder=folder, publish=publisher(folder), progress=progress
        )


def inspect(
    model: Path | str,
    samples: Any = None,
    *,
    groups: bool = False,
    sensitivity: bool = False,
    target: Target | None = None,
    store: Path | None = None,
) -> Inspection:
    """Look at what a model holds, what it computes, and where its time goes on this machine.

    Args:
        model: an ONNX file.
        samples: see `compress`; None uses generated inputs.
        groups: find the channel groups, too: what may be removed together.
        sensitivity: measure what each operator costs and saves on integers; needs samples.
        target: runtime, threads and batch; None takes what the result beside the model says.
        store: where results are remembered; None takes the user's cache folder.

    Raises:
        InputError: the model or the samples cannot be used.
    """
    path = Path(model)
    opened = opened_at(path, samples, meant_for(path, target), store)
    return inspect_model(opened, groups=groups, sensitivity=sensitivity)


def measure(
    model: Path | str,
    samples: Any = None,
    *,
    target: Target | None = None,
    judge: Judge = INFERRED,
    store: Path | None = None,
) -> Measured:
    """Measure latency, throughput, size and peak memory; quality where there are labels.

    Args:
        model: an ONNX file.
        samples: see `compress`; None uses generated inputs.
        target: runtime, threads and batch; None takes what the result beside the model says.
        judge: how quality is told.
        store: where results are remembered; None takes the user's cache folder.

    Raises:
        InputError: the model or the samples cannot be used.
        MeasurementError: the runtime cannot run the model.
    """
    path = Path(model)
    return measure_model(opened_at(path, samples, meant_for(path, target), store), judge)


def compare(
    first: Path | str,
    second: Path | str,
    samples: Any = None,
    *,
    target: Target | None = None,
    judge: Judge = INFERRED,
    store: Path | None = None,
) -> Comparison:
    """Compare a second model with a first: speed from one interleaved run, size, memory, quality.

    Args:
        first: the reference, an ONNX file.
        second: the other, with the same inputs and outputs.
        samples: see `compress`; without them quality is not compared.
        target: where both run; None runs each as the result beside it says, and the original of
            the second as in the run that made it.
        judge: how quality is told.
        store: where results are remembered; None takes the user's cache folder.

    Raises:
        InputError: a model or the samples cannot be used, or the models' ports differ.
        MeasurementError: the runtime cannot run one of them.
    """
    path, other = Path(first), Path(second)
    origin = None if target is not None else origin_of(other, file_facts(other).sha256)
    if origin is not None and origin.original_sha256 == file_facts(path).sha256:
        here = origin.reference  # as the run that made the second compared the two
    else:
        here = meant_for(path, target)
    there = here if target is not None or origin is None else origin.target
    return compare_models(opened_at(path, samples, here, store), other, judge, target=there)


def verify(
    model: Path | str,
    against: Path | str,
    samples: Any,
    *,
    limits: Limits = NO_LIMITS,
    target: Target | None = None,
    judge: Judge = INFERRED,
    store: Path | None = None,
) -> Verification:
    """Check a delivered model's limits and speed on new samples, on this machine.

    Args:
        model: the file to check: `OUT/model.onnx`, one of `OUT/front`, or any other.
        against: the original that it was made from, an ONNX file.
        samples: new ones, as for `compress`; those that the run has used are left out.
        limits: those of the run where none is named; else a drop of 1%.
        target: where both run; None takes the run's places, and this runtime where there are none.
        judge: how quality is told; where nothing is said, as in the run.
        store: where results are remembered; None takes the user's cache folder.

    Returns:
        The verdict, a certificate of each limit, and the numbers found here.

    Raises:
        InputError: a model, the samples or the result beside the model cannot be used, or the
            models' ports differ.
        MeasurementError: the runtime cannot run one of them.
    """
    path = Path(model)
    asked = Asked.of(path, limits, judge, target)
    return verify_model(opened_at(Path(against), samples, asked.reference, store), path, asked)


def apply(
    recipe: Recipe | Path | str,
    model: Path | str,
    samples: Any = None,
    *,
    out: Path | str,
    target: Target | None = None,
    store: Path | None = None,
    progress: Progress = silent,
) -> Applied:
    """Rebuild a candidate from its recipe; bit for bit where the runtime allows.

    Args:
        recipe: a recipe or its file.
        model: the original that the recipe was made for, an ONNX file.
        samples: the samples that it was made with, where its steps need any.
        out: the new file; it must not exist.
        target: runtime, threads and batch; None takes the runtime that the recipe was made for.
        store: where results are remembered; None takes the user's cache folder.
        progress: called with an event at every step, and as methods go on.

    Returns:
        The written file, and what each step did and left alone.

    Raises:
        InputError: the recipe, the model or the samples cannot be used, or `out` exists.
        MethodError: a step failed.
    """
    steps = recipe if isinstance(recipe, Recipe) else Recipe.load(Path(recipe))
    path = Path(out)
    check_absent(path)
    data = Data.of(samples)
    if data is not None and data.preprocessing is None:
        data = replace(data, preprocessing=steps.preprocessing)
    made_for = target or (HERE if steps.runtime is None else Target(runtime=steps.runtime))
    return carry_out(steps, opened_at(Path(model), data, made_for, store), made_for, path, progress)


def doctor(*, store: Path | None = None) -> Diagnosis:
    """Look at this machine: what it offers, how noisy its clock is now, and what is missing.

    Whatever is wrong is a finding in the answer. The first time on a machine takes as long as
    probing its runtimes does.

    Args:
        store: where results are remembered; None takes the user's cache folder.

    Raises:
        OptionError: no store was given, and the system does not say where the cache folder is.
    """
    return diagnose(store or default_store())


def load(
    model: Path | str, samples: Any = None, *, target: Target = HERE, store: Path | None = None
) -> Model:
    """Read a model, make it canonical, and check that its outputs stayed the same.

    Args:
        model: an ONNX file.
        samples: see `compress`; None checks on generated inputs.
        target: runtime, threads and batch.
        store: where results are remembered; None takes the user's cache folder.

    Raises:
        InputError: the model or the samples cannot be used.
    """
    return opened_at(Path(model), samples, target, store).model


def meant_for(path: Path, target: Target | None) -> Target:
    """Where a model runs: as asked, or else as the result beside it says.

    Raises:
        InputError: the model or the result cannot be read.
    """
    if target is not None:
        return target
    origin = origin_of(path, file_facts(path).sha256)
    return HERE if origin is None else origin.target


def opened_at(path: Path, samples: Any, target: Target, store: Path | None) -> Opened:
    """Open a model with its samples and store."""
    return open_model(path, Data.of(samples), store=Store(store or default_store()), target=target)


def check_scope(job: Job) -> None:
    """Refuse targets that name nothing, before any work is done."""
    unmatched = job.scope.unmatched([job.opened.model])
    if unmatched:
        names = ", ".join(unmatched)
        raise OptionError(
            f"include or exclude {names} matches no node name and no operator type of the model; "
            "`lissom inspect` lists them"
        )


def dry(job: Job, proposed: Proposals, here: environment.Environment) -> Result:
    """What would be tried, with nothing measured and nothing written."""
    would = [
        NotTried(name=one.name, reason=f"dry run: {one.recipe.in_words or one.title}")
        for one in proposed.tried
    ]
    found = Found(
        original=unmeasured_original(job),
        tried=(),
        left_out=(*would, *proposed.left_out),
        seconds=0.0,
        finished=False,
    )
    return compose(job, here, found)


def publisher(folder: Folder) -> Callable[[Result], None]:
    """Write `result.json` and `report.html` into a folder, each whole or not at all."""

    def publish(result: Result) -> None:
        text = document.to_json(document.document(result))
        folder.write("result.json", content=text.encode())
        folder.write("report.html", content=page.page(result).encode())

    return publish
