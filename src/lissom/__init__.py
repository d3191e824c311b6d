"""Lissom makes a trained neural network smaller, faster and cheaper to run, and proves it.

    import lissom
    result = lissom.compress("model.onnx", "samples.npz", limits=lissom.Limits(max_drop=0.01))
    print(result.choice.name, result.chosen.speedup)

The names below are all there is to the public interface. They are imported when first used, so
that `import lissom` itself is quick and pulls in none of the heavy libraries.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lissom.api import (
        Data,
        Settings,
        apply,
        compare,
        compress,
        doctor,
        inspect,
        load,
        measure,
        verify,
    )
    from lissom.errors import LissomError
    from lissom.measure.judge import Judge
    from lissom.recipe import Recipe, Step
    from lissom.runtime.target import Target
    from lissom.search.applied import Applied
    from lissom.search.candidate import Candidate
    from lissom.search.comparison import Comparison, Measured
    from lissom.search.doctor import Diagnosis
    from lissom.search.inspection import Inspection
    from lissom.search.limits import Limits
    from lissom.search.places import Places
    from lissom.search.progress import Event
    from lissom.search.result import Result
    from lissom.search.verification import Verification

__all__ = [
    "Candidate",
    "Applied",
    "Comparison",
    "Data",
    "Diagnosis",
    "Event",
    "Inspection",
    "Judge",
    "Limits",
    "LissomError",
    "Measured",
    "Places",
    "Recipe",
    "Result",
    "Settings",
    "Step",
    "Target",
    "Verification",
    "__version__",
    "apply",
    "compare",
    "compress",
    "doctor",
    "inspect",
    "load",
    "measure",
    "verify",
]

__version__ = "0.1.0"

_HOMES = {
    "Candidate": "lissom.search.candidate",
    "Applied": "lissom.search.applied",
    "Comparison": "lissom.search.comparison",
    "Data": "lissom.api",
    "Diagnosis": "lissom.search.doctor",
    "Event": "lissom.search.progress",
    "Inspection": "lissom.search.inspection",
    "Judge": "lissom.measure.judge",
    "Limits": "lissom.search.limits",
    "LissomError": "lissom.errors",
    "Measured": "lissom.search.comparison",
    "Places": "lissom.search.places",
    "Recipe": "lissom.recipe",
    "Result": "lissom.search.result",
    "Settings": "lissom.api",
    "Step": "lissom.recipe",
    "Target": "lissom.runtime.target",
    "Verification": "lissom.search.verification",
    "apply": "lissom.api",
    "compare": "lissom.api",
    "compress": "lissom.api",
    "doctor": "lissom.api",
    "inspect": "lissom.api",
    "load": "lissom.api",
    "verify": "lissom.api",
}


class _Room(ModuleType):
    """The room `lissom.measure`, which can be called like the verb of the same name."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Measure a model: see `lissom.api.measure`."""
        return import_module("lissom.api").measure(*given, **named)


class _House(ModuleType):
    """This package; it lets one of its rooms and one of its verbs share a name."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Make the room `measure` callable in the moment in which it is first imported."""
        if name == "measure" and type(value) is ModuleType:
            value.__class__ = _Room
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name == "measure":
        return import_module("lissom.measure")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lissom' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)


sys.modules[__name__].__class__ = _House
