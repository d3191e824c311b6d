"""Models in the wild: every file of a package has a name of its own."""

from pathlib import Path

import pytest

from bench import architectures, wild

FILES = ("data/net.onnx", "data/persian/net.onnx", "data/notes.txt")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages as they are unpacked: one with files of one name, one with a single file."""
    for name in (*(f"two_nets/two_nets/{file}" for file in FILES), "one/one/deep/net.onnx"):
        path = tmp_path / "wild" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(wild, "PACKAGES", ("two-nets", "one"))
    return tmp_path


def test_files_of_one_name_are_all_there(cache: Path) -> None:
    found = {name: path for name, path in wild.models(cache).items() if path.is_relative_to(cache)}
    assert list(found) == ["two-nets/net.onnx", "two-nets/persian/net.onnx", "one/net.onnx"]
    assert found["two-nets/persian/net.onnx"].parts[-2:] == ("persian", "net.onnx")


def test_the_law_is_tried_on_each_of_them(cache: Path) -> None:
    found = architectures.models(cache / "none", cache, cache)
    paths = [found[f"two-nets/{name}"][1]() for name in ("net", "persian/net")]
    assert paths == [cache / "wild/two_nets/two_nets" / file for file in FILES[:2]]


def test_a_package_without_models_has_none(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "wild" / "empty").mkdir()
    monkeypatch.setattr(wild, "PACKAGES", ("empty",))
    assert all(name.startswith("onnx/") for name in wild.models(cache))
