import os

import pytest

from lissom.store.small import open_regular, read_small


def test_a_small_file_is_read_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert read_small(tmp_path / "a", most_bytes=5) == b"12345"
    assert read_small(tmp_path / "b") == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_small(tmp_path / "a", most_bytes=4)
    with pytest.raises(OSError):
        read_small(tmp_path / "b", follow=False)
    with pytest.raises(FileNotFoundError):
        read_small(tmp_path / "c")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused_at_once(tmp_path, make):
    make(tmp_path / "odd")
    with pytest.raises(OSError):
        read_small(tmp_path / "odd")


def test_only_regular_files_are_opened(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with open_regular(tmp_path / "b") as stream:
        assert stream.read() == b"12345"
    os.mkfifo(tmp_path / "pipe")
    for path, follow in ((tmp_path / "b", False), (tmp_path / "pipe", True), (tmp_path, True)):
        with pytest.raises(OSError):
            open_regular(path, follow=follow)
