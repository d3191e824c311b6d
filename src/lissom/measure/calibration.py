"""Calibration samples as methods hold them: a part of the samples, and where models run on them.

Small enough to be sent to a child process, which opens models itself and streams what it needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lissom.measure.samples import Part, Samples
from lissom.runtime import registry
from lissom.runtime.protocol import Session
from lissom.runtime.target import Target
from lissom.store.hashing import Json

__all__ = ["Calibration", "fetched", "opened"]

LIMIT = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """Samples that methods may run models on.

    Attributes:
        samples: where they come from.
        part: which of them.
        target: where models run.
        limit: at most so many are run.
    """

    samples: Samples
    part: Part
    target: Target
    limit: int = LIMIT

    @property
    def count(self) -> int:
        """How many are run."""
        return min(self.limit, len(self.part))

    def identity(self) -> Json:
        """What results that were seen on them depend on."""
        return {
            "part": self.part.fingerprint,
            "count": self.count,
            "target": self.target.to_json(),
            "version": registry.load(self.target.runtime).version(),
        }

    def to_json(self) -> dict[str, Json]:
        """Write as JSON, for a child process."""
        return {
            "samples": self.samples.to_json(),
            "indices": list(self.part.indices[: self.count]),
            "target": self.target.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Calibration":
        """Read what `to_json` wrote."""
        indices = tuple(value["indices"])
        return cls(
            samples=Samples.from_json(value["samples"]),
            part=Part(name="calibration", indices=indices, fingerprint=""),
            target=Target.from_json(value["target"]),
            limit=len(indices),
        )

    def feeds(self) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        """What each run takes."""
        for feed in self.samples.feeds(self.part, limit=self.limit):
            yield feed.inputs


def opened(path: Path, calibration: Calibration) -> Session:
    """A model, opened where calibration samples run."""
    return registry.load(calibration.target.runtime).open(path, calibration.target, lean=True)


def fetched(
    session: Session, inputs: Mapping[str, np.ndarray[Any, Any]], values: Sequence[str]
) -> dict[str, np.ndarray[Any, Any]]:
    """Values of one run by name: what is fed, and what the model gives."""
    given = [name for name in values if name not in inputs]
    found = dict(session.run(inputs, given)) if given else {}
    return {**{name: inputs[name] for name in values if name in inputs}, **found}
