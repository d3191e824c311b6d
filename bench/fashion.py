"""Fashion-MNIST from Debian's `dataset-fashion-mnist`, as arrays.

The images (28 x 28 grey, ten classes of clothing) are Zalando's, under the MIT licence.
"""

import gzip
import os
import struct
import subprocess
from pathlib import Path

import numpy as np

FOLDER_VARIABLE = "FMNIST_DIR"
_PACKAGE = "dataset-fashion-mnist"
_MEAN, _DEVIATION = 0.2860, 0.3530


def folder() -> Path:
    """Where the four files are: `$FMNIST_DIR`, else where the Debian package put them.

    Raises:
        FileNotFoundError: the package is not installed and the variable is not set.
    """
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    try:
        listing = subprocess.run(["dpkg", "-L", _PACKAGE], capture_output=True, text=True).stdout
    except OSError:
        listing = ""
    for line in listing.split():
        if line.endswith("train-images-idx3-ubyte.gz"):
            return Path(line).parent
    raise FileNotFoundError(f"apt install {_PACKAGE}, or set {FOLDER_VARIABLE} to its folder")


def available() -> bool:
    """True if the data can be read on this machine."""
    try:
        return (folder() / "t10k-images-idx3-ubyte.gz").exists()
    except FileNotFoundError:
        return False


def train() -> tuple[np.ndarray, np.ndarray]:
    """60000 images [n, 28, 28] uint8 and their labels [n] uint8."""
    return _read("train-images-idx3-ubyte.gz"), _read("train-labels-idx1-ubyte.gz")


def test() -> tuple[np.ndarray, np.ndarray]:
    """10000 images [n, 28, 28] uint8 and their labels [n] uint8."""
    return _read("t10k-images-idx3-ubyte.gz"), _read("t10k-labels-idx1-ubyte.gz")


def normalized(images: np.ndarray) -> np.ndarray:
    """Images [n, 28, 28] uint8 as the benchmark networks take them: [n, 1, 28, 28] float32."""
    return ((images.astype(np.float32) / 255 - _MEAN) / _DEVIATION)[:, None]


def _read(name: str) -> np.ndarray:
    """One IDX file: two zero bytes, the type, the rank, the sizes, then the bytes."""
    with gzip.open(folder() / name) as file:
        content = file.read()
    rank = content[3]
    sizes = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(sizes)
