"""From a model file to a report and back, through the command line, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import onnx
import pytest

from lissom.report.schema import json_schema
from tests import tiny
from tests.search.trial import write_cnn

ROOT = Path(__file__).parents[2]
HALF = "lissom: 1\nname: half\nsteps:\n- method: quantize.float16\n"


@dataclass(frozen=True)
class Place:
    """A folder with a model, samples, a recipe and a store."""

    folder: Path
    model: Path
    samples: Path

    def command(self, verb: str, *arguments: object) -> list[str]:
        store = ["--store", str(self.folder / "store")]
        return [sys.executable, "-m", "lissom", verb, *map(str, arguments), *store]

    def run(self, verb: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb, *arguments),
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "120"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("e2e")
    model, samples = write_cnn(folder)
    (folder / "half.yaml").write_text(HALF)
    return Place(folder=folder, model=model, samples=samples)


def test_the_whole_road(place: Place) -> None:
    options = (
        "--data",
        place.samples,
        "--goal",
        "size",
        "--recipe",
        "half.yaml",
        "-o",
        "small.onnx",
    )
    done = place.run("compress", place.model, *options)
    assert done.returncode == 0, done.stderr
    assert "half" in done.stdout
    small, rest = place.folder / "small.onnx", place.folder / "small.lissom"
    document = json.loads((rest / "result.json").read_text())
    jsonschema.validate(document, json_schema())
    assert document["chosen"] == "half"
    assert small.stat().st_size < place.model.stat().st_size
    onnx.checker.check_model(small)
    assert {p.name for p in rest.iterdir()} == {
        "run.json",
        "result.json",
        "report.html",
        "recipe.yaml",
        "samples.json",
        "front",
    }

    again = place.run("compress", place.model, *options, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == document

    measured = place.run("measure", small, "--data", place.samples, "--json")
    assert json.loads(measured.stdout)["quality"]["metric"] == "top1"
    compared = place.run("compare", place.model, small, "--data", place.samples, "--json")
    assert json.loads(compared.stdout)["quality"]["drop"] == 0
    given = ("--against", place.model, "--data", place.samples, "--max-drop", "0.1%", "--json")
    verified = place.run("verify", small, *given)
    assert verified.returncode == 3
    assert json.loads(verified.stdout)["verdict"] == "too few samples"
    applied = place.run("apply", rest / "recipe.yaml", place.model, "-o", "again.onnx",
                        "--data", place.samples)  # fmt: skip
    assert applied.returncode == 0, applied.stderr
    assert (place.folder / "again.onnx").read_bytes() == small.read_bytes()
    inspected = place.run("inspect", small)
    assert "Conv" in inspected.stdout


def test_exit_codes_for_what_cannot_be(place: Place) -> None:
    missed = place.run(
        "compress", place.model, "--recipe", "half.yaml", "--max-size", "1kB", "-o", "missed"
    )
    assert missed.returncode == 3, missed.stderr
    assert "over the limit of 1.00 kB" in " ".join(missed.stdout.split())
    assert (place.folder / "missed" / "front" / "half" / "model.onnx").is_file()
    assert not (place.folder / "missed" / "model.onnx").exists()

    (place.folder / "bad.onnx").write_bytes(b"\x08\x01 not a model")
    for wrong in (
        ("compress", "bad.onnx"),
        ("compress", "absent.onnx"),
        ("compress", place.model, "--data", "absent.npz"),
        ("compress", place.model, "--recipe", "half.yaml", "-o", "missed"),
        ("compress", place.model, "-o", place.model),
    ):
        done = place.run(*wrong)
        assert done.returncode == 2, (wrong, done.stdout, done.stderr)
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("lissom: ")


def test_no_data_and_nothing_is_claimed(place: Place) -> None:
    onnx.save(tiny.mlp(sizes=(16, 256, 4)), place.folder / "mlp.onnx")
    done = place.run("compress", "mlp.onnx", "--goal", "size", "--recipe", "half.yaml", "-o", "no")
    assert done.returncode == 0, done.stderr
    document = json.loads((place.folder / "no" / "result.json").read_text())
    assert document["quality"] is None
    assert document["data"] is None
    assert "Quality was not measured" in document["notes"][0]
    dry = place.run("compress", "mlp.onnx", "--dry-run", "-o", "dry")
    assert dry.returncode == 0
    assert "quantize.dynamic" in dry.stdout
    assert not (place.folder / "dry").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_goes_on_and_repeats_nothing(place: Place, how: signal.Signals) -> None:
    out = place.folder / f"stopped-{how.name}"
    options = ("compress", place.model, "--data", place.samples, "--seed", int(how), "-o", out)
    running = subprocess.Popen(
        place.command(*options[:1], *options[1:]),
        cwd=place.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found = wait_for_a_candidate(out / "result.json", running)
    running.send_signal(how)
    code = running.wait(timeout=60)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL)
    before = json.loads((out / "result.json").read_text())
    assert not before["finished"]
    steps = stamps(place.folder / "store" / "steps")

    done = place.run(*options, "--budget", "1s", "--json")
    assert done.returncode in {0, 3}, done.stderr
    after = json.loads(done.stdout)
    assert after["finished"]
    kept = next(one for one in measured(after) if one["name"] == found["name"])
    for key in ("sha256", "speedup", "memory_bytes", "seconds", "disagreement"):
        assert kept[key] == found[key]
    assert {path: stamp for path, stamp in stamps(place.folder / "store" / "steps").items()
            if path in steps} == steps  # fmt: skip
    assert not list((place.folder / "store" / "scratch").iterdir())
    assert not list(out.rglob(".*"))


def measured(document: dict) -> list[dict]:
    return [one for one in document["front"] + document["others"] if one["name"] != "original"]


def wait_for_a_candidate(path: Path, running: subprocess.Popen[bytes]) -> dict:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and running.poll() is None:
        if path.exists() and (found := measured(json.loads(path.read_text()))):
            return found[0]
        time.sleep(0.05)
    pytest.fail(f"no candidate was written (exit code {running.poll()})")


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}
