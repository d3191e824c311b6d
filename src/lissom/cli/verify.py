"""The command that checks a delivered model again: verify."""

from pathlib import Path
from typing import Annotated

import typer

from lissom.cli.options import (
    AsJson,
    Labels,
    Metric,
    OriginalQuality,
    Preprocessing,
    StorePath,
    judge_of,
    samples,
    target_of,
)
from lissom.cli.screen import LIMITS_MISSED, guarded, show
from lissom.errors import OptionError

__all__ = ["verify"]


def verify(
    model: Annotated[Path, typer.Argument(help="The model to check.", metavar="MODEL")],
    against: Annotated[Path, typer.Option(help="The original that it was made from, .onnx.")],
    data: Annotated[
        Path, typer.Option("--data", help="New samples: .npz, .npy, or a folder, as to compress.")
    ],
    labels: Labels = None,
    preprocessing: Preprocessing = None,
    metric: Metric = None,
    original_quality: OriginalQuality = None,
    max_drop: Annotated[
        str | None, typer.Option(help="Most loss of score: 1%. Each limit: else the run's.")
    ] = None,
    max_latency: Annotated[str | None, typer.Option(help="Most time for one run: 5ms.")] = None,
    max_size: Annotated[str | None, typer.Option(help="Largest file: 2MB.")] = None,
    max_memory: Annotated[str | None, typer.Option(help="Most memory: 50MB.")] = None,
    certified: Annotated[
        bool, typer.Option("--certified", help="Without labels the hard bound decides.")
    ] = False,
    target: Annotated[
        str | None, typer.Option("--target", help="The runtime; else the run's with its options.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the runtime named by --target.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples in one run, there.")] = None,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Check a delivered model's limits and speed on new samples, on this machine.

    The limits, the runtime and its options are those of the result that lies beside the model;
    what is given here comes first. Exit code 0: held; 3: not held, or too few samples to tell.
    """
    with guarded():
        if target is None and (threads is not None or batch is not None):
            raise OptionError("--threads and --batch need --target; without it the run's are taken")
        from lissom import api
        from lissom.report.verification import verification_lines
        from lissom.search.limits import Limits

        limits = Limits.parse(
            max_drop=max_drop,
            max_latency=max_latency,
            max_size=max_size,
            max_memory=max_memory,
            certified=certified,
        )
        found = api.verify(
            model,
            against,
            samples(data, labels, preprocessing),
            limits=limits,
            target=None if target is None else target_of(target, threads or 1, batch or 1),
            judge=judge_of(metric, original_quality),
            store=store,
        )
        show(found, verification_lines, as_json=as_json)
    if not found.held:
        raise typer.Exit(LIMITS_MISSED)
