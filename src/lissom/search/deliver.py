"""The front on disk: the chosen model, and every model of the front with its recipe."""

from dataclasses import replace
from pathlib import Path

from lissom.search.build import DATA, MODEL
from lissom.search.candidate import Candidate
from lissom.search.folder import Folder
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
        for source, name in files(one, job):
            folder.copy(source, "front", one.name, name)
        folder.write("front", one.name, RECIPE, content=one.recipe.to_yaml().encode())
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
    if chosen.is_original:
        given = [(job.opened.path, folder.model_path.name)]
        hashes = [chosen.sha256]
    else:
        given = [
            (source, DATA if name == DATA else folder.model_path.name)
            for source, name in files(chosen, job)
        ]
        hashes = [ref.sha256 for ref in (chosen.data_file, chosen.file) if ref is not None]
    folder.note(seconds=result.seconds, finished=result.finished, delivered=[*known, *hashes])
    for source, name in given:
        folder.deliver(source, name, known)
    folder.write(RECIPE, content=chosen.recipe.to_yaml().encode())
    return folder.model_path


def files(candidate: Candidate, job: Job) -> list[tuple[Path, str]]:
    """A candidate's files in the store, external data first, each with the name that it bears."""
    store = job.opened.store
    pairs = ((candidate.data_file, DATA), (candidate.file, MODEL))
    return [(store.file(ref), name) for ref, name in pairs if ref is not None]
