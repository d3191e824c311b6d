"""A tiny run that nothing disturbed, made once: what every disturbed one must come to."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.search.trial import write_cnn
from tests.survival.scene import Scene

HALF = "lissom: 1\nname: half\nsteps:\n- method: quantize.float16\n"
Make = Callable[[], Scene]


def made_in(folder: Path) -> Scene:
    folder.mkdir()
    write_cnn(folder)
    (folder / "half.yaml").write_text(HALF)
    # The smallest file is chosen: which one is the fastest, a moment's timing does not tell.
    options = ("cnn.onnx", "--data", "samples.npz", "--goal", "size", "--recipe", "half.yaml")
    return Scene(folder=folder, options=options)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    scene = made_in(tmp_path_factory.mktemp("survival") / "undisturbed")
    code, told = scene.run()
    assert code == 0, told
    return scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A place of its own where nothing has been done yet."""
    return made_in(tmp_path / "scene")


@pytest.fixture
def finished(undisturbed: Scene, tmp_path: Path) -> Scene:
    """A copy of the place where the undisturbed run has ended."""
    shutil.copytree(undisturbed.folder, tmp_path / "scene", symlinks=True)
    copied = Scene(folder=tmp_path / "scene", options=undisturbed.options)
    copied.log.unlink()
    return copied
