"""Whether a runtime's library is installed, and in which version; it is not imported to tell."""

import importlib.metadata
import importlib.util
from collections.abc import Callable
from types import ModuleType

__all__ = ["is_installed", "version_of"]


def is_installed(name: str) -> bool:
    """Whether a library of this name can be imported."""
    return importlib.util.find_spec(name) is not None


def version_of(name: str, library: Callable[[], ModuleType]) -> str:
    """The installed version of a library.

    Args:
        name: of the package on the index.
        library: imports it; asked only where the package has another name, as builds for other
            devices and nightly ones have.

    Raises:
        MissingExtra: it is not installed (by `library`).
    """
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return str(library().__version__)
