"""The command line: options become values, answers and errors become lines and exit codes.

The verbs themselves are replaced; `tests/e2e` runs the real ones.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import lissom
from lissom import api, cli
from lissom.errors import ChildFailed, ModelError
from lissom.measure.environment import current
from lissom.search.compose import Found, compose
from lissom.search.limits import Limits
from lissom.search.progress import Event
from tests.report.test_verbs import COMPARED, INSPECTED, MEASURED
from tests.search.made import candidate, original
from tests.search.trial import Trial, trial_in


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> lissom.Result:
    trial: Trial = trial_in(tmp_path_factory.mktemp("cli"))
    found = Found(
        original=original(),
        tried=[candidate("fast", drop=0.005, speed=(2.0, 1.9, 2.1))],
        left_out=[],
        seconds=1.0,
        finished=True,
    )
    return compose(trial.job(), current(), found)


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, result: lissom.Result) -> dict[str, Any]:
    """What `compress` was called with."""
    seen: dict[str, Any] = {}

    def compress(model: Path, samples: Any, **options: Any) -> lissom.Result:
        seen.update(model=model, samples=samples, **options)
        options["progress"](Event(stage="build", candidate="fast", index=1, total=1))
        return result

    monkeypatch.setattr(api, "compress", compress)
    return seen


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
    assert given["target"] == lissom.Target(threads=2, batch=4)
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
    ("raised", "code", "line"),
    [
        (ModelError("net.onnx is\n\tnot a \x1b[31mmodel"), 2, "not a \\x1b[31mmodel"),
        (ChildFailed("it crashed", "crashed"), 2, "it crashed"),
        (KeyboardInterrupt(), 130, "goes on from here"),
    ],
)
def test_errors_are_one_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, line: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(api, "compress", broken)
    done = invoked("compress", "net.onnx")
    assert done.exit_code == code
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert line in done.stderr


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


@pytest.mark.parametrize(
    ("verb", "arguments", "answer", "shown"),
    [
        ("inspect", ("net.onnx",), INSPECTED, "operators of the canonical graph"),
        ("measure", ("net.onnx",), MEASURED, "samples/s"),
        ("compare", ("a.onnx", "b.onnx"), COMPARED, "speed of B"),
    ],
)
def test_the_other_verbs(
    monkeypatch: pytest.MonkeyPatch, verb: str, arguments: tuple[str, ...], answer: Any, shown: str
) -> None:
    answers: Callable[..., Any] = lambda *_, **__: answer  # noqa: E731 - a stand-in
    monkeypatch.setattr(api, verb, answers)
    plain = invoked(verb, *arguments)
    assert plain.exit_code == 0, plain.output
    assert shown in plain.stdout
    assert json.loads(invoked(verb, *arguments, "--json").stdout) == json.loads(
        json.dumps(answer.to_json())
    )


def test_apply_says_what_it_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "apply", lambda *_, out, **__: out)
    done = invoked("apply", "r.yaml", "net.onnx", "-o", "new.onnx")
    assert (done.exit_code, done.stdout) == (0, "new.onnx\n")


def test_the_demo_runs_on_what_is_installed(given: dict[str, Any]) -> None:
    assert invoked("demo", "--store", "st").exit_code == 0
    assert given["model"].is_file()
    assert given["samples"].source.is_file()
    assert given["limits"] == Limits(max_drop=0.01, budget_seconds=100.0)
    assert given["out"] == Path("lissom-demo")


def test_versions() -> None:
    done = invoked("version")
    assert done.stdout.startswith(f"lissom {lissom.__version__}, Python ")
    assert "onnxruntime " in done.stdout


def test_without_a_command_help_is_shown() -> None:
    assert "compress" in invoked("--help").stdout
