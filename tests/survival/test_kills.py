"""Ended at any moment, by whatever: the same command goes on, repeats nothing, leaves nothing."""

import json
import signal
import sys

import pytest

from tests.survival.scene import Scene, check_like, compared, records

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes and signals of Linux")

CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 130, signal.SIGINT: 130}


def ended(scene: Scene, at: int, how: signal.Signals) -> bool:
    """Run until that event, and end it there; False if there were fewer events."""
    before = records(scene.store)
    code, told = scene.run(at=at, signal=int(how))
    assert compared(before, records(scene.store)) == ({}, {})
    if code == CODES[how]:
        assert how == signal.SIGKILL or "the same command goes on from here" in told
        return True
    assert code == 0, told
    return False


def test_a_run_goes_on_wherever_it_was_ended(scene: Scene, undisturbed: Scene) -> None:
    moments = (
        (3, signal.SIGKILL),  # the store is being made
        (70, signal.SIGTERM),
        (140, signal.SIGKILL),
        (160, signal.SIGINT),
    )
    for at, how in moments:
        assert ended(scene, at, how), f"there is no event {at}"
    done = len(scene.told("child"))
    code, told = scene.run()
    assert code == 0, told
    check_like(scene, undisturbed)
    # Only what a kill cut off was begun again.
    assert done < len(scene.told("child")) <= len(undisturbed.told("child")) + len(moments)


def test_a_finished_run_is_answered_again_without_any_work(finished: Scene) -> None:
    before, said = records(finished.store), finished.document()
    code, told = finished.run()
    assert code == 0, told
    assert finished.told("child") == []
    assert records(finished.store) == before
    assert finished.document() == said


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_goes_on_after_a_kill_at_every_few_events(
    scene: Scene, undisturbed: Scene, how: signal.Signals
) -> None:
    kills = 0
    for at in range(1, 400, 7):
        if not ended(scene, at, how):
            break
        kills += 1
    assert kills >= 10
    code, told = scene.run()
    assert code == 0, told
    check_like(scene, undisturbed)


@pytest.mark.parametrize("entry", ["lissom.methods.runner:load_only", "lissom.measure.memory:grow"])
def test_a_candidate_for_which_memory_ran_out_is_tried_again(
    finished: Scene, undisturbed: Scene, entry: str
) -> None:
    kind = {"load_only": "loads", "grow": "memory"}[entry.rpartition(":")[2]]
    forget(finished, kind)
    code, told = finished.run(slay=(entry, 1))
    assert code == 0, told
    said = finished.document()
    assert "killed by SIGKILL" in said["failed"][0]["reason"]
    assert said["chosen"] == "original"
    assert finished.run()[0] == 0
    check_like(finished, undisturbed)


def forget(scene: Scene, kind: str) -> None:
    """Take the candidate's own records of a kind out of the store, and what was made of them."""
    for path in (scene.store / "steps").rglob("*.json"):
        record = json.loads(path.read_text())
        whole = record["kind"] in {"candidate", "candidate.build"} and "half" in path.read_text()
        if whole or (record["kind"] == kind and not is_original(record)):
            path.unlink()


def is_original(record: dict) -> bool:
    return record["inputs"]["model"] == record["inputs"].get("original")
