"""A store that was damaged or shared, and clocks that jump: found, mended, no difference."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lissom.store import locks
from tests.survival.scene import Scene, check_like, compared, records

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files that are open")

Damage = Callable[[Path], object]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    rewrite(path, bytes(data))


def rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def linked(path: Path) -> None:
    """In its place a link to an equal file: what lies behind it may change at any time."""
    moved = path.parents[3] / path.name
    path.rename(moved)
    path.symlink_to(moved)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Damage] = {
    "a bit": flip,
    "cut off": lambda path: rewrite(path, path.read_bytes()[:-1]),
    "emptied": lambda path: rewrite(path, b""),
    "longer": lambda path: rewrite(path, path.read_bytes() + b"\0"),
    "gone": Path.unlink,
    "a link": linked,
    "a pipe": piped,
}
OFTEN = {"a bit", "gone", "a link"}


def objects(scene: Scene) -> list[Path]:
    return sorted(path for path in (scene.store / "objects").rglob("*") if path.is_file())


def forgotten(scene: Scene, *kinds: str) -> None:
    """Take records out of a store, so that what they rest on is read again."""
    for path in (scene.store / "steps").rglob("*.json"):
        if json.loads(path.read_text())["kind"] in kinds:
            path.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, id=name, marks=() if name in OFTEN else pytest.mark.slow)
        for name, damage in DAMAGES.items()
    ],
)
def test_every_object_is_checked_and_made_again(
    finished: Scene, undisturbed: Scene, damage: Damage
) -> None:
    for path in objects(finished):
        damage(path)
    code, told = finished.run()
    assert code == 0, told
    check_like(finished, undisturbed)
    # What was measured of the very same bytes still holds.
    kept = {key for key, (kind, *_) in records(finished.store).items() if kind == "timing"}
    before, after = records(undisturbed.store), records(finished.store)
    assert kept
    assert all(before[key][:2] == after[key][:2] for key in kept)


@pytest.mark.slow
def test_each_object_alone(finished: Scene, undisturbed: Scene) -> None:
    suffixes = {path.suffix for path in objects(finished)}
    assert suffixes >= {".onnx", ".bin", ".safetensors"}
    for path in objects(finished):
        flip(path)
        code, told = finished.run()
        assert code == 0, (path.name, told)
        check_like(finished, undisturbed)


def test_every_record_is_checked_and_made_again(finished: Scene, undisturbed: Scene) -> None:
    whole = {p: p.read_bytes() for p in sorted((finished.store / "steps").rglob("*.json"))}
    for number, (path, content) in enumerate(whole.items()):
        # What a whole candidate is made of is asked for only if there is none.
        candidate = json.loads(content)["kind"].startswith("candidate")
        damage = DAMAGES["emptied"] if candidate else list(DAMAGES.values())[number % len(DAMAGES)]
        damage(path)
    code, told = finished.run()
    assert code == 0, told
    # A way that the run took because the machine was busy then may not be taken again.
    unasked = [path for path in whole if path.exists() and not path.read_bytes()]
    assert len(unasked) <= 3, unasked
    for path in unasked:
        path.write_bytes(whole[path])
    check_like(finished, undisturbed)


def test_a_damaged_object_that_only_a_child_reads(finished: Scene, undisturbed: Scene) -> None:
    forgotten(finished, "answers", "candidate")
    for path in objects(finished):
        if path.suffix == ".bin":
            flip(path)
    code, told = finished.run()
    assert code == 0, told
    check_like(finished, undisturbed)


def test_two_runs_share_one_store_and_compute_nothing_twice(
    scene: Scene, undisturbed: Scene
) -> None:
    other = replace(scene, name="other")
    running = [each.started() for each in (scene, other)]
    told = [process.communicate(timeout=600)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], told
    for each in (scene, other):
        check_like(each, undisturbed)
    ours = scene.told("child") + other.told("child")
    assert sorted(ours) == sorted(undisturbed.told("child"))


def test_a_second_run_with_the_same_place_for_results_is_refused(finished: Scene) -> None:
    with locks.held(finished.out / ".lock"):
        code, told = finished.run()
    assert code == 2
    assert "in use by another run just now" in told
    assert finished.run()[0] == 0


@pytest.mark.parametrize(
    "jumps", [[0.0, 3600.0, -7200.0], pytest.param([0.0, -1e6, 1e6], marks=pytest.mark.slow)]
)
def test_clocks_that_jump_change_nothing(
    scene: Scene, undisturbed: Scene, jumps: list[float]
) -> None:
    code, told = scene.run(jumps=jumps)
    assert code == 0, told
    check_like(scene, undisturbed)
    before = records(scene.store)
    for path in (scene.store / "steps").rglob("*.json"):
        os.utime(path, (2e9, 2e9))  # as if written long after now
    assert scene.run()[0] == 0
    assert compared(before, records(scene.store)) == ({}, {})
