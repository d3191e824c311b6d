"""What every runtime offers: sessions that run and time a model, facts, offline optimization.

A runtime is one module of this room with a class `Runtime` of this shape. It is imported only when
it is used, and its library only when a model is opened.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, Self

import numpy as np

from lissom.graph.model import Port
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Runtime", "Session"]


class Session(Protocol):
    """A model, loaded and ready. A context manager; one session is used by one thread."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What must be fed, as the runtime sees it."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What is answered, as the runtime sees it."""

    def run(
        self, feeds: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Run once. Answers the named outputs, or all, by name.

        Raises:
            MeasurementError: The runtime refused the inputs or failed.
        """

    def time(self, feeds: Mapping[str, np.ndarray], count: int) -> list[float]:
        """Run `count` times and answer the seconds that each run took.

        Raises:
            MeasurementError: The runtime refused the inputs or failed.
        """

    def close(self) -> None:
        """Free the model; where a profile was asked for, write it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Runtime(Protocol):
    """A runtime, loaded or not: cheap to make."""

    name: ClassVar[str]
    defaults: ClassVar[Mapping[str, str]]
    """What is set where a target says nothing, by the names of its options."""

    def version(self) -> str:
        """The library's version.

        Raises:
            MissingExtra: The library is not installed.
        """

    def available(self) -> bool:
        """Whether the library is installed."""

    def open(
        self, path: Path, target: Target, *, profile: Path | None = None, lean: bool = False
    ) -> Session:
        """Load a model, in this process: callers do it in a child.

        Args:
            path: The model's file.
            target: Options, threads (batch is for whoever makes the feeds).
            profile: Where to write the runtime's own profile when the session is closed.
            lean: Leave the weights of a large model in their file, where the runtime can, instead
                of a copy that it computes faster with: for runs that nobody times, of models that
                memory need not hold.

        Raises:
            MeasurementError: The runtime cannot load the model; in the runtime's own words.
            OptionError: An option that this runtime does not have.
        """

    def node_times(self, profile: Path) -> list[dict[str, Json]]:
        """Read a profile that a session of this runtime wrote.

        Answers one mapping for each execution of a node, in order: `run` (0, 1...), `node`,
        `op_type` (as executed, after the runtime's own fusions) and `seconds`, of its own: without
        the nodes of its body, which have entries themselves.

        Raises:
            MeasurementError: The profile cannot be read.
        """

    def facts(self, store: Store) -> Facts:
        """What the runtime is good at on this processor: measured once, then kept in the store.

        Raises:
            ChildFailed: The probe did not come to an end.
        """

    def optimize(self, source: Path, out: Path, target: Target) -> tuple[str, ...]:
        """Write the model with the runtime's own offline fusions, in a child process.

        Answers the names of what was fused, with how often, as "Gelu x6"; empty if nothing was
        found, and then `out` is not written.

        Raises:
            ChildFailed: The optimizer did not come to an end.
            MeasurementError: What it wrote cannot be loaded.
        """
