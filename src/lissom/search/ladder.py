"""The ladder: the model after each step of the chosen recipe, what it promised and what it gave.

Speeds do not add up step by step: a fusion may be worth nothing alone and much before the next
step. So the model after the first steps is measured itself: as the candidate that has these
very steps, where the run tried one, and made and measured otherwise.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from lissom.search.candidate import Candidate, Rung
from lissom.search.proposals import Proposal

__all__ = ["Ladder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """What the rungs are taken from.

    Attributes:
        original: the user's model, measured.
        tried: the candidates, with what was predicted of them.
        measure: makes and measures a recipe that was not tried; None if that is not possible any
            more, or gives nothing new.
        predict: what arithmetic promises of a candidate.
    """

    original: Candidate
    tried: Sequence[Candidate]
    measure: Callable[[Proposal], Candidate | None]
    predict: Callable[[Candidate], float | None]

    def rungs(self, chosen: Candidate, origin: Proposal) -> tuple[Rung, ...]:
        """Answer the model after each step, the last of which is the chosen one.

        A rung that could not be measured is left out; so is the place where the model runs, if that
        is where the original runs.

        Args:
            chosen: what is delivered; the original has no rungs.
            origin: the recipe and the place that it was made from.
        """
        if chosen.is_original:
            return ()
        return tuple(self.climb(chosen, origin))

    def climb(self, chosen: Candidate, origin: Proposal) -> Iterator[Rung]:
        """From the original in the chosen one's place to the chosen one, step by step."""
        recipe, place = origin.recipe, origin.place
        if place is not None and recipe.steps:
            moved = self.same(chosen, 0)
            if moved is not None:
                yield from self.rung(f"run on {place.label}", moved)
        for count in range(1, len(recipe.steps)):
            partial = self.same(chosen, count) or self.measured(origin, count)
            yield from self.rung(str(recipe.steps[count - 1]), partial)
        last = str(recipe.steps[-1]) if recipe.steps else f"run on {place.label if place else ''}"
        yield from self.rung(last, chosen)

    def same(self, chosen: Candidate, count: int) -> Candidate | None:
        """A candidate that has the chosen one's first steps and runs in the same place."""
        steps = chosen.recipe.steps[:count]
        return next(
            (
                one
                for one in self.tried
                if one.recipe.steps == steps
                and one.recipe.seed == chosen.recipe.seed
                and one.target == chosen.target
                and one.failed is None
            ),
            None,
        )

    def measured(self, origin: Proposal, count: int) -> Candidate | None:
        """The first steps as a candidate of their own; it takes no part in the choice."""
        recipe = origin.recipe
        first = replace(recipe, name=f"{recipe.name}-{count}", steps=recipe.steps[:count])
        title = f"the first {count} of {len(recipe.steps)} steps of {recipe.name}"
        found = self.measure(replace(origin, title=title, recipe=first))
        return found if found is not None and found.failed is None else None

    def rung(self, step: str, one: Candidate | None) -> Iterator[Rung]:
        """A measured candidate as a rung."""
        if one is None or one.speedup is None or one.speedup_interval is None:
            return
        yield Rung(
            step=step,
            promised_speedup=self.predict(one),
            speedup=one.speedup,
            speedup_interval=one.speedup_interval,
            size_bytes=one.size_bytes or 0,
            drop=one.drop,
        )
