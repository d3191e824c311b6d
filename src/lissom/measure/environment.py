"""The machine that a number was measured on, and the versions that measured it."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass

import lissom
from lissom.runtime import processor, registry
from lissom.store.hashing import Json, sha256_json

__all__ = ["Environment", "current"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A machine and its software.

    Attributes:
        cpu: The processor's name.
        cores: Logical processors that this process may use.
        memory_bytes: The machine's memory.
        system: Name and version of the operating system.
        python: Python's version.
        lissom: Our own version.
        runtimes: Name and version of each runtime that is installed.
        cpu_features: Instruction sets that decide on the speed of integer and float kernels.
    """

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    lissom: str
    runtimes: Mapping[str, str]
    cpu_features: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """A hash of what latency depends on: processor, cores, operating system, runtimes.

        Measurements of one fingerprint may be compared; others may not.
        """
        return sha256_json(
            [self.cpu, self.cores, self.system, dict(self.runtimes), list(self.cpu_features)]
        )

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "cpu": self.cpu,
            "cores": self.cores,
            "memory_bytes": self.memory_bytes,
            "system": self.system,
            "python": self.python,
            "lissom": self.lissom,
            "runtimes": dict(self.runtimes),
            "cpu_features": list(self.cpu_features),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Environment":
        """Read what `to_json` wrote."""
        return cls(
            cpu=value["cpu"],
            cores=value["cores"],
            memory_bytes=value["memory_bytes"],
            system=value["system"],
            python=value["python"],
            lissom=value["lissom"],
            runtimes=dict(value["runtimes"]),
            cpu_features=tuple(value["cpu_features"]),
        )


def current() -> Environment:
    """Look at this machine. No runtime's library is imported for it."""
    import psutil

    here = processor.current()
    loaded = {name: registry.load(name) for name in registry.runtimes()}
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return Environment(
        cpu=here.name,
        cores=cores,
        memory_bytes=int(psutil.virtual_memory().total),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        lissom=lissom.__version__,
        runtimes={name: each.version() for name, each in loaded.items() if each.available()},
        cpu_features=here.features,
    )
