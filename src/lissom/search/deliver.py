"""The front on disk: the chosen model, and every model of the front with its recipe."""

from dataclasses import replace
from pathlib import Path

from lissom.errors import OutputError
from lissom.search.build import DATA, MODEL
from lissom.search.candidate import Candidate
from lissom.search.folder import Folder, write_bytes, write_copy
from lissom.search.job import Job
from lissom.search.result import Result

__all__ = ["deliver"]

RECIPE = "recipe.yaml"


def deliver(result: Result, job: Job, folder: Folder) -> Result:
    """Write the front and the chosen model; answer the result with where that lies.

    Args:
        result: the front and the choice as they are now.
        job: what the run works on; holds the store that the files are in.
        folder: where the results go.

    Raises:
        OutputError: the folder cannot be written.
    """
    keeping = [one for one in result.on_front if one.file is not None]
    for one in keeping:
        place = folder.subfolder("front", one.name)
        write_model(one, job, place / MODEL)
        write_bytes(place / RECIPE, one.recipe.to_yaml().encode())
    folder.keep_only(frozenset(one.name for one in keeping))
    delivered = write_chosen(result, job, folder)
    return replace(result, delivered=delivered)


def write_chosen(result: Result, job: Job, folder: Folder) -> Path | None:
    """Write the chosen model and its recipe; None where nothing is delivered (yet).

    The original is copied only at the end, and only if it is a single file: nothing is gained by
    copying gigabytes of external data that lie beside it already.
    """
    chosen = result.chosen
    state = folder.state() or {}
    known = list(state.get("delivered", ()))
    if not result.choice.met or (chosen.is_original and not result.finished):
        folder.note(seconds=result.seconds, finished=result.finished, delivered=known)
        return None
    if chosen.is_original and job.opened.facts.external:
        folder.note(seconds=result.seconds, finished=result.finished, delivered=known)
        return job.opened.path
    folder.note(seconds=result.seconds, finished=result.finished, delivered=[*known, chosen.sha256])
    if chosen.is_original:
        write_copy(job.opened.path, folder.model_path)
    else:
        beside = folder.model_path.with_name(DATA)
        if chosen.data_file is not None and folder.root != beside.parent and beside.exists():
            raise OutputError(f"{beside} exists, and the model's weights go there; give another -o")
        write_model(chosen, job, folder.model_path)
    write_bytes(folder.root / RECIPE, chosen.recipe.to_yaml().encode())
    return folder.model_path


def write_model(candidate: Candidate, job: Job, path: Path) -> None:
    """Write a candidate's file, its external data first, beside it under its own name."""
    store = job.opened.store
    if candidate.file is None:
        return
    if candidate.data_file is not None:
        write_copy(store.file(candidate.data_file), path.with_name(DATA))
    write_copy(store.file(candidate.file), path)
