"""The commands that make models: compress, demo, apply."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lissom.cli.options import (
    AnyTarget,
    AnyThreads,
    AsJson,
    Batch,
    DataPath,
    Labels,
    Metric,
    Model,
    OriginalQuality,
    Out,
    Preprocessing,
    Seed,
    StorePath,
    Threads,
    asked_target,
    judge_of,
    places_of,
    samples,
    target_of,
)
from lissom.cli.screen import LIMITS_MISSED, guarded, show, show_result, watching

if TYPE_CHECKING:
    from lissom.api import Data

__all__ = ["apply", "compress", "demo"]

DEMO_BUDGET = "100s"  # whoever looks for the first time should not wait longer


def compress(
    model: Model,
    data: DataPath = None,
    labels: Labels = None,
    preprocessing: Preprocessing = None,
    metric: Metric = None,
    original_quality: OriginalQuality = None,
    goal: Annotated[str, typer.Option(help="speed, size, memory or quality.")] = "speed",
    max_drop: Annotated[
        str | None, typer.Option(help="Most loss of score, such as 1% (the default) or 0.01.")
    ] = None,
    max_latency: Annotated[str | None, typer.Option(help="Most time for one run: 5ms.")] = None,
    max_size: Annotated[str | None, typer.Option(help="Largest file: 2MB.")] = None,
    max_memory: Annotated[str | None, typer.Option(help="Most memory: 50MB.")] = None,
    certified: Annotated[
        bool, typer.Option("--certified", help="Deliver only what is certified to hold them.")
    ] = False,
    target: AnyTarget = "onnxruntime",
    threads: AnyThreads = "1",
    batch: Batch = 1,
    budget: Annotated[str | None, typer.Option(help="Time for the whole run: 10m.")] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Only nodes of this name (glob) or operator type.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="No nodes of this name (glob) or operator type.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="Try only this recipe's steps.")] = None,
    seed: Seed = 0,
    store: StorePath = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be tried.")] = False,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Find the best model under your limits, and write it with a report."""
    with guarded():
        from lissom.api import Settings
        from lissom.methods.scope import Scope
        from lissom.recipe import Recipe
        from lissom.search.limits import Limits

        limits = Limits.parse(
            goal=goal,
            max_drop=max_drop,
            max_latency=max_latency,
            max_size=max_size,
            max_memory=max_memory,
            budget=budget,
            certified=certified,
        )
        settings = Settings(
            scope=Scope(include=tuple(include or ()), exclude=tuple(exclude or ())),
            recipe=None if recipe is None else Recipe.load(recipe),
            seed=seed,
            store=store,
            dry_run=dry_run,
        )
        run_compress(
            model,
            samples(data, labels, preprocessing),
            judge=judge_of(metric, original_quality),
            target=places_of(target, threads, batch),
            limits=limits,
            settings=settings,
            out=out or Path(f"{model.stem}-lissom"),
            as_json=as_json,
        )


def demo(
    out: Out = None,
    goal: Annotated[str, typer.Option(help="speed, size, memory or quality.")] = "speed",
    max_drop: Annotated[str, typer.Option(help="Most loss of score.")] = "1%",
    threads: Threads = 1,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Compress the small network that comes with Lissom, on its own test images."""
    with guarded():
        from lissom.api import Data, Settings
        from lissom.demo.files import paths
        from lissom.search.limits import Limits

        files = paths()
        run_compress(
            files.model,
            Data(source=files.samples),
            judge=judge_of(None, None),
            target=target_of("onnxruntime", threads, 1),
            limits=Limits.parse(goal=goal, max_drop=max_drop, budget=DEMO_BUDGET),
            settings=Settings(store=store),
            out=out or Path("lissom-demo"),
            as_json=as_json,
        )


def apply(
    recipe: Annotated[Path, typer.Argument(help="A recipe.", metavar="RECIPE")],
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", help="The new model, .onnx.")],
    data: DataPath = None,
    preprocessing: Preprocessing = None,
    target: Annotated[
        str | None, typer.Option(help="The runtime; else the one that the recipe was made for.")
    ] = None,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild a candidate from its recipe and the original model."""
    with guarded():
        from lissom import api
        from lissom.report.applied import applied_lines

        with watching() as progress:
            made = api.apply(
                recipe,
                model,
                samples(data, None, preprocessing),
                out=out,
                target=asked_target(target, None, None),
                store=store,
                progress=progress,
            )
        show(made, applied_lines, as_json=as_json)


def run_compress(model: Path, data: "Data | None", *, as_json: bool, **options: Any) -> None:
    """Compress with live progress, show the result, and leave with the right exit code."""
    from lissom import api

    with watching() as progress:
        result = api.compress(model, data, progress=progress, **options)
    show_result(result, as_json=as_json)
    if not result.choice.met:
        raise typer.Exit(LIMITS_MISSED)
