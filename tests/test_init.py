"""`import lissom` is quick and light, and its names are where they say."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lissom

HEAVY = {"onnx", "onnx_ir", "onnxruntime", "onnxscript", "scipy", "torch", "numpy"}
ROOT = Path(__file__).parents[1]


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_loads_nothing_heavy() -> None:
    loaded = set(run("import sys, lissom; print(*{n.split('.')[0] for n in sys.modules})").split())
    assert "lissom" in loaded
    assert not loaded & HEAVY


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['lissom', '--help']\nfrom lissom.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n"
        "    print('LOADED', *{n.split('.')[0] for n in sys.modules})"
    )
    loaded = set(run(code).rpartition("LOADED")[2].split())
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_every_public_name_exists_and_is_documented() -> None:
    for name in lissom.__all__:
        value = getattr(lissom, name)
        assert value is not None
        assert name == "__version__" or value.__doc__, name
    assert set(lissom.__all__) <= set(dir(lissom))


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="prune_everything"):
        _ = lissom.prune_everything  # type: ignore[attr-defined]


def test_measure_is_a_verb_whoever_imported_the_room_first() -> None:
    for first in ("", "import lissom.measure.judge\n", "from lissom.measure import samples\n"):
        code = f"{first}import lissom\nprint(callable(lissom.measure))\n"
        code += "from lissom.measure import judge\nprint(judge.Judge.__name__)"
        assert run(code).split() == ["True", "Judge"]


def test_the_version_is_the_distribution_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert lissom.__version__ == project["version"]
