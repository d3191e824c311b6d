"""The run: try the recipes one after another, keep the best front so far on disk, choose.

Every expensive step goes through the store, so a run that was killed goes on where it stopped and
a finished one is answered again without measuring. A recipe that fails is a candidate with a
reason; it never ends the run. Interrupted, everything found so far is on disk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from lissom.errors import ChildFailed, MeasurementError, MethodError, ModelError
from lissom.measure.environment import Environment
from lissom.runtime.facts import Facts
from lissom.search.assess import assess, assess_original, explained, failed, recall
from lissom.search.build import Built, build
from lissom.search.build import recall as recall_build
from lissom.search.candidate import Candidate
from lissom.search.compose import Found, compose
from lissom.search.deliver import deliver
from lissom.search.folder import Folder
from lissom.search.front import choose, describe
from lissom.search.job import Job
from lissom.search.progress import Progress
from lissom.search.proposals import Proposal, Proposals
from lissom.search.result import NotTried, Result
from lissom.search.watch import Watch

__all__ = ["Publish", "Run", "run"]

Publish = Callable[[Result], None]
"""Writes the reports of a result into its folder."""

FAILURES: Final = (MethodError, MeasurementError, ModelError, ChildFailed)


@dataclass(slots=True, kw_only=True)
class Run:
    """A run as it goes.

    Attributes:
        job: what it works on.
        facts: of the runtime.
        environment: of this machine.
        folder: where the results go.
        watch: clock and progress.
        original: the user's model, measured.
        tried: the candidates so far.
        left_out: recipes that were not tried, with reasons.
        seen: name of the candidate by the fingerprint of its graph.
        worked: something was built or measured in this sitting.
    """

    job: Job
    facts: Facts
    environment: Environment
    folder: Folder
    watch: Watch
    original: Candidate
    tried: list[Candidate] = field(default_factory=list)
    left_out: list[NotTried] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    worked: bool = False

    def attempt(self, proposal: Proposal) -> None:
        """Build and measure one recipe; whatever becomes of it is kept."""
        name = proposal.recipe.name
        self.watch.candidate = name
        built = recall_build(self.job, proposal.recipe, self.facts)
        known = recall(self.job, proposal)
        if built is not None and self.is_old(built, name):
            return
        if known is None:
            if not self.watch.fits():
                reason = "the time budget would have ended before it was finished"
                self.left_out.append(NotTried(name=name, reason=reason))
                return
            known = self.made(proposal)
        if known is not None:
            self.tried.append(known)
            self.watch.took.append(known.seconds)

    def made(self, proposal: Proposal) -> Candidate | None:
        """A candidate built and measured now; None if its file is no news."""
        self.worked = True
        started = time.monotonic()
        built: Built | None = None
        try:
            self.watch.tell("build")
            built = build(
                self.job,
                proposal.recipe,
                self.facts,
                deadline=self.watch.deadline,
                told=lambda _: self.watch.tell("build"),
            )
            if self.is_old(built, proposal.recipe.name):
                return None
            return assess(self.job, proposal, built, self.watch.tell)
        except FAILURES as error:
            seconds = time.monotonic() - started
            return failed(self.job, proposal, built, error, seconds=seconds)

    def is_old(self, built: Built, name: str) -> bool:
        """Tell whether a file gives nothing to measure, and note why."""
        reason = ""
        if self.seen.get(built.fingerprint, name) != name:
            reason = f"it gives the same model as {self.seen[built.fingerprint]}"
        elif built.edits == 0:
            skips = [skip.reason for step in built.steps for skip in step.skips]
            reason = ": ".join(["it changes nothing", *skips[:1]])
        if reason:
            self.left_out.append(NotTried(name=name, reason=reason))
            return True
        self.seen[built.fingerprint] = name
        return False

    def explain(self) -> None:
        """Add time by operator to the original, to what is chosen, and to what became slower."""
        choice = choose([self.original, *self.tried], self.job.limits)
        self.watch.candidate = ""
        self.watch.tell("explain")
        self.original = explained(self.job, self.original, self.original)
        for place, one in enumerate(self.tried):
            interval = one.speedup_interval
            slower = interval is not None and interval[1] < 1
            if one.failed is None and (slower or one.name == choice.name):
                self.tried[place] = explained(self.job, one, self.original)

    def write(self, publish: Publish, *, finished: bool = False) -> Result:
        """Put everything found so far on disk, and answer it."""
        seconds = self.watch.before
        if self.worked:
            seconds += self.watch.elapsed
        found = Found(
            original=self.original,
            tried=self.tried,
            left_out=self.left_out,
            seconds=seconds,
            finished=finished,
        )
        result = compose(self.job, self.environment, found, folder=self.folder.root)
        if not result.chosen.is_original:
            self.watch.best = f"{result.choice.name}, {describe(result.chosen)}"
        result = deliver(result, self.job, self.folder)
        publish(result)
        return result


def run(
    job: Job,
    proposals: Proposals,
    facts: Facts,
    environment: Environment,
    *,
    folder: Folder,
    publish: Publish,
    progress: Progress,
) -> Result:
    """Try the proposals and answer the result; the best so far is always in the folder.

    Args:
        job: what to work on.
        proposals: what to try, in order, and what not.
        facts: of the runtime.
        environment: of this machine.
        folder: where the results go.
        publish: writes the reports.
        progress: told of every stage.

    Raises:
        KeyboardInterrupt: interrupted; what was found is on disk.
        LissomError: the original itself cannot be measured, or the folder cannot be written.
    """
    state = folder.state() or {}
    watch = Watch(
        progress=progress,
        total=len(proposals.tried),
        budget=job.limits.budget_seconds,
        before=float(state.get("seconds", 0.0)),
    )
    watch.tell("original")
    this = Run(
        job=job,
        facts=facts,
        environment=environment,
        folder=folder,
        watch=watch,
        original=assess_original(job),
        left_out=list(proposals.left_out),
        seen={job.opened.model.fingerprint: "the original"},
        worked=not state.get("finished", False),
    )
    this.write(publish)
    for index, proposal in enumerate(proposals.tried, start=1):
        watch.index = index
        this.attempt(proposal)
        this.write(publish)
    this.explain()
    result = this.write(publish, finished=True)
    watch.tell("done")
    return result
