"""The clock of a run: what it costs, whether one more candidate fits, and who is told."""

import time
from dataclasses import dataclass, field
from typing import Final

from lissom.search.progress import Event, Progress, Stage

__all__ = ["Watch"]

SLACK: Final = 1.25  # candidates differ in what they cost; a mean is not yet a promise


@dataclass(slots=True, kw_only=True)
class Watch:
    """The clock of a run, and who watches it.

    Attributes:
        progress: told of every stage.
        total: how many candidates there are.
        budget: seconds for the whole run; None without.
        before: seconds of earlier sittings.
        started: of this sitting, on `time.monotonic`'s clock.
        index: the candidate being worked on, from 1.
        candidate: its name.
        best: one line on the best so far.
        took: seconds of each candidate that was finished, in this sitting or before.
    """

    progress: Progress
    total: int
    budget: float | None = None
    before: float = 0.0
    started: float = field(default_factory=time.monotonic)
    index: int = 0
    candidate: str = ""
    best: str = ""
    took: list[float] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds of this sitting."""
        return time.monotonic() - self.started

    @property
    def estimate(self) -> float | None:
        """Seconds that the next candidate will take, by those before it; None at first."""
        return sum(self.took) / len(self.took) if self.took else None

    @property
    def deadline(self) -> float | None:
        """When the budget ends, on `time.monotonic`'s clock; None without a budget."""
        return None if self.budget is None else self.started + self.budget - self.before

    def fits(self) -> bool:
        """Whether one more candidate can be finished in time; the first may always be tried."""
        if self.budget is None or self.estimate is None:
            return True
        return self.before + self.elapsed + SLACK * self.estimate <= self.budget

    def tell(self, stage: Stage) -> None:
        """Tell whoever watches what begins now."""
        left = None
        if self.estimate is not None:
            left = self.estimate * max(0, self.total - self.index + 1)
            if self.deadline is not None:
                left = min(left, max(0.0, self.deadline - time.monotonic()))
        self.progress(
            Event(
                stage=stage,
                candidate=self.candidate,
                index=self.index,
                total=self.total,
                elapsed_seconds=self.elapsed,
                remaining_seconds=left,
                best=self.best,
            )
        )
