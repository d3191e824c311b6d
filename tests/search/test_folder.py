import json
from pathlib import Path

import pytest

from lissom.errors import OutputError
from lissom.search.folder import Folder, write_bytes, write_copy

IDENTITY = {"model": "abc", "limits": {"max_drop": 0.01}}


def test_a_new_folder_is_made_and_says_what_it_is_of(tmp_path: Path) -> None:
    with Folder.opened(tmp_path / "a" / "out", IDENTITY) as folder:
        assert folder.model_path == tmp_path / "a" / "out" / "model.onnx"
        state = json.loads((folder.root / "run.json").read_text())
    assert state["identity"] == IDENTITY
    assert state["finished"] is False
    assert not (folder.root / ".lock").exists()


def test_onnx_path_puts_the_rest_beside_it(tmp_path: Path) -> None:
    with Folder.opened(tmp_path / "small.onnx", IDENTITY) as folder:
        assert folder.root == tmp_path / "small.lissom"
        assert folder.model_path == tmp_path / "small.onnx"


def test_the_same_run_is_continued(tmp_path: Path) -> None:
    with Folder.opened(tmp_path / "out", IDENTITY) as folder:
        write_bytes(folder.model_path, b"model")
        folder.note(seconds=12.5, finished=True, delivered=[_sha(folder.model_path)])
    with Folder.opened(tmp_path / "out", IDENTITY) as folder:
        state = folder.state()
    assert state is not None
    assert state["seconds"] == 12.5
    assert state["finished"] is True


def test_another_run_is_refused_and_named(tmp_path: Path) -> None:
    with Folder.opened(tmp_path / "out", IDENTITY):
        pass
    with (
        pytest.raises(OutputError, match="other limits"),
        Folder.opened(tmp_path / "out", IDENTITY | {"limits": {}}),
    ):
        pass


def test_a_folder_of_someone_else_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="not a run of ours"), Folder.opened(tmp_path / "out", {}):
        pass
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_existing_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "small.onnx").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"), Folder.opened(tmp_path / "small.onnx", {}):
        pass
    assert (tmp_path / "small.onnx").read_bytes() == b"mine"
    assert not (tmp_path / "small.lissom").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="not a folder"), Folder.opened(tmp_path / "file", {}):
        pass


def test_a_delivered_model_that_someone_changed_is_not_overwritten(tmp_path: Path) -> None:
    with Folder.opened(tmp_path / "small.onnx", IDENTITY) as folder:
        write_bytes(folder.model_path, b"model")
        folder.note(seconds=1, finished=True, delivered=[_sha(folder.model_path)])
    (tmp_path / "small.onnx").write_bytes(b"edited by hand")
    with (
        pytest.raises(OutputError, match="changed since"),
        Folder.opened(tmp_path / "small.onnx", IDENTITY),
    ):
        pass


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with (
        Folder.opened(tmp_path / "out", IDENTITY),
        pytest.raises(OutputError, match="in use"),
        Folder.opened(tmp_path / "out", IDENTITY),
    ):
        pass
    with Folder.opened(tmp_path / "out", IDENTITY):
        pass


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("theirs")
    with Folder.opened(tmp_path / "out", IDENTITY) as folder:
        (folder.root / "front").symlink_to(elsewhere)
        with pytest.raises(OutputError, match="link"):
            folder.subfolder("front", "one")
        (folder.root / "result.json").symlink_to(elsewhere / "file")
        write_bytes(folder.root / "result.json", b"{}")
    assert (elsewhere / "file").read_text() == "theirs"
    assert list(elsewhere.iterdir()) == [elsewhere / "file"]


def test_folders_that_left_the_front_are_removed(tmp_path: Path) -> None:
    with Folder.opened(tmp_path / "out", IDENTITY) as folder:
        for name in ("one", "two"):
            write_bytes(folder.subfolder("front", name) / "model.onnx", b"x")
        folder.keep_only(frozenset({"two"}))
        assert [p.name for p in (folder.root / "front").iterdir()] == ["two"]


def test_copies_are_whole_and_leave_nothing_aside(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"12345")
    source.chmod(0o444)
    write_copy(source, tmp_path / "copy")
    write_copy(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"12345"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "source"]
    with pytest.raises(OutputError, match="cannot write"):
        write_bytes(tmp_path / "absent" / "file", b"")


def test_a_strange_run_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("[]")
    with (
        pytest.raises(OutputError, match="not written by this version"),
        Folder.opened(tmp_path / "out", {}),
    ):
        pass


def _sha(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()
