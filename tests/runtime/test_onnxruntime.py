"""ONNX Runtime: sessions, errors in its own words, options, profiles, offline fusions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest

from lissom.errors import MeasurementError, OptionError
from lissom.runtime import onnxruntime as module
from lissom.runtime.onnxruntime import OPTIONS, Runtime
from lissom.runtime.target import Target
from tests import tiny


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "cnn.onnx"
    onnx.save(tiny.cnn(), target)
    return target


@pytest.fixture
def feeds() -> dict[str, np.ndarray]:
    return tiny.feeds(tiny.cnn())


def test_run_answers_by_name(path: Path, feeds: dict[str, np.ndarray]) -> None:
    with Runtime().open(path, Target()) as session:
        assert [port.name for port in session.inputs] == ["image"]
        assert session.inputs[0].dtype == "float32"
        assert session.inputs[0].shape[1:] == (3, 8, 8)
        assert [port.name for port in session.outputs] == ["logits"]
        found = session.run(feeds)
        assert found["logits"].shape == (2, 5)
        assert set(session.run(feeds, ["logits"])) == {"logits"}
        again = session.run(feeds)
    np.testing.assert_array_equal(found["logits"], again["logits"])


def test_a_large_model_that_nobody_times_stays_in_its_file(
    tmp_path: Path, feeds: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the runtime packs no copy; a small model, or one that is timed, is packed as ever."""
    path, packing = tmp_path / "cnn.onnx", []
    onnx.save(tiny.cnn(), path, save_as_external_data=True, size_threshold=0)
    options = module._session_options

    def seen(library: ModuleType, target: Target) -> object:
        packing.append(dict(target.options).get("session.disable_prepacking", "0"))
        return options(library, target)

    monkeypatch.setattr(module, "_session_options", seen)
    answers = []
    for most, lean in ((0, True), (0, False), (1 << 30, True)):
        monkeypatch.setattr(module, "_LEAN_BYTES", most)
        with Runtime().open(path, Target(), lean=lean) as session:
            answers.append(session.run(feeds)["logits"])
    assert packing == ["1", "0", "0"]
    for one in answers[1:]:
        np.testing.assert_allclose(one, answers[0], rtol=1e-5)


def test_threads_do_not_change_the_answer(path: Path, feeds: dict[str, np.ndarray]) -> None:
    answers = []
    for threads in (1, 2):
        with Runtime().open(path, Target(threads=threads)) as session:
            answers.append(session.run(feeds)["logits"])
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5)


def test_times_are_one_a_run(path: Path, feeds: dict[str, np.ndarray]) -> None:
    with Runtime().open(path, Target()) as session:
        seconds = session.time(feeds, 7)
    assert len(seconds) == 7
    assert min(seconds) > 0


def test_what_cannot_be_loaded_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(MeasurementError, match=r"cannot load broken\.onnx: ") as caught:
        Runtime().open(broken, Target())
    assert "\n" not in str(caught.value)
    with pytest.raises(MeasurementError, match=r"cannot load absent\.onnx"):
        Runtime().open(tmp_path / "absent.onnx", Target())


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"other": np.zeros((2, 3, 8, 8), np.float32)},
        {"image": np.zeros((2, 3, 8, 8), np.float64)},
        {"image": np.zeros((2, 4, 8, 8), np.float32)},
    ],
)
def test_wrong_feeds_say_so(path: Path, wrong: dict[str, np.ndarray]) -> None:
    with (
        Runtime().open(path, Target()) as session,
        pytest.raises(MeasurementError, match="failed in a run"),
    ):
        session.run(wrong)
    with (
        Runtime().open(path, Target()) as session,
        pytest.raises(MeasurementError, match="failed in a run"),
    ):
        session.time(wrong, 1)


def test_options_are_checked(path: Path) -> None:
    with pytest.raises(OptionError, match=r"no option 'session\.nonsense'"):
        Runtime().open(path, Target(options=(("session.nonsense", "1"),)))
    with pytest.raises(OptionError, match="must be one of 0, 1"):
        Runtime().open(path, Target(options=(("session.set_denormal_as_zero", "yes"),)))


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_every_option_is_taken_by_the_library(
    path: Path, feeds: dict[str, np.ndarray], name: str
) -> None:
    allowed = OPTIONS[name]
    value = allowed[-1] if allowed is not None else "SkipLayerNormFusion"
    with Runtime().open(path, Target(options=((name, value),))) as session:
        assert np.isfinite(session.run(feeds)["logits"]).all()


