"""The folder is the registry."""

import subprocess
import sys
from pathlib import Path

import pytest

import lissom.runtime
from lissom.errors import OptionError
from lissom.runtime import registry
from lissom.runtime.target import Target


def test_every_file_is_the_rooms_own_or_a_runtime() -> None:
    files = {path.stem for path in Path(lissom.runtime.__path__[0]).glob("*.py")}
    plain = {name for name in files if not name.startswith("_")}
    assert plain == set(registry.runtimes()) | registry.OWN
    assert "onnxruntime" in registry.runtimes()


@pytest.mark.parametrize("name", ["tvm", "facts", "_onnxruntime_probe", "../x", ""])
def test_others_are_refused_with_the_choice(name: str) -> None:
    with pytest.raises(OptionError, match="choose one of: onnxruntime"):
        registry.load(name)


def test_loading_does_not_import_the_library() -> None:
    code = (
        "import sys; from lissom.runtime import registry; r = registry.load('onnxruntime');"
        "r.version(); r.available(); sys.exit('onnxruntime' in sys.modules)"
    )
    source = str(Path(lissom.runtime.__path__[0]).parents[1])
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": source}, check=False)
    assert done.returncode == 0


def test_a_target_is_stated_in_full() -> None:
    stated = registry.stated(Target(runtime="openvino", options=(("X", "1"),), threads=2))
    assert dict(stated.options)["INFERENCE_PRECISION_HINT"] == "f32"
    assert dict(stated.options)["X"] == "1"
    assert stated.threads == 2
    assert registry.stated(stated) == stated
    mine = Target(options=(("session.intra_op.allow_spinning", "1"),))
    assert registry.stated(mine) == mine
