"""A recipe carried out by itself: the model written, and what each step did and left alone."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lissom.errors import MethodError, OutputError
from lissom.graph.load import file_facts
from lissom.graph.save import save
from lissom.recipe import Recipe, rebuild
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.search.build import context, provenance, step_record, step_to_json
from lissom.search.candidate import StepRecord
from lissom.search.job import Opened
from lissom.search.progress import Event, Progress

__all__ = ["Applied", "carry_out", "check_absent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What `apply` made.

    Attributes:
        path: the new file.
        steps: what each step did, and what it left alone and why.
        original_bytes: the size of the original, with external data.
        size_bytes: the size of the new one.
        samples: how many samples the steps could look at.
        seconds: it took.
    """

    path: Path
    steps: tuple[StepRecord, ...]
    original_bytes: int
    size_bytes: int
    samples: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "path": str(self.path),
            "steps": [step_to_json(step) for step in self.steps],
            "original_bytes": self.original_bytes,
            "size_bytes": self.size_bytes,
            "samples": self.samples,
            "seconds": self.seconds,
        }


def check_absent(path: Path) -> None:
    """Refuse to write over anything, a link that leads nowhere among it, or into nothing.

    Raises:
        OutputError: something is there, or there is no folder for it.
    """
    if path.exists() or path.is_symlink():
        raise OutputError(f"{path} exists; give another -o")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent}, where {path.name} would be written, is not a folder")


def carry_out(
    recipe: Recipe, opened: Opened, target: Target, path: Path, progress: Progress
) -> Applied:
    """Rebuild a model by its recipe, and write it where nothing is yet.

    Args:
        recipe: what to do.
        opened: the original and its samples.
        target: what it is made for.
        path: the new file.
        progress: told of every step, and of what steps tell.

    Raises:
        MethodError: a step failed.
        RecipeError: a step could never run, or a target matched no node.
        OutputError: the file cannot be written, or exists.
    """
    facts = registry.load(target.runtime).facts(opened.store)
    started, now = time.monotonic(), Event(stage="build", total=len(recipe.steps))

    def tell(detail: str = "") -> None:
        elapsed = time.monotonic() - started
        progress(replace(now, elapsed_seconds=elapsed, detail=detail))

    def begun(number: int, method: str) -> None:
        nonlocal now
        now = replace(now, candidate=method, index=number)
        tell()

    around = context(opened, facts, seed=recipe.seed, told=tell)
    try:
        model, plans = rebuild(recipe, opened.model, around, begun)
    except MethodError as error:
        raise type(error)(f"the recipe cannot be applied to {opened.path}: {error}") from error
    check_absent(path)  # still: rebuilding takes a while
    save(model, path, metadata=provenance(opened, recipe))
    seen = around.calibration
    return Applied(
        path=path,
        steps=tuple(
            step_record(step.method, step.parameters, plan)
            for step, plan in zip(recipe.steps, plans, strict=True)
        ),
        original_bytes=opened.facts.size_bytes,
        size_bytes=file_facts(path).size_bytes,
        samples=0 if seen is None else seen.count,
        seconds=round(time.monotonic() - started, 3),
    )
