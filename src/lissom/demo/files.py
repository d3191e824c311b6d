"""Where the demonstration's network and samples are on this machine."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lissom.errors import InputError

__all__ = ["DemoPaths", "paths"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPaths:
    """The demonstration's files on this machine.

    Attributes:
        model: `model.onnx`; input `image` [batch, 1, 28, 28] uint8, output `logits` [batch, 10].
        samples: `samples.npz`; keys `image` [n, 1, 28, 28] uint8 and `label` [n] int64.
        unlabelled: `unlabelled.npz`; key `image` [n, 1, 28, 28] uint8.
    """

    model: Path
    samples: Path
    unlabelled: Path


def paths() -> DemoPaths:
    """The files that were installed with the package.

    Raises:
        InputError: the installation lacks one of them.
    """
    folder = Path(str(resources.files("lissom.demo")))
    found = DemoPaths(
        model=folder / "model.onnx",
        samples=folder / "samples.npz",
        unlabelled=folder / "unlabelled.npz",
    )
    for path in (found.model, found.samples, found.unlabelled):
        if not path.is_file():
            raise InputError(f"{path.name} is missing from {folder}; install lissom again")
    return found