def test_a_profile_tells_what_ran(path: Path, feeds: dict[str, np.ndarray], tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    with Runtime().open(path, Target(), profile=profile) as session:
        session.time(feeds, 3)
    nodes = Runtime().node_times(profile)
    assert {node["run"] for node in nodes} == {0, 1, 2}
    assert any("Conv" in node["op_type"] for node in nodes)
    assert all(node["seconds"] >= 0 for node in nodes)
    profile.write_text("{")
    with pytest.raises(MeasurementError, match="cannot be read"):
        Runtime().node_times(profile)


def event(name: str, op_type: str, start: int, duration: int) -> dict[str, object]:
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "ts": start,
        "dur": duration,
        "args": {"op_name": op_type},
    }


def test_a_body_is_counted_once(tmp_path: Path) -> None:
    events = [
        {"cat": "Session", "name": "model_run", "ts": 0, "dur": 50},
        event("in", "Add", 11, 4),
        event("deep", "If", 16, 10),
        event("deepest", "Mul", 17, 6),
        event("choice", "If", 10, 20),
        event("after", "Add", 30, 5),
        {"cat": "Session", "name": "model_run", "ts": 60, "dur": 50},
        event("after", "Add", 70, 7),
    ]
    path = tmp_path / "p.json"
    path.write_text(json.dumps(events))
    found = [
        (node["run"], node["node"], round(node["seconds"] * 1e6))
        for node in Runtime().node_times(path)
    ]
    assert found == [
        (0, "choice", 6),
        (0, "in", 4),
        (0, "deep", 4),
        (0, "deepest", 6),
        (0, "after", 5),
        (1, "after", 7),
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tensor(float)", "float32"),
        ("tensor(double)", "float64"),
        ("tensor(float16)", "float16"),
        ("tensor(int64)", "int64"),
        ("tensor(string)", "string"),
        ("seq(tensor(float))", "sequence(float32)"),
        ("optional(tensor(int32))", "optional(int32)"),
    ],
)
def test_types_are_numpys(text: str, name: str) -> None:
    assert module._type_name(text) == name


def gelu_model() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((8, 8)).astype(np.float32),
        "bias": rng.standard_normal(8).astype(np.float32),
        "root": np.float32(2**0.5),
        "one": np.float32(1),
        "half": np.float32(0.5),
    }
    steps = [
        ("MatMul", ["x", "w"], "m"),
        ("Add", ["m", "bias"], "a"),
        ("Div", ["a", "root"], "d"),
        ("Erf", ["d"], "e"),
        ("Add", ["e", "one"], "f"),
        ("Mul", ["a", "f"], "g"),
        ("Mul", ["g", "half"], "y"),
    ]
    nodes = [onnx.helper.make_node(op, inputs, [out], name=out) for op, inputs, out in steps]
    shape = ["batch", 4, 8]
    return tiny.model(nodes, {"x": ("float32", shape)}, {"y": ("float32", shape)}, weights)


def test_offline_fusions_are_named_and_keep_the_function(tmp_path: Path) -> None:
    source, out = tmp_path / "in.onnx", tmp_path / "out.onnx"
    onnx.save(gelu_model(), source)
    before = source.read_bytes()
    assert Runtime().optimize(source, out, Target()) == ("BiasGelu x1",)
    assert source.read_bytes() == before
    feeds = {"x": np.random.default_rng(1).standard_normal((2, 4, 8)).astype(np.float32)}
    answers = []
    for path in (source, out):
        with Runtime().open(path, Target()) as session:
            answers.append(session.run(feeds)["y"])
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5, atol=1e-5)


def test_where_nothing_is_fused_nothing_is_written(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    assert Runtime().optimize(path, out, Target()) == ()
    assert not out.exists()


def test_nothing_is_told_to_anybody(path: Path, tmp_path: Path) -> None:
    """The library keeps an identity and a queue for its reports on disk, where it makes any."""
    folders = {name: tmp_path / name for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME")}
    for folder in folders.values():
        folder.mkdir()
    code = (
        "import sys; from pathlib import Path; from lissom.runtime.onnxruntime import Runtime; "
        "from lissom.runtime.target import Target; Runtime().open(Path(sys.argv[1]), Target())"
    )
    kept = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    kept |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    kept |= {name: str(folder) for name, folder in folders.items()}
    subprocess.run([sys.executable, "-c", code, str(path)], env=kept, check=True)
    assert not [file for folder in folders.values() for file in folder.rglob("*")]
