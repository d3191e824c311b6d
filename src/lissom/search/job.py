"""A job: the opened model, its samples and the conditions, together; what a run works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lissom
from lissom.measure.judge import Judge
from lissom.measure.pinning import Quiet
from lissom.methods.scope import Scope
from lissom.runtime.target import Target
from lissom.search.limits import Limits
from lissom.search.places import Places

if TYPE_CHECKING:
    import numpy as np

    from lissom.graph.load import FileFacts
    from lissom.graph.model import Model
    from lissom.measure.samples import Samples
    from lissom.recipe import Recipe
    from lissom.store.store import Store

__all__ = ["Job", "Opened"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """A user's model, read and checked.

    Attributes:
        path: the file as the user gave it; measurements of the original are of this very file.
        facts: of the file.
        model: the canonical model, whose outputs were compared with the file's.
        samples: None without data.
        feed: one feed of the target's batch, from the samples or generated; it is timed.
        checks: that feed and some of the samples, to compare outputs on.
        notes: what a reader should know of the opening.
        store: where everything is remembered.
        target: where it ran and will run.
        quiet: waits for idle processors before something is timed.
    """

    path: Path
    facts: FileFacts
    model: Model
    samples: Samples | None
    feed: Mapping[str, np.ndarray]
    checks: tuple[Mapping[str, np.ndarray], ...]
    notes: tuple[str, ...]
    store: Store
    target: Target
    quiet: Quiet = field(default_factory=Quiet)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What a run works on.

    Attributes:
        opened: the model with its samples, target and store.
        limits: goal and limits, defaults filled in.
        judge: how quality is told.
        scope: nodes that the methods may touch.
        recipe: the one recipe to try; None for the proposals.
        seed: of everything random.
        places: where candidates may run; None for the target alone.
    """

    opened: Opened
    limits: Limits
    judge: Judge
    scope: Scope = field(default_factory=Scope)
    recipe: Recipe | None = None
    seed: int = 0
    places: Places | None = None

    def elsewhere(self) -> dict[str, Any]:
        """The places beside the target that may be chosen; nothing where there are none."""
        places = self.places
        several = places is not None and (places.others or places.threads)
        return {"places": places.to_json()} if places is not None and several else {}

    def identity(self) -> dict[str, Any]:
        """What makes a run the same run: everything that may change its result but time.

        The budget is left out, so that a run can be continued with more of it.
        """
        samples, facts = self.opened.samples, self.opened.facts
        return {
            "model": [facts.sha256, *(sha256 for _, sha256 in facts.external)],
            "samples": None if samples is None else samples.fingerprint,
            "goal": self.limits.goal,
            "limits": self.limits.to_json(),
            "metric": self.judge.metric,
            "original quality": self.judge.original_quality,
            "target": self.opened.target.to_json(),
            **self.elsewhere(),
            "include": list(self.scope.include),
            "exclude": list(self.scope.exclude),
            "recipe": None if self.recipe is None else self.recipe.to_json(),
            "seed": self.seed,
            "version": lissom.__version__,
        }
