"""What a run tries, and when: recipes for every runtime first, then other places for the best.

First the original in each runtime and in each narrower arithmetic that a runtime offers, and the
recipes of all runtimes by turns, each runtime's in the order of its promise: what an integer kernel
is worth differs from runtime to runtime, so a recipe is made anew for each. Narrower arithmetic and
more threads change nothing in a file; they are tried afterwards, for the best found so far only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Final

from lissom.errors import RecipeError
from lissom.recipe import Recipe
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.search.candidate import ORIGINAL, Candidate
from lissom.search.front import front, misses, order_speed
from lissom.search.job import Job
from lissom.search.mixed import Mixing
from lissom.search.places import Place, Places
from lissom.search.proposals import Proposal, Proposals, proposals
from lissom.search.result import NotTried

__all__ = ["Later", "planned"]

MOST: Final = 3
"""How many of the best go on to narrower arithmetic, and to more threads."""
UNCHANGED: Final = "your model, as it is"
STORED: Final = frozenset(
    {"weights-int8", "weights-int4", "weights-codebook4", "weights-codebook3", "float16"}
)
"""Recipes that change what is stored and leave the arithmetic as it was."""


def planned(job: Job, facts: Mapping[str, Facts]) -> Proposals:
    """Answer what a run begins with, and what it leaves out.

    Args:
        job: what the run works on.
        facts: of each runtime, by its name.

    Raises:
        RecipeError: the recipe has the name that the user's own model bears.
    """
    places = job.places or Places(first=job.opened.target)
    each = [offered(job, facts[place.target.runtime], place) for place in places.runtimes]
    turns = zip_longest(*(one.tried for one in each))
    tried = [*originals(job, places, facts), *(one for turn in turns for one in turn if one)]
    left_out = [one for found in each for one in found.left_out]
    return Proposals(tried=tuple(tried), left_out=tuple(left_out))


def offered(job: Job, facts: Facts, place: Place) -> Proposals:
    """The recipes worth a try in one runtime: the user's own if there is one, else the proposals.

    Raises:
        RecipeError: the recipe has the name that the user's own model bears.
    """
    samples = job.opened.samples
    if job.recipe is not None:
        if job.recipe.name == ORIGINAL:
            raise RecipeError(f"a recipe cannot be called {ORIGINAL!r}; give it another name")
        own = Proposal(title="your recipe", recipe=job.recipe)
        found = Proposals(tried=(own,), left_out=())
    else:
        found = proposals(
            job.opened.model,
            facts,
            data=samples is not None,
            goal=job.limits.goal,
            scope=job.scope,
            seed=job.seed,
        )
        if place.label and job.limits.goal not in {"size", "memory"}:
            found = without_stored(found)
    # whoever rebuilds from the recipe must make the same inputs of the same images
    images = None if samples is None else samples.preprocessing
    runtime = place.made_for.runtime
    for_it = None if runtime == Target().runtime else runtime
    return Proposals(
        tried=tuple(
            replace(
                one,
                title=one.title + place.words,
                recipe=replace(
                    one.recipe,
                    preprocessing=images or one.recipe.preprocessing,
                    runtime=for_it,
                ),
                place=place if place.label else None,
            )
            for one in found.tried
        ),
        left_out=tuple(
            replace(one, name=f"{one.name}@{place.label}" if place.label else one.name)
            for one in found.left_out
        ),
    )


def without_stored(found: Proposals) -> Proposals:
    """Leave out, in other runtimes than the first, what only makes the file smaller."""
    reason = "it makes nothing but the file smaller, and that it does in the first place, too"
    return Proposals(
        tried=tuple(one for one in found.tried if one.recipe.name not in STORED),
        left_out=(
            *found.left_out,
            *(
                NotTried(name=one.recipe.name, reason=reason)
                for one in found.tried
                if one.recipe.name in STORED
            ),
        ),
    )


def originals(job: Job, places: Places, facts: Mapping[str, Facts]) -> Iterator[Proposal]:
    """The user's own model in every runtime and arithmetic but the first place's."""
    for base in places.runtimes:
        if base.label:
            yield unchanged_at(job, base)
        for precision, options in facts[base.target.runtime].precisions:
            yield unchanged_at(job, places.narrowed(base, precision, dict(options)))


def unchanged_at(job: Job, place: Place) -> Proposal:
    """The user's own model in another place."""
    recipe = Recipe(name=ORIGINAL, seed=job.seed)
    return Proposal(title=UNCHANGED + place.words, recipe=recipe, place=place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """The phases that look at what was found before them.

    Attributes:
        job: what the run works on.
        facts: of each runtime, by its name.
        original: the user's model, measured.
        tried: the candidates so far; the run adds to it between two phases.
        made: the proposal that each candidate was made from, by its name; the run adds to it.
        left_out: told of what is not tried, and why.
        fits: whether there is time for one more candidate.
        told: called with a line of progress.
    """

    job: Job
    facts: Mapping[str, Facts]
    original: Candidate
    tried: Sequence[Candidate]
    made: Mapping[str, Proposal] = field(default_factory=dict)
    left_out: Callable[[NotTried], None] = lambda _: None
    fits: Callable[[], bool] = lambda: True
    told: Callable[[str], None] = lambda _: None

    def phases(self) -> Iterator[tuple[Proposal, ...]]:
        """What to try next, once what was answered before is measured."""
        places = self.job.places or Places(first=self.job.opened.target)
        for base in places.runtimes:
            yield from self.mixed(base)
        yield tuple(self.narrower(places))
        yield from self.threaded(places)

    def mixed(self, base: Place) -> Iterator[tuple[Proposal, ...]]:
        """Operators in different number formats, one choice after another."""
        if self.job.recipe is not None or self.job.opened.model.already_quantized:
            return
        mixing = Mixing(
            job=self.job,
            facts=self.facts[base.target.runtime],
            place=base if base.label else None,
            tried=self.tried,
            made=self.made,
            left_out=self.left_out,
            told=self.told,
        )
        if not self.fits():
            mixing.refuse("the time budget would have ended before it was finished")
            return
        for proposal in mixing.rounds():
            yield (proposal,)

    def narrower(self, places: Places) -> Iterator[Proposal]:
        """The best of each runtime in its narrower arithmetic."""
        for base in places.runtimes:
            here = [one for one in self.tried if one.target == base.target]
            for precision, options in self.facts[base.target.runtime].precisions:
                place = places.narrowed(base, precision, dict(options))
                for leader in self.leaders(here):
                    if self.made[leader.name].recipe.steps:  # the original was there at first
                        yield self.elsewhere(leader, place)

    def threaded(self, places: Places) -> Iterator[tuple[Proposal, ...]]:
        """The best so far with more threads, for as long as more of them gain."""
        if not places.threads:
            return
        growing = [self.original, *self.leaders(self.tried)]
        for count in places.threads:
            if not growing:
                return
            wider = {one.name: self.wider(one, count, places) for one in growing}
            yield tuple(wider.values())
            measured = {one.name: one for one in self.tried}
            after = ((one, measured.get(wider[one.name].name)) for one in growing)
            growing = [new for old, new in after if new and order_speed(new, old) == 1]

    def wider(self, candidate: Candidate, threads: int, places: Places) -> Proposal:
        """A candidate with more threads."""
        if candidate.is_original:
            return unchanged_at(self.job, places.threaded(places.runtimes[0], threads))
        known = self.made[candidate.name].place or places.runtimes[0]
        return self.elsewhere(candidate, places.threaded(known, threads))

    def elsewhere(self, candidate: Candidate, place: Place) -> Proposal:
        """The recipe of a candidate in another place."""
        known = self.made[candidate.name]
        before = "" if known.place is None else known.place.words
        return replace(known, title=known.title.removesuffix(before) + place.words, place=place)

    def leaders(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The best on the goal that hold the limits, but for those that a place may change."""
        limits = replace(self.job.limits, certified=False)  # certificates come at the end
        holding = [
            one
            for one in candidates
            if one.failed is None
            and not one.is_original
            and {miss.limit for miss in misses(one, limits)} <= {"latency", "memory"}
        ]
        return front(holding, limits.goal)[:MOST]
