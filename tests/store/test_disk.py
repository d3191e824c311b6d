"""What is said when a disk refuses, and that files get there."""

import errno
import os
from pathlib import Path

import pytest

from lissom.errors import StoreError
from lissom.store.disk import as_store_error, flush, is_full, own_folder, refusal, write_refusal


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free some room there, and the same command goes on from here"),
        (errno.EDQUOT, "free some room"),
        (errno.EFBIG, "free some room"),
        (errno.EROFS, "make it writable, or give another -o"),
        (errno.EACCES, "make it writable, or give another -o"),
    ],
)
def test_a_refusal_says_what_to_do(number: int, words: str) -> None:
    error = OSError(number, os.strerror(number))
    assert words in refusal(error, "-o")
    assert is_full(error) == ("room" in words)


def test_other_refusals_are_told_as_they_are() -> None:
    assert refusal(OSError(errno.EIO, "Input/output error"), "-o") == "Input/output error"
    assert refusal(OSError("no number"), "-o") == "no number"
    with (
        pytest.raises(StoreError, match=r"cannot be used at a: Input/output error"),
        as_store_error(Path("a")),
    ):
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOENT, "nothing can be made there; give another -o"),
        (errno.EACCES, "Permission denied; make it writable, or give another -o"),
        (errno.ENOTDIR, "Not a directory; give another -o"),
    ],
)
def test_a_place_that_takes_nothing_is_told(number: int, told: str) -> None:
    assert write_refusal(OSError(number, os.strerror(number))) == told


def test_folders_are_made_and_links_are_none(tmp_path: Path) -> None:
    own_folder(tmp_path / "a" / "b")
    own_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "c").symlink_to(tmp_path / "a", target_is_directory=True)
    with pytest.raises(StoreError, match="is a link"):
        own_folder(tmp_path / "c")


def test_flushing_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    flush(tmp_path / "a")
    flush(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"x"
    with pytest.raises(FileNotFoundError):
        flush(tmp_path / "b")
