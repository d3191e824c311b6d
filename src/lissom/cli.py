"""The verbs of `lissom.api` as commands; no logic of its own.

Answers go to standard output, progress and errors to standard error. Exit codes: 0 done, 2 bad
input (one line, no traceback), 3 the limits cannot be met, 130 interrupted.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lissom.errors import LissomError, OptionError

if TYPE_CHECKING:
    from lissom.api import Data
    from lissom.measure.judge import Judge
    from lissom.runtime.target import Target
    from lissom.search.progress import Event
    from lissom.search.result import Result

__all__ = ["app", "main"]

LIMITS_MISSED, INTERRUPTED = 3, 130
DEMO_BUDGET = "100s"  # whoever looks for the first time should not wait longer

app = typer.Typer(
    help="Makes a trained neural network smaller, faster and cheaper to run, and proves it.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Model = Annotated[Path, typer.Argument(help="An ONNX model.", metavar="MODEL")]
DataPath = Annotated[
    Path | None,
    typer.Option("--data", help="Samples: .npz, .npy, or a folder of .npz files or images."),
]
Labels = Annotated[Path | None, typer.Option(help="Labels, .npy, one entry a sample.")]
Preprocessing = Annotated[
    Path | None, typer.Option(help="YAML: width, height, layout, mean, scale of images.")
]
Metric = Annotated[
    str | None,
    typer.Option(help="top1, top5, ...; or package.module:function, which runs that code."),
]
OriginalQuality = Annotated[
    float | None, typer.Option(help="Known score of the original, such as 0.93; needs no labels.")
]
TargetName = Annotated[str, typer.Option("--target", help="The runtime.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the runtime.")]
Batch = Annotated[int, typer.Option(min=1, help="Samples in one run.")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
StorePath = Annotated[
    Path | None, typer.Option("--store", help="Where results are remembered between runs.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON on standard output.")]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="A new folder, or a path ending in .onnx."),
]


@app.command()
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
    target: TargetName = "onnxruntime",
    threads: Threads = 1,
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
            target=target_of(target, threads, batch),
            limits=limits,
            settings=settings,
            out=out or Path(f"{model.stem}-lissom"),
            as_json=as_json,
        )


@app.command()
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


@app.command()
def inspect(
    model: Model,
    data: DataPath = None,
    preprocessing: Preprocessing = None,
    target: TargetName = "onnxruntime",
    threads: Threads = 1,
    batch: Batch = 1,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Show what a model holds, what it computes, and where its time goes on this machine."""
    with guarded():
        from lissom import api
        from lissom.report import verbs

        found = api.inspect(
            model,
            samples(data, None, preprocessing),
            target=target_of(target, threads, batch),
            store=store,
        )
        show(found, verbs.inspection_lines, as_json=as_json)


