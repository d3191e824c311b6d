"""The place where a model must run: a runtime with its options, threads and batch size."""

from collections.abc import Mapping
from dataclasses import dataclass

from lissom.errors import OptionError
from lissom.store.hashing import Json

__all__ = ["Target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A runtime on this device.

    Attributes:
        runtime: Its name: a file of `lissom.runtime`.
        options: The runtime's own settings, name and value, as text; kept sorted by name.
        threads: How many threads one run of the model may use.
        batch: How many samples one run has.

    Raises:
        OptionError: Threads or batch are not at least 1, or an option is given twice.
    """

    runtime: str = "onnxruntime"
    options: tuple[tuple[str, str], ...] = ()
    threads: int = 1
    batch: int = 1

    def __post_init__(self) -> None:
        for name, value in (("threads", self.threads), ("batch", self.batch)):
            if value < 1:
                raise OptionError(f"target: {name} is {value}; it must be at least 1")
        names = [name for name, _ in self.options]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise OptionError(f"target: options given twice: {', '.join(twice)}; give each once")
        object.__setattr__(self, "options", tuple(sorted(self.options)))

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "runtime": self.runtime,
            "options": dict(self.options),
            "threads": self.threads,
            "batch": self.batch,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Target":
        """Read what `to_json` wrote.

        Raises:
            OptionError: See the class.
        """
        return cls(
            runtime=value["runtime"],
            options=tuple((str(name), str(setting)) for name, setting in value["options"].items()),
            threads=int(value["threads"]),
            batch=int(value["batch"]),
        )
