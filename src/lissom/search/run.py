"""The run: try the recipes one after another, keep the best front so far on disk, choose.

Every expensive step goes through the store, so a run that was killed goes on where it stopped and
a finished one is answered again without measuring. A recipe that fails is a candidate with a
reason; it never ends the run. Interrupted, everything found so far is on disk.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from lissom.errors import ChildFailed, MeasurementError, MethodError, ModelError
from lissom.measure.environment import Environment
from lissom.measure.noise import Noise
from lissom.measure.pinning import FIRST_SECONDS, Quiet
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.search import used
from lissom.search.assess import (
    assess,
    assess_original,
    failed,
    recall,
    target_of,
)
from lissom.search.build import Built, build, unchanged
from lissom.search.build import recall as recall_build
from lissom.search.candidate import ORIGINAL, Candidate
from lissom.search.certify import certified
from lissom.search.compose import Found, compose
from lissom.search.deliver import deliver
from lissom.search.folder import Folder
from lissom.search.front import choose, describe
from lissom.search.job import Job
from lissom.search.noise import noise_of
from lissom.search.phases import Later
from lissom.search.progress import Progress
from lissom.search.proposals import Proposal, Proposals
from lissom.search.reasons import Reasons
from lissom.search.result import NotTried, Result
from lissom.search.watch import Watch

__all__ = ["Publish", "Run", "run"]

Publish = Callable[[Result], None]
"""Writes the reports of a result into its folder."""

WAITING_SHARE: Final = 0.05  # of a time budget
FAILURES: Final = (MethodError, MeasurementError, ModelError, ChildFailed)


@dataclass(slots=True, kw_only=True)
class Run:
    """A run as it goes.

    Attributes:
        job: what it works on.
        facts: of each runtime, by its name.
        environment: of this machine.
        folder: where the results go.
        watch: clock and progress.
        original: the user's model, measured.
        noise: of the clock, measured before.
        tried: the candidates so far.
        left_out: recipes that were not tried, with reasons.
        seen: name of the candidate by the fingerprint of its graph and the place where it runs.
        origins: the proposal of each candidate, by its name.
        worked: something was built or measured in this sitting.
    """

    job: Job
    facts: Mapping[str, Facts]
    environment: Environment
    folder: Folder
    watch: Watch
    original: Candidate
    noise: Noise
    tried: list[Candidate] = field(default_factory=list)
    left_out: list[NotTried] = field(default_factory=list)
    seen: dict[tuple[str, Target], str] = field(default_factory=dict)
    origins: dict[str, Proposal] = field(default_factory=dict)
    worked: bool = False

    def try_all(self, proposals: Sequence[Proposal], publish: Publish) -> None:
        """Attempt one after another; the best so far is on disk after each."""
        for proposal in proposals:
            self.watch.index += 1
            self.attempt(proposal)
            self.write(publish)

    def later(self) -> Later:
        """The phases that look at what was found before them."""
        return Later(
            job=self.job,
            facts=self.facts,
            original=self.original,
            tried=self.tried,
            made=self.origins,
            left_out=self.left_out.append,
            fits=self.watch.fits,
            told=lambda _: self.watch.tell("build"),
        )

    def attempt(self, proposal: Proposal) -> None:
        """Build and measure one recipe; whatever becomes of it is kept."""
        name = proposal.name
        self.watch.candidate = name
        self.origins[name] = proposal
        shut = self.shut(proposal)
        if shut:
            self.left_out.append(NotTried(name=name, reason=shut))
            return
        built = self.recalled(proposal)
        known = recall(self.job, proposal)
        if built is not None and self.is_old(built, proposal):
            return
        if known is None:
            if not self.watch.fits():
                reason = "the time budget would have ended before it was finished"
                self.left_out.append(NotTried(name=name, reason=reason))
                return
            known = self.made(proposal)
        if known is not None:
            self.tried.append(replace(known, noise_floor=self.noise.floor))
            self.watch.took.append(known.seconds)

    def made(self, proposal: Proposal) -> Candidate | None:
        """A candidate built and measured now; None if its file is no news."""
        self.worked = True
        started = time.monotonic()
        built: Built | None = None
        try:
            self.watch.tell("build")
            built = self.built(proposal)
            if self.is_old(built, proposal):
                return None
            return assess(self.job, proposal, built, self.watch.tell)
        except FAILURES as error:
            seconds = time.monotonic() - started
            return failed(self.job, proposal, built, error, seconds=seconds)

    def built(self, proposal: Proposal) -> Built:
        """The candidate's file, made now or before."""
        if is_unchanged(proposal):
            return unchanged(self.job)
        made_for = self.made_for(proposal)
        return build(
            self.job,
            proposal.recipe,
            self.facts[made_for.runtime],
            target=made_for,
            deadline=self.watch.deadline,
            told=lambda _: self.watch.tell("build"),
        )

    def recalled(self, proposal: Proposal) -> Built | None:
        """The candidate's file if it was made before; None otherwise."""
        if is_unchanged(proposal):
            return None
        made_for = self.made_for(proposal)
        return recall_build(self.job, proposal.recipe, self.facts[made_for.runtime], made_for)

    def made_for(self, proposal: Proposal) -> Target:
        """What a candidate's file is made for."""
        return self.job.opened.target if proposal.place is None else proposal.place.made_for

    def shut(self, proposal: Proposal) -> str:
        """Why nothing can run where a proposal would: the original did not; empty if it can."""
        for one in self.tried:
            known = self.origins[one.name]
            if (
                one.failed is not None
                and is_unchanged(known)
                and known.place is not None
                and proposal.place is not None
                and known.place.target == proposal.place.made_for
            ):
                return f"{known.place.label} cannot run the original: {one.failed}"
        return ""

    def is_old(self, built: Built, proposal: Proposal) -> bool:
        """Tell whether a file gives nothing to measure, and note why."""
        reason, name = "", proposal.name
        where = (built.fingerprint, target_of(self.job, proposal))
        if self.seen.get(where, name) != name:
            reason = f"it gives the same model as {self.seen[where]}"
        elif built.edits == 0 and not is_unchanged(proposal):
            skips = [skip.reason for step in built.steps for skip in step.skips]
            reason = ": ".join(["it changes nothing", *skips[:1]])
        if reason:
            self.left_out.append(NotTried(name=name, reason=reason))
            return True
        self.seen[where] = name
        return False

    def certify(self) -> None:
        """Test the limits of what is on the front, on samples that took part in nothing so far."""

        def told(name: str) -> None:
            self.watch.candidate = name
            self.watch.tell("certify")

        self.original, *self.tried = certified(self.job, [self.original, *self.tried], told)
        samples = self.job.opened.samples
        if samples is not None:
            self.folder.write(used.FILE, content=used.used_samples(samples))

    def explain(self) -> None:
        """Add promises, time by operator, the reasons of gaps, and the ladder of what is chosen."""
        choice = choose([self.original, *self.tried], self.job.limits)
        self.watch.candidate = ""
        self.watch.tell("explain")
        reasons = Reasons(job=self.job, origins=self.origins, measure=self.beside)
        self.original, self.tried = reasons.given(self.original, self.tried, choice.name)

    def beside(self, proposal: Proposal) -> Candidate | None:
        """Part of a recipe, measured beside the run: it takes no part in the choice."""
        known = recall(self.job, proposal)
        if known is not None or not self.watch.fits():
            return known
        self.worked = True
        try:
            built = self.built(proposal)
            where = (built.fingerprint, target_of(self.job, proposal))
            if where in self.seen:
                every = (self.original, *self.tried)
                return next((one for one in every if one.name == self.seen[where]), self.original)
            return assess(self.job, proposal, built, self.watch.tell)
        except FAILURES as error:
            return failed(self.job, proposal, None, error, seconds=0.0)

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
            noise=self.noise,
        )
        result = compose(self.job, self.environment, found, folder=self.folder.root)
        if not result.chosen.is_original:
            self.watch.best = f"{result.choice.name}, {describe(result.chosen)}"
        result = deliver(result, self.job, self.folder)
        publish(result)
        return result