@app.command()
def measure(
    model: Model,
    data: DataPath = None,
    labels: Labels = None,
    preprocessing: Preprocessing = None,
    metric: Metric = None,
    target: TargetName = "onnxruntime",
    threads: Threads = 1,
    batch: Batch = 1,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency, throughput, size and peak memory; quality where there are labels."""
    with guarded():
        from lissom import api
        from lissom.report import verbs

        found = api.measure(
            model,
            samples(data, labels, preprocessing),
            target=target_of(target, threads, batch),
            judge=judge_of(metric, None),
            store=store,
        )
        show(found, verbs.measured_lines, as_json=as_json)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="The reference model.", metavar="A")],
    second: Annotated[Path, typer.Argument(help="The other model.", metavar="B")],
    data: DataPath = None,
    labels: Labels = None,
    preprocessing: Preprocessing = None,
    metric: Metric = None,
    original_quality: OriginalQuality = None,
    target: TargetName = "onnxruntime",
    threads: Threads = 1,
    batch: Batch = 1,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Compare B with A: speed from one interleaved run, size, memory, quality."""
    with guarded():
        from lissom import api
        from lissom.report import verbs

        found = api.compare(
            first,
            second,
            samples(data, labels, preprocessing),
            target=target_of(target, threads, batch),
            judge=judge_of(metric, original_quality),
            store=store,
        )
        show(found, verbs.comparison_lines, as_json=as_json)


@app.command()
def apply(
    recipe: Annotated[Path, typer.Argument(help="A recipe.", metavar="RECIPE")],
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", help="The new model, .onnx.")],
    data: DataPath = None,
    preprocessing: Preprocessing = None,
    target: TargetName = "onnxruntime",
    threads: Threads = 1,
    batch: Batch = 1,
    store: StorePath = None,
) -> None:
    """Rebuild a candidate from its recipe and the original model."""
    with guarded():
        from lissom import api

        written = api.apply(
            recipe,
            model,
            samples(data, None, preprocessing),
            out=out,
            target=target_of(target, threads, batch),
            store=store,
        )
        typer.echo(str(written))


@app.command()
def version() -> None:
    """Show the versions of Lissom and of what it runs on."""
    with guarded():
        from lissom.measure.environment import current

        here = current()
        typer.echo(f"lissom {here.lissom}, Python {here.python}")
        for name, number in here.runtimes.items():
            typer.echo(f"{name} {number}")


def main() -> None:
    """Run the command line."""
    # a request to end is like Ctrl-C: children are ended, the front is kept
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except BrokenPipeError:
        # whoever read our output has gone; that is their right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


@contextmanager
def guarded() -> Iterator[None]:
    """Turn what a user can mend into one line and an exit code."""
    try:
        yield
    except LissomError as error:
        typer.echo(f"lissom: {one_line(str(error))}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("lissom: interrupted; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None


def one_line(text: str) -> str:
    """A message on one line, with nothing in it that could drive a terminal."""
    from lissom.report.wording import visible

    return visible(" ".join(text.split()))


def samples(data: Path | None, labels: Path | None, preprocessing: Path | None) -> "Data | None":
    """The samples' options as one value."""
    from lissom.api import Data

    if data is None:
        for option, value in (("--labels", labels), ("--preprocessing", preprocessing)):
            if value is not None:
                raise OptionError(f"{option} needs --data")
        return None
    return Data(source=data, labels=labels, preprocessing=preprocessing)


def target_of(name: str, threads: int, batch: int) -> "Target":
    """The target's options as one value."""
    from lissom.runtime.target import Target

    return Target(runtime=name, threads=threads, batch=batch)


def judge_of(metric: str | None, original_quality: float | None) -> "Judge":
    """The judge's options as one value."""
    from lissom.measure.judge import Judge

    return Judge(metric=metric, original_quality=original_quality)


def run_compress(model: Path, data: "Data | None", *, as_json: bool, **options: Any) -> None:
    """Compress with live progress, show the result, and leave with the right exit code."""
    from lissom import api

    with watching() as progress:
        result = api.compress(model, data, progress=progress, **options)
    show_result(result, as_json=as_json)
    if not result.choice.met:
        raise typer.Exit(LIMITS_MISSED)


def show_result(result: "Result", *, as_json: bool) -> None:
    """Print the front, or the whole document as JSON."""
    from lissom.report import document

    if as_json:
        typer.echo(document.to_json(document.document(result)), nl=False)
        return
    from rich.console import Console

    from lissom.report.terminal import table

    Console(highlight=False, markup=False).print(table(result))


def show(found: Any, lines: Callable[[Any], list[str]], *, as_json: bool) -> None:
    """Print an answer of `inspect`, `measure` or `compare`."""
    from lissom.report.wording import visible

    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        return
    for line in lines(found):
        typer.echo(visible(line))


@contextmanager
def watching() -> Iterator[Callable[["Event"], None]]:
    """Show progress: one living line on a terminal, plain lines elsewhere."""
    from rich.console import Console

    from lissom.search.progress import describe

    screen = Console(stderr=True, highlight=False, markup=False)
    if not screen.is_terminal:
        seen: list[str] = []

        def plain(event: "Event") -> None:
            if event.candidate and event.candidate not in seen[-1:]:
                seen.append(event.candidate)
                typer.echo(one_line(describe(event)), err=True)

        yield plain
        return
    with screen.status("loading") as status:
        yield lambda event: status.update(one_line(describe(event)))
