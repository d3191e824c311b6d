"""Which recipes are worth a try on a model: a small fixed set, the most promising first.

A recipe that cannot gain here is left out with a reason in words, never silently: no samples, no
operator that it treats, no kernel of the runtime that would be faster. The order makes the front
useful early; it never decides the result.
"""

from dataclasses import dataclass

from lissom.graph.model import Model
from lissom.methods.scope import Scope
from lissom.recipe import Recipe, Step
from lissom.runtime.facts import Facts
from lissom.search.drafts import fusions, integers, weights
from lissom.search.limits import Goal
from lissom.search.narrower import narrower
from lissom.search.places import Place
from lissom.search.result import NotTried
from lissom.search.view import Draft, View

__all__ = ["Proposal", "Proposals", "proposals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A recipe to try.

    Attributes:
        title: one line for people.
        recipe: its steps.
        place: where it runs; None for the run's first place.
    """

    title: str
    recipe: Recipe
    place: Place | None = None

    @property
    def name(self) -> str:
        """The candidate's: the recipe's, and where it runs if that is not the first place."""
        label = "" if self.place is None else self.place.label
        return f"{self.recipe.name}@{label}" if label else self.recipe.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposals:
    """What to try, in this order, and what not, with reasons."""

    tried: tuple[Proposal, ...]
    left_out: tuple[NotTried, ...]


def proposals(
    model: Model, facts: Facts, *, data: bool, goal: Goal, scope: Scope, seed: int = 0
) -> Proposals:
    """Answer the recipes worth a try, the most promising for the goal first.

    Args:
        model: the canonical model.
        facts: what the runtime is good at here.
        data: whether there are samples.
        goal: orders the answer.
        scope: nodes that every step may touch.
        seed: of every random choice.
    """
    view = View.of(model, facts, data=data, goal=goal)
    drafts = [
        *fusions(view, whole=scope == Scope()),
        *integers(view),
        *weights(view),
        *narrower(view),
    ]
    if model.already_quantized:
        reason = "the model is already quantized; it is returned unchanged"
        return Proposals(
            tried=(), left_out=tuple(NotTried(name=d.name, reason=reason) for d in drafts)
        )
    drafts.sort(key=lambda draft: draft.rank.get(goal, 50))
    return Proposals(
        tried=tuple(
            Proposal(title=draft.title, recipe=finished(draft, view, scope, seed))
            for draft in drafts
            if not draft.refusal
        ),
        left_out=tuple(
            NotTried(name=draft.name, reason=draft.refusal) for draft in drafts if draft.refusal
        ),
    )


def finished(draft: Draft, view: View, scope: Scope, seed: int) -> Recipe:
    """Make a draft a recipe, its steps held to the scope."""
    return Recipe(
        name=draft.name,
        seed=seed,
        steps=tuple(
            Step(
                method=method,
                parameters=dict(parameters),
                include=scope.include,
                exclude=(*scope.exclude, *(op for op in left_out if op in view.operators)),
            )
            for method, parameters, left_out in draft.steps
        ),
    )
