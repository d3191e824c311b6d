"""Private folders of children: gone with them, gone after a kill, nobody else's touched."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lissom.isolate import temporary
from lissom.isolate.temporary import clear_dead, private_folder


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_private_and_removed(own_place: Path) -> None:
    with private_folder() as one, private_folder() as two:
        assert one is not None
        assert two is not None
        assert one != two
        assert one.stat().st_mode & 0o077 == 0
        (one / "deep").mkdir()
        (one / "deep" / "file").touch()
        clear_dead(own_place)  # the living are left alone
        assert (one / "deep" / "file").exists()
    assert not list(own_place.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="locks of folders")
def test_folders_of_the_dead_are_removed_and_nothing_else(own_place: Path) -> None:
    script = (
        f"import sys, tempfile, time; sys.path.insert(0, {str(Path(temporary.__file__).parents[2])!r})\n"  # noqa: E501
        f"tempfile.tempdir = {str(own_place)!r}\n"
        "from lissom.isolate.temporary import private_folder\n"
        "with private_folder() as folder: print(folder, flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    left = Path(holder.stdout.readline().strip())
    clear_dead(own_place)
    assert left.is_dir()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    (own_place / "precious").mkdir()
    (own_place / "precious" / "file").touch()
    (own_place / "lissom-child-link").symlink_to(own_place / "precious")
    (own_place / "lissom-child-file").touch()
    clear_dead(own_place)
    assert not left.exists()
    assert (own_place / "precious" / "file").exists()
    assert sorted(os.listdir(own_place)) == ["lissom-child-file", "lissom-child-link", "precious"]


def test_without_a_place_for_temporary_files_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with private_folder() as folder:
        assert folder is None
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", os.devnull)
    with private_folder() as folder:
        assert folder is None
