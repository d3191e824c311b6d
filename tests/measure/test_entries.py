"""What of a stranger's folder is read as samples."""

import os
from pathlib import Path

import pytest

from lissom.errors import SamplesError
from lissom.measure.entries import confined, opened


def test_links_inside_the_folder_are_followed_and_others_refused(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "b").write_bytes(b"b")
    (folder / "a").write_bytes(b"a")
    (folder / "c").symlink_to(folder / "deep" / "b")
    (tmp_path / "theirs").symlink_to(folder, target_is_directory=True)
    whole = [folder / "a", folder / "deep" / "b"]
    assert confined(folder, [folder / "c", folder / "a"]) == whole
    mine = tmp_path / "theirs"
    assert confined(mine, [mine / "a", mine / "c"]) == whole
    (tmp_path / "secret").write_bytes(b"")
    for target in (tmp_path / "secret", Path("..") / "secret"):
        (folder / "d").unlink(missing_ok=True)
        (folder / "d").symlink_to(target)
        with pytest.raises(SamplesError, match="leads out"):
            confined(folder, [folder / "d"])
    for target in (folder / "absent", folder / "e"):
        (folder / "e").unlink(missing_ok=True)
        (folder / "e").symlink_to(target)
        with pytest.raises(SamplesError, match="leads nowhere"):
            confined(folder, [folder / "e"])


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with opened(tmp_path / "link") as stream:
        assert stream.read() == b"abc"
    os.mkfifo(tmp_path / "pipe")
    for path, follow in ((tmp_path, True), (tmp_path / "pipe", True), (tmp_path / "link", False)):
        with pytest.raises(SamplesError, match="regular files"):
            opened(path, follow=follow)
