"""Locks: one holder at a time, none after death, no file left."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lissom.store import locks


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    inside = 0
    most = 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(30):
            with locks.held(path):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (inside, most) == (0, 1)
    assert not path.exists()


def test_try_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with locks.try_hold(path) as free:
        assert free
    with locks.held(path), locks.try_hold(path) as free:
        assert not free
    path.touch()
    with locks.try_hold(path) as free:
        assert free
    assert not path.exists()


def test_try_hold_makes_the_file_where_it_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with locks.try_hold(path) as free:
        assert free
        assert not path.exists()
    with locks.try_hold(path, make=True) as free:
        assert free
        assert path.exists()
        with locks.try_hold(path, make=True) as again:
            assert not again
    assert not path.exists()


def test_the_dead_hold_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    source = Path(locks.__file__).parents[2]
    script = (
        f"import sys, time; sys.path.insert(0, {str(source)!r})\n"
        "from pathlib import Path\nfrom lissom.store import locks\n"
        f"with locks.held(Path({str(path)!r})):\n    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with locks.try_hold(path) as free:
        assert not free
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with locks.held(path):
        assert path.exists()


def test_a_lock_is_never_a_link_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"), locks.held(tmp_path / "a.lock"):
        pass
    assert not (tmp_path / "victim").exists()
    os.mkfifo(tmp_path / "b.lock")
    with locks.try_hold(tmp_path / "b.lock") as ours:  # what matters is that nobody waits
        assert ours in {True, False}
