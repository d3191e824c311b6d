"""The commands that look and change nothing: inspect, measure, compare, version."""

from pathlib import Path
from typing import Annotated

import typer

from lissom.cli.options import (
    AsJson,
    DataPath,
    Labels,
    Metric,
    Model,
    OriginalQuality,
    OwnBatch,
    OwnTarget,
    OwnThreads,
    Preprocessing,
    StorePath,
    asked_target,
    judge_of,
    samples,
)
from lissom.cli.screen import guarded, show
from lissom.errors import OptionError

__all__ = ["compare", "inspect", "measure", "version"]


def inspect(
    model: Model,
    data: DataPath = None,
    preprocessing: Preprocessing = None,
    groups: Annotated[
        bool,
        typer.Option("--groups", help="Show channel groups: what may be removed together."),
    ] = False,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Show what each operator costs and saves as 8-bit integers (needs --data).",
        ),
    ] = False,
    target: OwnTarget = None,
    threads: OwnThreads = None,
    batch: OwnBatch = None,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Show what a model holds, what it computes, and where its time goes on this machine."""
    with guarded():
        if sensitivity and data is None:
            raise OptionError("--sensitivity needs --data: errors are measured on your samples")
        from lissom import api
        from lissom.report import verbs

        found = api.inspect(
            model,
            samples(data, None, preprocessing),
            groups=groups,
            sensitivity=sensitivity,
            target=asked_target(target, threads, batch),
            store=store,
        )
        show(found, verbs.inspection_lines, as_json=as_json)


def measure(
    model: Model,
    data: DataPath = None,
    labels: Labels = None,
    preprocessing: Preprocessing = None,
    metric: Metric = None,
    target: OwnTarget = None,
    threads: OwnThreads = None,
    batch: OwnBatch = None,
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
            target=asked_target(target, threads, batch),
            judge=judge_of(metric, None),
            store=store,
        )
        show(found, verbs.measured_lines, as_json=as_json)


def compare(
    first: Annotated[Path, typer.Argument(help="The reference model.", metavar="A")],
    second: Annotated[Path, typer.Argument(help="The other model.", metavar="B")],
    data: DataPath = None,
    labels: Labels = None,
    preprocessing: Preprocessing = None,
    metric: Metric = None,
    original_quality: OriginalQuality = None,
    target: OwnTarget = None,
    threads: OwnThreads = None,
    batch: OwnBatch = None,
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
            target=asked_target(target, threads, batch),
            judge=judge_of(metric, original_quality),
            store=store,
        )
        show(found, verbs.comparison_lines, as_json=as_json)


def version() -> None:
    """Show the versions of Lissom and of what it runs on."""
    with guarded():
        from lissom.measure.environment import current

        here = current()
        typer.echo(f"lissom {here.lissom}, Python {here.python}")
        for name, number in here.runtimes.items():
            typer.echo(f"{name} {number}")
