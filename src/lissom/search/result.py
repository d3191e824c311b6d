"""Result: everything that a run found, as one frozen value.

The report renders it (`report.document` as `result.json`, `report.page` as HTML,
`report.terminal` as a table); `api.compress` returns it. It holds the front and also what
was tried and is not on it, what was never tried and why, and the choice with its reasons.
"""

from dataclasses import dataclass
from pathlib import Path

from lissom.measure.environment import Environment
from lissom.measure.noise import Noise
from lissom.runtime.target import Target
from lissom.search.candidate import Candidate
from lissom.search.limits import Limits

__all__ = ["Choice", "DataFacts", "ModelFacts", "NotTried", "Result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The user's model file, as it was read.

    Attributes:
        file_name: its name without folders.
        sha256: of the file.
        size_bytes: with external data.
        producer: what wrote it, as the file says.
        opset: of the file's default domain.
        already_quantized: it holds quantized operators.
        history: what loading did to it, one line each.
        notes: what loading could not do, and why.
    """

    file_name: str
    sha256: str
    size_bytes: int
    producer: str
    opset: int
    already_quantized: bool
    history: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """The samples that were used.

    Attributes:
        fingerprint: hash of the samples' content.
        count: number of samples.
        labels: whether labels came with them.
        calibration: number of samples in the part that methods observe.
        selection: number of samples in the part that candidates are judged on.
        certification: number of samples kept aside.
    """

    fingerprint: str
    count: int
    labels: bool
    calibration: int
    selection: int
    certification: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTried:
    """A recipe that was left out, or could not be started any more.

    Attributes:
        name: the candidate that it would have been.
        reason: why not, in plain words.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which candidate is delivered.

    Attributes:
        name: of the chosen candidate; the original where nothing better holds the limits.
        met: the chosen candidate holds every limit.
        reasons: plain sentences: why this one, which limit is missed and by how much.
    """

    name: str
    met: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What `compress` answers.

    Attributes:
        model: facts of the user's file.
        data: facts of the samples; None without data (quality was not measured).
        original: the user's model as a candidate.
        candidates: all that were tried, in order, failed ones too; not the original.
        front: names that no other beats, best on the goal first; may include the original.
        choice: what is delivered, and why.
        limits: goal, limits and time budget of the run.
        target: runtime, options, threads and batch.
        environment: the machine and the versions.
        seed: of everything random.
        not_tried: recipes left out, with reasons.
        notes: remarks on the whole run, such as "quality was not measured".
        noise: how unlike itself the original looks to the clock; None where nothing was timed.
        seconds: of work, over all sittings of the run.
        finished: False for the front so far of a run that is still going or was interrupted.
        folder: where the run's files lie; None when nothing was written.
        delivered: the chosen model's file; None when nothing was written.
    """

    model: ModelFacts
    data: DataFacts | None
    original: Candidate
    candidates: tuple[Candidate, ...]
    front: tuple[str, ...]
    choice: Choice
    limits: Limits
    target: Target
    environment: Environment
    seed: int = 0
    not_tried: tuple[NotTried, ...] = ()
    notes: tuple[str, ...] = ()
    noise: Noise | None = None
    seconds: float = 0.0
    finished: bool = False
    folder: Path | None = None
    delivered: Path | None = None

    def candidate(self, name: str) -> Candidate:
        """Answer the candidate of this name, the original included.

        Raises:
            KeyError: no candidate has this name.
        """
        for found in (self.original, *self.candidates):
            if found.name == name:
                return found
        raise KeyError(name)

    @property
    def chosen(self) -> Candidate:
        """The candidate that is delivered."""
        return self.candidate(self.choice.name)

    @property
    def on_front(self) -> tuple[Candidate, ...]:
        """The candidates that no other beats, best on the goal first."""
        return tuple(self.candidate(name) for name in self.front)