def unhurried(job: Job, watch: Watch) -> Job:
    """The job with a patience of its own: it waits for idle processors, and says so."""
    most = FIRST_SECONDS
    if watch.budget is not None:
        most = min(most, WAITING_SHARE * watch.budget)
    return replace(job, opened=replace(job.opened, quiet=Quiet(watch.tell, first_seconds=most)))


def is_unchanged(proposal: Proposal) -> bool:
    """Tell whether a proposal is the user's own model in another place."""
    return proposal.recipe.name == ORIGINAL


def run(
    job: Job,
    proposals: Proposals,
    facts: Mapping[str, Facts],
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
        facts: of each runtime, by its name.
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
    job = unhurried(job, watch)
    watch.tell("original")
    original = assess_original(job)
    watch.tell("noise")
    noise = noise_of(job)
    this = Run(
        job=job,
        facts=facts,
        environment=environment,
        folder=folder,
        watch=watch,
        original=replace(original, noise_floor=noise.floor),
        noise=noise,
        left_out=list(proposals.left_out),
        seen={(job.opened.model.fingerprint, job.opened.target): "the original"},
        worked=not state.get("finished", False),
    )
    this.write(publish)
    this.try_all(proposals.tried, publish)
    for more in this.later().phases():
        watch.total += len(more)
        this.try_all(more, publish)
    this.certify()
    this.explain()
    result = this.write(publish, finished=True)
    watch.tell("done")
    return result
