import hashlib
import json
import sys
from pathlib import Path

import pytest

from lissom.errors import OutputError
from lissom.search.folder import Folder

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
        folder.model_path.write_bytes(b"model")
        folder.note(seconds=12.5, finished=True, delivered=[_sha(folder.model_path)])
    with Folder.opened(tmp_path / "out", IDENTITY) as folder:
        state = folder.state()
    assert state is not None
    assert state["seconds"] == 12.5
    assert state["finished"] is True


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a place that takes no new files")
def test_a_place_that_takes_nothing_is_refused_in_words() -> None:
    with (
        pytest.raises(OutputError, match=r"/proc/out cannot be written to: .*; give another -o"),
        Folder.opened(Path("/proc/out"), IDENTITY),
    ):
        pass


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
        folder.model_path.write_bytes(b"model")
        folder.note(seconds=1, finished=True, delivered=[_sha(folder.model_path)])
    (tmp_path / "small.onnx").write_bytes(b"edited by hand")
    with (
        pytest.raises(OutputError, match="not what this run wrote"),
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
            folder.write("front", "one", "file", content=b"")
        (folder.root / "result.json").symlink_to(elsewhere / "file")
        folder.write("result.json", content=b"{}")
    assert (elsewhere / "file").read_text() == "theirs"
    assert list(elsewhere.iterdir()) == [elsewhere / "file"]


def test_folders_that_left_the_front_are_removed(tmp_path: Path) -> None:
    with Folder.opened(tmp_path / "out", IDENTITY) as folder:
        for name in ("one", "two"):
            folder.write("front", name, "model.onnx", content=b"x")
        folder.keep_only(frozenset({"two"}))
        assert [p.name for p in (folder.root / "front").iterdir()] == ["two"]


def test_copies_are_whole_and_leave_nothing_aside(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"12345")
    source.chmod(0o444)
    with Folder.opened(tmp_path / "out", IDENTITY) as folder:
        folder.copy(source, "copy")
        before = (folder.root / "copy").stat().st_mtime_ns
        folder.copy(source, "copy")
        assert (folder.root / "copy").read_bytes() == b"12345"
        assert (folder.root / "copy").stat().st_mtime_ns == before
        with pytest.raises(OutputError, match="absent cannot be read"):
            folder.copy(tmp_path / "absent", "other")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["copy", "run.json"]


def test_what_a_killed_run_was_writing_is_removed(tmp_path: Path) -> None:
    aside = f".aside-{'0' * 16}"
    (tmp_path / "out").mkdir()
    for name in (aside, ".lock"):  # killed before it had written anything else
        (tmp_path / "out" / name).touch()
    with Folder.opened(tmp_path / "out", IDENTITY):
        assert not (tmp_path / "out" / aside).exists()
    (tmp_path / "out" / aside).touch()
    with Folder.opened(tmp_path / "out", IDENTITY):
        pass
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["run.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="folders that are held open")
def test_a_folder_that_is_exchanged_while_the_run_goes_on_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Folder.opened(tmp_path / "out", IDENTITY) as folder:
        folder.root.rename(tmp_path / "moved")
        folder.root.symlink_to(elsewhere, target_is_directory=True)
        with pytest.raises(OutputError, match="exchanged"):
            folder.write("result.json", content=b"{}")
        with pytest.raises(OutputError, match="exchanged"):
            folder.keep_only(frozenset())
    assert not list(elsewhere.iterdir())


def test_a_model_that_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"ours")
    with Folder.opened(tmp_path / "small.onnx", IDENTITY) as folder:
        folder.deliver(source, "small.onnx", ours=())
        source.write_bytes(b"better")
        with pytest.raises(OutputError, match="not what this run wrote"):
            folder.deliver(source, "small.onnx", ours=())
        folder.deliver(source, "small.onnx", ours=[hashlib.sha256(b"ours").hexdigest()])
        assert folder.model_path.read_bytes() == b"better"
        (tmp_path / "other").symlink_to(source)
        with pytest.raises(OutputError, match="not what this run wrote"):
            folder.deliver(source, "other", ours=())


def test_a_strange_run_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("[]")
    with (
        pytest.raises(OutputError, match="not written by this version"),
        Folder.opened(tmp_path / "out", {}),
    ):
        pass


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
