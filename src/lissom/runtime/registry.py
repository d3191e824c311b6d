"""Which runtimes there are: the folder says it. A runtime is a file of this room."""

import importlib
import pkgutil
from dataclasses import replace
from pathlib import Path

from lissom.errors import OptionError
from lissom.runtime.protocol import Runtime
from lissom.runtime.target import Target

__all__ = ["OWN", "load", "runtimes", "stated"]

OWN = frozenset({"cores", "facts", "processor", "protocol", "registry", "rounds", "target"})
"""The room's own modules, which are not runtimes; nor are those with a leading underscore."""


def runtimes() -> tuple[str, ...]:
    """The names of all runtimes, whether their library is installed or not, sorted."""
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in found if name not in OWN and not name.startswith("_")))


def load(name: str) -> Runtime:
    """Import one runtime's file; its library is imported when a model is opened.

    Raises:
        OptionError: There is no such runtime.
    """
    if name not in runtimes():
        known = ", ".join(runtimes())
        raise OptionError(f"runtime {name!r} is not known; choose one of: {known}")
    module = importlib.import_module(f"lissom.runtime.{name}")
    runtime: Runtime = module.Runtime()
    return runtime


def stated(target: Target) -> Target:
    """The target with every setting that the runtime would take by itself written out.

    Raises:
        OptionError: there is no such runtime.
    """
    settings = {**load(target.runtime).defaults, **dict(target.options)}
    return replace(target, options=tuple(settings.items()))
