"""What several commands share: their options, and the values that these options are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lissom.errors import OptionError

if TYPE_CHECKING:
    from lissom.api import Data
    from lissom.measure.judge import Judge
    from lissom.runtime.target import Target

__all__ = [
    "AsJson",
    "Batch",
    "DataPath",
    "Labels",
    "Metric",
    "Model",
    "OriginalQuality",
    "Out",
    "Preprocessing",
    "Seed",
    "StorePath",
    "TargetName",
    "Threads",
    "judge_of",
    "samples",
    "target_of",
]

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
