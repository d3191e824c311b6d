import os

import pytest

from lissom.errors import ModelError
from lissom.graph.confine import confined_files, confined_path
from lissom.graph.wire import ExternalPiece


def _piece(location="w.bin", offset=0, length=None, size=4):
    return ExternalPiece(
        tensor="t", location=location, offset=offset, length=length, size_bytes=size
    )


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "w.bin").write_bytes(b"\0" * 16)
    (folder / "sub" / "w.bin").write_bytes(b"\0" * 16)
    (tmp_path / "secret").write_bytes(b"secret secret secret")
    return folder


@pytest.mark.parametrize("location", ["w.bin", "sub/w.bin", "./w.bin"])
def test_plain_files_in_the_folder_are_found(folder, location):
    assert confined_path(folder, location).read_bytes() == b"\0" * 16


@pytest.mark.parametrize(
    "location",
    [
        "",
        ".",
        "..",
        "../secret",
        "sub/../../secret",
        "sub/../w.bin",
        "/etc/passwd",
        "//etc/passwd",
        "C:\\secret",
        "C:secret",
        "sub\\w.bin",
        "w.bin\0",
        "sub",
        "w.bin/x",
        "absent.bin",
        "a" * 5000,
    ],
)
def test_everything_else_is_refused(folder, location):
    with pytest.raises(ModelError, match="external data"):
        confined_path(folder, location)


def test_links_are_refused_wherever_they_lead(folder):
    (folder / "out").symlink_to(folder.parent / "secret")
    (folder / "in").symlink_to(folder / "w.bin")
    (folder / "through").symlink_to(folder / "sub")
    for location in ("out", "in", "through/w.bin"):
        with pytest.raises(ModelError, match="link"):
            confined_path(folder, location)
    os.link(folder.parent / "secret", folder / "hard")
    with pytest.raises(ModelError, match="hard link"):
        confined_path(folder, "hard")


def test_devices_and_pipes_are_refused(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(ModelError, match="regular file"):
        confined_path(folder, "pipe")


def test_the_folder_itself_may_be_reached_through_a_link(folder, tmp_path):
    (tmp_path / "short").symlink_to(folder)
    assert confined_path(tmp_path / "short", "w.bin").exists()


def test_pieces_must_lie_inside_their_file(folder):
    pieces = [_piece(), _piece(offset=12), _piece("sub/w.bin", offset=8, length=8)]
    assert list(confined_files(folder, pieces, room_bytes=32)) == ["sub/w.bin", "w.bin"]
    for piece in (_piece(offset=13), _piece(size=17), _piece(offset=8, length=9)):
        with pytest.raises(ModelError, match="cut off"):
            confined_files(folder, [piece], room_bytes=100)


def test_the_files_together_are_capped(folder):
    with pytest.raises(ModelError, match="at most 31"):
        confined_files(folder, [_piece(), _piece("sub/w.bin")], room_bytes=31)
