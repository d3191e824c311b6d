"""The front on disk, at any moment."""

from dataclasses import replace
from pathlib import Path

import pytest

from lissom.errors import OutputError
from lissom.measure.environment import current
from lissom.search.build import DATA
from lissom.search.candidate import Candidate
from lissom.search.compose import Found, compose
from lissom.search.deliver import deliver
from lissom.search.folder import Folder
from lissom.search.job import Job
from lissom.search.result import Result
from tests.search.made import candidate, original
from tests.search.trial import Trial


def stored(trial: Trial, folder: Path, name: str, speed: float, *, data: bool = False) -> Candidate:
    (folder / name).write_bytes(name.encode())
    file = trial.store.put_file(folder / name, ".onnx")
    beside = trial.store.put_file(folder / name, ".data") if data else None
    made = candidate(name, drop=0.005 / speed, speed=(speed, 0.99 * speed, 1.01 * speed))
    return replace(made, file=file, data_file=beside, sha256=file.sha256)


def result_of(job: Job, *tried: Candidate, finished: bool = False) -> Result:
    first = replace(original(), sha256=job.opened.facts.sha256)
    found = Found(original=first, tried=tried, left_out=[], seconds=3.0, finished=finished)
    return compose(job, current(), found)


def test_the_best_so_far_and_the_front(trial: Trial, tmp_path: Path) -> None:
    job = trial.job()
    one, two = stored(trial, tmp_path, "one", 2.0), stored(trial, tmp_path, "two", 3.0)
    with Folder.opened(tmp_path / "out", job.identity()) as folder:
        first = deliver(result_of(job, one), job, folder)
        assert first.delivered == folder.model_path
        assert folder.model_path.read_bytes() == b"one"
        assert (folder.root / "front" / "one" / "recipe.yaml").is_file()
        better = replace(two, quality=one.quality)
        deliver(result_of(job, one, better), job, folder)
        assert folder.model_path.read_bytes() == b"two"
        assert [p.name for p in (folder.root / "front").iterdir()] == ["two"]
        assert "name: two" in (folder.root / "recipe.yaml").read_text()


def test_the_original_is_copied_at_the_end_only(trial: Trial, tmp_path: Path) -> None:
    job = trial.job()
    with Folder.opened(tmp_path / "small.onnx", job.identity()) as folder:
        assert deliver(result_of(job), job, folder).delivered is None
        assert not folder.model_path.exists()
        done = deliver(result_of(job, finished=True), job, folder)
        assert done.delivered == tmp_path / "small.onnx"
        assert folder.model_path.read_bytes() == trial.model.read_bytes()
    with Folder.opened(tmp_path / "small.onnx", job.identity()) as folder:
        state = folder.state()
        assert state is not None
        assert state["finished"] is True


def test_limits_that_are_not_met_deliver_nothing(trial: Trial, tmp_path: Path) -> None:
    job = trial.job()
    job = replace(job, limits=replace(job.limits, max_size_bytes=1))
    one = stored(trial, tmp_path, "one", 2.0)
    with Folder.opened(tmp_path / "out", job.identity()) as folder:
        done = deliver(result_of(job, one, finished=True), job, folder)
        assert done.delivered is None
        assert not folder.model_path.exists()
        assert (folder.root / "front" / "one" / "model.onnx").is_file()


def test_external_data_goes_beside_its_model_and_over_nothing(trial: Trial, tmp_path: Path) -> None:
    job = trial.job()
    one = stored(trial, tmp_path, "one", 2.0, data=True)
    with Folder.opened(tmp_path / "out", job.identity()) as folder:
        deliver(result_of(job, one), job, folder)
        assert (folder.root / DATA).read_bytes() == b"one"
    (tmp_path / DATA).write_bytes(b"precious")
    with (
        Folder.opened(tmp_path / "small.onnx", job.identity()) as folder,
        pytest.raises(OutputError, match="not what this run wrote"),
    ):
        deliver(result_of(job, one), job, folder)
    assert (tmp_path / DATA).read_bytes() == b"precious"


def test_external_data_beside_a_small_model_is_written_again_by_the_same_run(
    trial: Trial, tmp_path: Path
) -> None:
    job = trial.job()
    one = stored(trial, tmp_path, "one", 2.0, data=True)
    better = stored(trial, tmp_path, "two", 3.0, data=True)
    better = replace(better, quality=one.quality)
    for found in ((one,), (one,), (one, better)):
        with Folder.opened(tmp_path / "small.onnx", job.identity()) as folder:
            deliver(result_of(job, *found), job, folder)
    assert (tmp_path / DATA).read_bytes() == (tmp_path / "small.onnx").read_bytes() == b"two"
