"""Disks that are full or may only be read: one line that says what to do, and then it goes on."""

import os
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.survival.scene import Scene, check_like

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts and limits of Linux")

OWN_MOUNTS = ("unshare", "--mount", "--map-root-user")
SMALL = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


def mounted(script: str, *arguments: object) -> tuple[str, ...]:
    """A command that runs the rest of its arguments where a folder is another disk."""
    return (*OWN_MOUNTS, "sh", "-c", script, "sh", *map(str, arguments))


@pytest.fixture
def mounts(tmp_path: Path) -> None:
    """Skip where nobody may mount anything."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare`")
    command = mounted(SMALL, "1m", tmp_path, "true")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody make mounts of their own")


def check_refused(code: int, told: str, *words: str) -> None:
    """One line with these words, and the exit code of what the user can mend."""
    last = told.splitlines()[-1]
    assert code == 2, told
    assert "Traceback" not in told
    assert last.startswith("lissom: ")
    for word in words:
        assert word in last


def test_a_disk_that_becomes_full_stops_the_run_and_nothing_is_lost(
    scene: Scene, undisturbed: Scene
) -> None:
    for event in (20, 180):
        code, told = scene.run(full=event)
        check_refused(code, told, "No space left", "free some room", "goes on from here")
        assert scene.left_behind() == []
    code, told = scene.run()
    assert code == 0, told
    check_like(scene, undisturbed)


@pytest.mark.slow
def test_a_disk_that_becomes_full_at_every_few_events(scene: Scene, undisturbed: Scene) -> None:
    for event in range(1, 400, 9):
        code, told = scene.run(full=event)
        if code == 0:
            break
        check_refused(code, told, "No space left", "free some room", "goes on from here")
        assert scene.left_behind() == []
    code, told = scene.run()
    assert code == 0, told
    check_like(scene, undisturbed)


@pytest.mark.slow
def test_files_that_may_not_grow_stop_the_run(scene: Scene, undisturbed: Scene) -> None:
    """A limit on the size of files meets child processes, too, in the middle of a file."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if hard != resource.RLIM_INFINITY and hard < 1 << 20:
        pytest.skip("files are limited here already")
    for blocks in (1, 8, 40, 100):
        limited = ("sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh")
        code, told = replace(scene, before=limited).run()
        check_refused(code, told, "File too large", "free some room")
        assert scene.left_behind() == []
    code, told = scene.run()
    assert code == 0, told
    check_like(scene, undisturbed)


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize("place", ["store", "out"])
def test_a_small_disk_is_full(finished: Scene, place: str) -> None:
    folder = finished.folder / place
    shutil.rmtree(folder)
    folder.mkdir()
    size = {"store": "64k", "out": "8k"}[place]
    code, told = replace(finished, before=mounted(SMALL, size, folder)).run()
    check_refused(code, told, "free", "room", str(folder))


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize("place", ["store", "out", "temporary"])
def test_a_folder_that_may_only_be_read(finished: Scene, undisturbed: Scene, place: str) -> None:
    folder = finished.folder / place
    folder.mkdir(exist_ok=True)
    code, told = replace(finished, before=mounted(READ_ONLY, folder)).run()
    if place == "temporary":
        assert code == 0, told
    else:
        option = {"store": "--store", "out": "-o"}[place]
        check_refused(code, told, "Read-only", f"give another {option}", str(folder))
    assert finished.run()[0] == 0
    check_like(finished, undisturbed)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root")
@pytest.mark.parametrize("place", ["store", "out"])
def test_a_folder_that_is_somebody_elses(scene: Scene, place: str) -> None:
    (scene.folder / "theirs").mkdir(mode=0o500)
    (scene.folder / place).symlink_to(scene.folder / "theirs", target_is_directory=True)
    code, told = scene.run()
    check_refused(code, told, "Permission denied", "give another")
