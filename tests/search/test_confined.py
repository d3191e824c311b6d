"""Files inside one folder: whole or not at all, through no link, whatever is exchanged."""

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from lissom.errors import OutputError
from lissom.search import confined
from lissom.search.confined import ASIDE, as_output_error, opened

held = pytest.mark.skipif(sys.platform == "win32", reason="folders that are held open")


def test_a_file_is_written_whole_and_nothing_is_left(tmp_path: Path) -> None:
    with opened(tmp_path) as root, root.entered("a") as spot:
        spot.write("file", io.BytesIO(b"one"), through=root)
        spot.write("file", io.BytesIO(b"two"))
        assert spot.sha256("file") is not None
        assert spot.sha256("absent") is None
    assert (tmp_path / "a" / "file").read_bytes() == b"two"
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "file"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert any(ASIDE.fullmatch(path.name) for path in tmp_path.iterdir())
            raise OSError("the source broke")

    (tmp_path / "file").write_bytes(b"before")
    with pytest.raises(OSError, match="source broke"), opened(tmp_path) as root:
        root.write("file", Broken())
    assert (tmp_path / "file").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_links_are_replaced_as_files_and_refused_as_folders(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_bytes(b"theirs")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "theirs", target_is_directory=True)
    (tmp_path / "root" / "file").symlink_to(tmp_path / "theirs" / "file")
    with opened(tmp_path / "root") as root:
        assert root.sha256("file") is None
        root.write("file", io.BytesIO(b"ours"))
        with pytest.raises(OutputError, match="is a link"), root.entered("folder"):
            pass
        assert root.folders() == []
        root.remove("folder")
        root.remove("folder")
    assert (tmp_path / "theirs" / "file").read_bytes() == b"theirs"
    assert (tmp_path / "root" / "file").read_bytes() == b"ours"


@held
def test_a_folder_exchanged_while_it_is_held_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    with opened(tmp_path) as root, root.entered("ours") as spot:
        (tmp_path / "ours").rename(tmp_path / "moved")
        (tmp_path / "ours").symlink_to(tmp_path / "theirs", target_is_directory=True)
        spot.write("file", io.BytesIO(b"x"))
    assert (tmp_path / "moved" / "file").read_bytes() == b"x"
    assert not list((tmp_path / "theirs").iterdir())


def test_a_place_that_takes_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught, as_output_error(tmp_path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    told = "cannot be written to: nothing can be made there; give another -o"
    assert str(caught.value) == f"{tmp_path} {told}"


@held
def test_a_link_that_appears_between_the_look_and_the_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs").mkdir()
    real = confined.Spot.status

    def late(spot: confined.Spot, name: str) -> os.stat_result | None:
        found = real(spot, name)
        (tmp_path / name).rmdir()
        (tmp_path / name).symlink_to(tmp_path / "theirs", target_is_directory=True)
        return found

    monkeypatch.setattr(confined.Spot, "status", late)
    with pytest.raises(OutputError, match="cannot be written"), as_output_error(tmp_path):  # noqa: SIM117
        with opened(tmp_path) as root, root.entered("ours"):
            pass
    assert not list((tmp_path / "theirs").iterdir())


def test_folders_are_removed_with_all_but_what_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").touch()
    with opened(tmp_path) as root:
        with root.entered("a") as spot:
            spot.write("file", io.BytesIO(b"x"))
        (tmp_path / "a" / "link").symlink_to(tmp_path / "theirs", target_is_directory=True)
        assert root.folders() == ["a", "theirs"]
        root.remove_folder("a")
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "theirs" / "file").exists()


def test_another_folder_under_the_same_name_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    look = (tmp_path / "a").stat()
    with opened(tmp_path / "a", (look.st_dev, look.st_ino)) as spot:
        assert spot.folders() == []
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").mkdir()
    with (
        pytest.raises(OutputError, match="exchanged"),
        opened(tmp_path / "a", (look.st_dev, look.st_ino)),
    ):
        pass
