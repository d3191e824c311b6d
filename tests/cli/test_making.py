"""The commands that make models: every option arrives, answers come out where they belong."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import lissom
from lissom import api
from lissom.search.applied import Applied
from lissom.search.limits import Limits
from lissom.search.places import Places
from lissom.search.progress import Event, Progress
from tests.cli.command import invoked


def test_every_option_reaches_compress(given: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("lissom: 1\nname: mine\nsteps: [{method: quantize.float16}]\n")
    done = invoked(
        *("compress", "net.onnx", "--data", "s.npz", "--labels", "y.npy", "--metric", "top5"),
        *("--original-quality", "0.93", "--goal", "size", "--max-drop", "2%"),
        *("--max-latency", "5ms", "--max-size", "2MB", "--max-memory", "50MB"),
        *("--target", "onnxruntime", "--threads", "2", "--batch", "4", "--budget", "10m"),
        *("--include", "Conv", "--include", "/head/*", "--exclude", "fc"),
        *("--recipe", str(tmp_path / "r.yaml"), "--seed", "7", "--store", "st", "-o", "out"),
    )
    assert done.exit_code == 0, done.output
    assert given["model"] == Path("net.onnx")
    assert given["samples"] == lissom.Data(source=Path("s.npz"), labels=Path("y.npy"))
    assert given["judge"] == lissom.Judge(metric="top5", original_quality=0.93)
    assert given["limits"] == Limits(
        goal="size",
        max_drop=0.02,
        max_latency_ms=5.0,
        max_size_bytes=2_000_000,
        max_memory_bytes=50_000_000,
        budget_seconds=600.0,
    )
    assert given["target"] == Places(first=lissom.Target(threads=2, batch=4))
    settings = given["settings"]
    assert settings.scope.include == ("Conv", "/head/*")
    assert settings.scope.exclude == ("fc",)
    assert settings.recipe.name == "mine"
    assert (settings.seed, settings.store, settings.dry_run) == (7, Path("st"), False)
    assert given["out"] == Path("out")


def test_defaults(given: dict[str, Any]) -> None:
    assert invoked("compress", "some/net.onnx").exit_code == 0
    assert given["samples"] is None
    assert given["limits"] == Limits()
    assert given["out"] == Path("net-lissom")
    assert given["settings"] == lissom.Settings()


def test_the_table_goes_to_output_and_progress_to_error(given: dict[str, Any]) -> None:
    done = invoked("compress", "net.onnx")
    assert "fast" in done.stdout
    assert "[1/1] fast: build" in done.stderr
    assert "[1/1]" not in done.stdout


def test_json_is_the_document_and_nothing_else(given: dict[str, Any]) -> None:
    done = invoked("compress", "net.onnx", "--json")
    assert json.loads(done.stdout)["chosen"] == "fast"


def test_limits_that_cannot_be_met_give_3(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, result: lissom.Result
) -> None:
    missed = replace(result, choice=replace(result.choice, name="original", met=False))
    monkeypatch.setattr(api, "compress", lambda *_, **__: missed)
    assert invoked("compress", "net.onnx").exit_code == 3


@pytest.mark.parametrize(
    "wrong",
    [
        ("compress", "net.onnx", "--max-drop", "1"),
        ("compress", "net.onnx", "--goal", "fame"),
        ("compress", "net.onnx", "--budget", "10"),
        ("compress", "net.onnx", "--labels", "y.npy"),
        ("compress", "net.onnx", "--recipe", "absent.yaml"),
        ("compress", "net.onnx", "--threads", "0"),
        ("compress", "net.onnx", "--unknown"),
        ("compress", "net.onnx", "--data", "s.npz", "--metric", "fame"),
        ("compress",),
        ("fly",),
    ],
)
def test_bad_input_gives_2(given: dict[str, Any], wrong: tuple[str, ...]) -> None:
    done = invoked(*wrong)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert not given


def test_apply_says_what_it_did_and_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(*_: Any, out: Path, progress: Progress, **__: Any) -> Applied:
        progress(Event(stage="build", candidate="quantize.gptq", index=1, total=1))
        return Applied(
            path=out, steps=(), original_bytes=4000, size_bytes=1000, samples=0, seconds=1.0
        )

    monkeypatch.setattr(api, "apply", apply)
    asked = ("apply", "r.yaml", "net.onnx", "-o", "new.onnx")
    done = invoked(*asked)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].startswith("new.onnx: 4.00 kB before, 1.00 kB now")
    assert "[1/1] quantize.gptq" in done.stderr
    assert json.loads(invoked(*asked, "--json").stdout)["size_bytes"] == 1000


def test_apply_with_the_model_first_is_told_the_order(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x08\x0a" * (1 << 17))
    recipe = tmp_path / "r.yaml"
    recipe.write_text("lissom: 1\nsteps: []\n")
    done = invoked("apply", str(tmp_path / "net.onnx"), str(recipe), "-o", str(tmp_path / "new"))
    assert done.exit_code == 2
    assert "net.onnx is a model and no recipe" in done.stderr
    assert "takes the recipe first, then the model" in done.stderr


def test_the_demo_runs_on_what_is_installed(given: dict[str, Any]) -> None:
    assert invoked("demo", "--store", "st").exit_code == 0
    assert given["model"].is_file()
    assert given["samples"].source.is_file()
    assert given["limits"] == Limits(max_drop=0.01, budget_seconds=100.0)
    assert given["out"] == Path("lissom-demo")
