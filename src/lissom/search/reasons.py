"""The reasons of a run, once everything is measured: promises, gaps, and the ladder of the chosen.

Every candidate gets what arithmetic promises of it; the chosen one and those that became slower are
profiled, and each gap between promise and machine gets its reason. What cannot be had is noted and
left out: explanations never end a run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lissom.errors import ChildFailed, LissomError, MeasurementError, ModelError, StoreError
from lissom.search.assess import explained
from lissom.search.candidate import Candidate
from lissom.search.explain import by_operator
from lissom.search.gaps import gaps
from lissom.search.job import Job
from lissom.search.ladder import Ladder
from lissom.search.promise import Basis, Promise
from lissom.search.proposals import Proposal

__all__ = ["Reasons"]

UNAVAILABLE: Final = (ChildFailed, MeasurementError, ModelError, StoreError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """What explains a run.

    Attributes:
        job: what the run works on.
        origins: the proposal of each candidate, by its name.
        measure: makes and measures a recipe that was not tried; None if it cannot.
    """

    job: Job
    origins: Mapping[str, Proposal]
    measure: Callable[[Proposal], Candidate | None]

    def given(
        self, original: Candidate, tried: Sequence[Candidate], chosen: str
    ) -> tuple[Candidate, list[Candidate]]:
        """Answer the original and the candidates with what can be said of each.

        Args:
            original: the user's model, measured.
            tried: the candidates.
            chosen: the name of what is delivered.
        """
        basis = Basis(opened=self.job.opened, kept=True)
        original, basis_holds = self.profiled(original, basis)
        found = []
        for one in tried:
            promise, one = promised(one, basis) if basis_holds else (None, one)
            if one.failed is None and (one.name == chosen or is_slower(one)):
                one = explained(self.job, one, original)
                if promise is not None and one.operators and one.latency_ms is not None:
                    rows = gaps(promise, original.operators, one.operators, one.latency_ms)
                    one = replace(one, gaps=rows)
            found.append(one)
        ladder = Ladder(
            original=original,
            tried=found,
            measure=self.measure,
            predict=lambda one: promised(one, basis)[1].predicted_speedup if basis_holds else None,
        )
        for place, one in enumerate(found):
            if one.name == chosen:
                found[place] = replace(one, ladder=ladder.rungs(one, self.origins[one.name]))
        return original, found

    def profiled(self, original: Candidate, basis: Basis) -> tuple[Candidate, bool]:
        """The original with its time by operator, and whether promises can be computed."""
        try:
            found = replace(original, operators=by_operator(basis.profile), predicted_speedup=1.0)
        except UNAVAILABLE as error:
            return noted(original, "Time by operator could not be had", error), False
        try:
            basis.ceilings(original.target)
            known = bool(basis.work)
        except UNAVAILABLE as error:
            return noted(found, "What arithmetic promises could not be computed", error), False
        return found, known


def promised(one: Candidate, basis: Basis) -> tuple[Promise | None, Candidate]:
    """A candidate with what arithmetic promises of it; with a remark where that failed."""
    if one.failed is not None:
        return None, one
    try:
        promise = basis.promise(one)
    except UNAVAILABLE as error:
        return None, noted(one, "What arithmetic promises could not be computed", error)
    return promise, replace(one, predicted_speedup=promise.speedup)


def noted(one: Candidate, what: str, error: LissomError) -> Candidate:
    """A candidate with a remark on what could not be had."""
    return replace(one, remarks=(*one.remarks, f"{what}: {' '.join(str(error).split())}"))


def is_slower(one: Candidate) -> bool:
    """Whether a candidate is slower than the original beyond the noise."""
    interval = one.speedup_interval
    return interval is not None and interval[1] < 1
