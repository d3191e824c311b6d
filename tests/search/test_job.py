"""What makes a run the same run."""

from dataclasses import replace

from lissom.measure.judge import Judge
from lissom.methods.scope import Scope
from lissom.search.limits import Limits
from lissom.search.places import Places
from lissom.store.hashing import sha256_json
from tests.search.trial import Trial, recipe


def test_the_identity_is_json_and_stable(trial: Trial) -> None:
    job = trial.job()
    assert sha256_json(job.identity()) == sha256_json(trial.job().identity())
    assert str(trial.model) not in str(job.identity())


def test_whatever_may_change_the_result_changes_the_identity(trial: Trial) -> None:
    job = trial.job()
    others = [
        trial.job(data=False),
        replace(job, limits=Limits(max_drop=0.02)),
        replace(job, limits=replace(job.limits, goal="size")),
        replace(job, judge=Judge(metric="top5")),
        replace(job, judge=Judge(original_quality=0.9)),
        replace(job, scope=Scope(exclude=("fc",))),
        replace(job, recipe=recipe("half", "quantize.float16")),
        replace(job, seed=1),
    ]
    hashes = {sha256_json(one.identity()) for one in (job, *others)}
    assert len(hashes) == 1 + len(others)


def test_more_time_continues_the_same_run(trial: Trial) -> None:
    job = trial.job()
    longer = replace(job, limits=replace(job.limits, budget_seconds=60.0))
    assert longer.identity() == job.identity()


def test_places_count_only_where_there_are_several(trial: Trial) -> None:
    job = trial.job()
    alone = replace(job, places=Places.of(job.opened.target))
    several = replace(job, places=Places(first=job.opened.target, threads=(2,)))
    assert alone.identity() == job.identity()
    assert several.identity() != job.identity()
