"""What several commands share: their options, and the values that these options are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lissom.errors import OptionError

if TYPE_CHECKING:
    from lissom.api import Data
    from lissom.measure.judge import Judge
    from lissom.runtime.target import Target
    from lissom.search.places import Places

__all__ = [
    "AnyTarget",
    "AnyThreads",
    "AsJson",
    "Batch",
    "DataPath",
    "Labels",
    "Metric",
    "Model",
    "OriginalQuality",
    "Out",
    "OwnBatch",
    "OwnTarget",
    "OwnThreads",
    "Preprocessing",
    "Seed",
    "StorePath",
    "TargetName",
    "Threads",
    "asked_target",
    "judge_of",
    "places_of",
    "samples",
    "target_of",
]

Model = Annotated[Path, typer.Argument(help="An ONNX model.", metavar="MODEL")]
DataPath = Annotated[
    Path | None,
    typer.Option("--data", help="Samples: .npz, .npy, or a folder of .npz files or images."),
]
Labels = Annotated[
    Path | None, typer.Option(help="Labels, .npy, one a sample; -1, NaN or empty: unknown.")
]
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
AnyTarget = Annotated[
    str,
    typer.Option("--target", help="The runtime; auto measures on all that are installed."),
]
AnyThreads = Annotated[
    str, typer.Option("--threads", help="Threads of the runtime; auto tries several numbers.")
]
Batch = Annotated[int, typer.Option(min=1, help="Samples in one run.")]
OwnTarget = Annotated[
    str | None,
    typer.Option("--target", help="The runtime; else as the result beside the model says."),
]
OwnThreads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads; likewise.")]
OwnBatch = Annotated[
    int | None, typer.Option("--batch", min=1, help="Samples in one run; likewise.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
StorePath = Annotated[
    Path | None, typer.Option("--store", help="Where results are remembered between runs.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON on standard output.")]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="A new folder, or a path ending in .onnx."),
]


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


def asked_target(name: str | None, threads: int | None, batch: int | None) -> "Target | None":
    """The target's options as one value; None if none of them was given."""
    from lissom.runtime.target import Target

    if name is None and threads is None and batch is None:
        return None
    here = Target()
    return target_of(name or here.runtime, threads or here.threads, batch or here.batch)


def places_of(name: str, threads: str, batch: int) -> "Places":
    """The target's options as one value, each of which may be `auto`."""
    from lissom.search.places import AUTO, Places

    if threads != AUTO and not (threads.isascii() and threads.isdigit() and len(threads) < 6):
        raise OptionError(f"--threads is {threads!r}; write a number such as 2, or {AUTO}")
    return Places.find(name, None if threads == AUTO else int(threads), batch)


def judge_of(metric: str | None, original_quality: float | None) -> "Judge":
    """The judge's options as one value."""
    from lissom.measure.judge import Judge

    return Judge(metric=metric, original_quality=original_quality)
