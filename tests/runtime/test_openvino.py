"""OpenVINO: sessions, its silences made loud, errors with names, options, profiles, measuring."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import helper

from lissom.errors import MeasurementError, MissingExtra, OptionError
from lissom.graph import probe_models
from lissom.measure import latency, memory, profile
from lissom.runtime import onnxruntime
from lissom.runtime import openvino as module
from lissom.runtime.openvino import DEFAULTS, OPTIONS, Runtime
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny

TARGET = Target(runtime="openvino")
needed = pytest.mark.skipif(
    not Runtime().available(), reason='OpenVINO is not installed: pip install "lissom[openvino]"'
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return saved(tiny.cnn(), tmp_path / "cnn.onnx")


@pytest.fixture
def feeds() -> dict[str, np.ndarray]:
    return tiny.feeds(tiny.cnn())


def saved(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, path)
    return path


def one_node(
    op_type: str, dtype: str, *, domain: str = "", outputs: tuple[str, ...] = ("y",)
) -> onnx.ModelProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype)) if dtype != "string" else 8
    graph = helper.make_graph(
        [helper.make_node(op_type, ["x"], outputs, name="n", domain=domain)],
        "one",
        [helper.make_tensor_value_info("x", kind, ["n", 3])],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def agreement(model: onnx.ModelProto, path: Path, target: Target = TARGET) -> float:
    """The largest difference from ONNX Runtime's answers, relative to the largest answer."""
    saved(model, path)
    given = tiny.feeds(model)
    with onnxruntime.Runtime().open(path, Target()) as one, Runtime().open(path, target) as other:
        wanted, found = one.run(given), other.run(given)
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
    return max(float(np.abs(found[n] - a).max() / np.abs(a).max()) for n, a in wanted.items())


@needed
@pytest.mark.parametrize("name", ["cnn", "mlp", "transformer", "recurrent", "branchy"])
def test_it_answers_as_onnx_runtime_does(tmp_path: Path, name: str) -> None:
    assert agreement(getattr(tiny, name)(), tmp_path / "m.onnx") < 1e-5


@needed
def test_the_precision_is_ours(path: Path) -> None:
    assert DEFAULTS["INFERENCE_PRECISION_HINT"] == "f32"
    narrow = Target(runtime="openvino", options=(("INFERENCE_PRECISION_HINT", "bf16"),))
    assert agreement(tiny.cnn(), path, narrow) < 0.1
    with Runtime().open(path, TARGET) as session:
        assert (
            session._request.get_compiled_model().get_property("INFERENCE_PRECISION_HINT")
            == session._request.get_compiled_model().inputs[0].element_type
        )


@needed
def test_ports_keep_names_types_and_shapes(path: Path, tmp_path: Path) -> None:
    with Runtime().open(path, TARGET) as session:
        assert [port.name for port in session.inputs] == ["image"]
        assert session.inputs[0].dtype == "float32"
        assert session.inputs[0].shape == (None, 3, 8, 8)
        assert [port.name for port in session.outputs] == ["logits"]
    with Runtime().open(saved(tiny.branchy(), tmp_path / "b.onnx"), TARGET) as session:
        assert {port.name: port.dtype for port in session.inputs} == {
            "x": "float32",
            "flag": "bool",
        }


@needed
def test_outputs_are_told_apart_though_they_are_one_value(tmp_path: Path) -> None:
    model = one_node("Relu", "float32")
    for name, source in (("z", "y"), ("same", "x")):
        model.graph.node.append(helper.make_node("Identity", [source], [name]))
        model.graph.output.append(helper.make_tensor_value_info(name, 1, None))
    x = np.asarray([[-1, 2, 3]], np.float32)
    with Runtime().open(saved(model, tmp_path / "m.onnx"), TARGET) as session:
        found = session.run({"x": x})
        assert set(session.run({"x": x}, ["same"])) == {"same"}
        with pytest.raises(MeasurementError, match="no output 'absent'"):
            session.run({"x": x}, ["absent"])
    assert list(found) == ["y", "z", "same"]
    np.testing.assert_array_equal(found["z"], [[0, 2, 3]])
    np.testing.assert_array_equal(found["same"], x)


@needed
def test_length_may_vary_from_run_to_run_and_answers_stay(path: Path) -> None:
    rng = np.random.default_rng(0)
    with Runtime().open(path, TARGET) as session:
        images = [rng.standard_normal((n, 3, 8, 8)).astype(np.float32) for n in (1, 5, 2)]
        found = [session.run({"image": image})["logits"] for image in images]
        assert [len(one) for one in found] == [1, 5, 2]
        first = found[0].copy()
        session.time({"image": images[1]}, 2)
        np.testing.assert_array_equal(found[0], first)


@needed
def test_inputs_that_numpy_would_not_share_are_taken(path: Path) -> None:
    frozen = np.ones((1, 3, 8, 8), np.float32)
    frozen.flags.writeable = False
    strided = np.ones((1, 3, 8, 16), np.float32)[..., ::2]
    with Runtime().open(path, TARGET) as session:
        one, other = session.run({"image": frozen}), session.run({"image": strided})
    np.testing.assert_array_equal(one["logits"], other["logits"])


@needed
def test_times_are_one_a_run(path: Path, feeds: dict[str, np.ndarray]) -> None:
    with Runtime().open(path, TARGET) as session:
        seconds = session.time(feeds, 7)
    assert len(seconds) == 7
    assert min(seconds) > 0


@needed
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "'image'"),
        ({"image": np.zeros((2, 3, 8, 8), np.float32), "x": np.zeros(1)}, "'x'"),
        ({"image": np.zeros((2, 3, 8, 8))}, "'image' is float64, and the model takes float32"),
        ({"image": np.zeros((2, 4, 8, 8), np.float32)}, "incompatible"),
    ],
)
def test_wrong_feeds_say_so(path: Path, wrong: dict[str, np.ndarray], said: str) -> None:
    for call in ("run", "time"):
        with (
            Runtime().open(path, TARGET) as session,
            pytest.raises(MeasurementError, match="failed in a run") as caught,
        ):
            session.run(wrong) if call == "run" else session.time(wrong, 1)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


@needed
def test_what_cannot_be_loaded_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    for name in ("broken.onnx", "absent.onnx"):
        with pytest.raises(MeasurementError, match=f"cannot load {name}: ") as caught:
            Runtime().open(tmp_path / name, TARGET)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


@needed
def test_an_operator_that_it_lacks_is_named(tmp_path: Path) -> None:
    model = one_node("FusedGelu", "float32", domain="com.microsoft")
    with pytest.raises(MeasurementError, match=r"it has no operator com\.microsoft\.FusedGelu$"):
        Runtime().open(saved(model, tmp_path / "m.onnx"), TARGET)


@needed
def test_its_silences_are_loud(tmp_path: Path) -> None:
    text = saved(one_node("Identity", "string"), tmp_path / "text.onnx")
    with pytest.raises(MeasurementError, match="'x' is of type string"):
        Runtime().open(text, TARGET)
    whole = saved(one_node("Neg", "int64"), tmp_path / "whole.onnx")
    with Runtime().open(whole, TARGET) as session:
        np.testing.assert_array_equal(
            session.run({"x": np.asarray([[1, 2, 3]])})["y"], [[-1, -2, -3]]
        )
        with pytest.raises(MeasurementError, match="'x' holds integers over 32 bits"):
            session.run({"x": np.asarray([[1, 2, 2**40]])})


@needed
@pytest.mark.parametrize(("name", "value"), [(n, v) for n in OPTIONS for v in OPTIONS[n]])
def test_every_option_is_taken_by_the_library(
    path: Path, feeds: dict[str, np.ndarray], name: str, value: str
) -> None:
    target = Target(runtime="openvino", options=((name, value),), threads=2)
    with Runtime().open(path, target) as session:
        assert np.isfinite(session.run(feeds)["logits"]).all()


def test_options_are_checked_before_the_library_is_asked(tmp_path: Path) -> None:
    for options, said in (
        ((("NONSENSE", "1"),), "no option 'NONSENSE'"),
        ((("INFERENCE_PRECISION_HINT", "f64"),), "must be one of f32, bf16, f16"),
    ):
        with pytest.raises(OptionError, match=said):
            Runtime().open(tmp_path / "m.onnx", Target(runtime="openvino", options=options))


def test_without_the_library_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r'pip install "lissom\[openvino\]"'):
        Runtime().open(Path("m.onnx"), TARGET)


@needed
def test_a_profile_names_precisions(tmp_path: Path) -> None:
    path, told = tmp_path / "m.onnx", tmp_path / "profile.json"
    path.write_bytes(probe_models.integer_product((1, 64, 8, 8), (64, 64, 3, 3), "uint8"))
    with Runtime().open(path, TARGET, profile=told) as session:
        session.time({"x": np.zeros((1, 64, 8, 8), np.float32)}, 3)
    nodes = Runtime().node_times(told)
    assert {node["run"] for node in nodes} == {0, 1, 2}
    assert "Convolution u8" in {node["op_type"] for node in nodes}
    assert all(node["seconds"] >= 0 for node in nodes)
    told.write_text("{")
    with pytest.raises(MeasurementError, match="cannot be read"):
        Runtime().node_times(told)
    told.write_text(json.dumps([[["n"]]]))
    with pytest.raises(MeasurementError, match="cannot be read"):
        Runtime().node_times(told)


def test_nothing_is_fused_offline(tmp_path: Path) -> None:
    assert Runtime().optimize(tmp_path / "a", tmp_path / "b", TARGET) == ()
    assert not (tmp_path / "b").exists()


@needed
def test_it_is_measured_as_any_runtime(
    path: Path, feeds: dict[str, np.ndarray], tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    timing = latency.compare_latency(path, path, feeds, Target(), TARGET, seconds=0.2, store=store)
    assert timing.speedup > 0
    assert timing.candidate.runs > 0
    assert memory.peak_memory(path, feeds, TARGET, store) >= 0
    nodes = profile.operator_times(path, feeds, TARGET, store)
    assert sum(node.share for node in nodes) == pytest.approx(1.0)
    assert any(node.op_type == "Convolution f32" for node in nodes)


@needed
def test_nothing_is_told_to_anyone(path: Path, tmp_path: Path) -> None:
    """Imported by itself OpenVINO reports home, and keeps an identifier in the user's folder."""
    code = (
        "import sys; from pathlib import Path; from lissom.runtime.openvino import Runtime;"
        "from lissom.runtime.target import Target;"
        f"Runtime().open(Path({str(path)!r}), Target(runtime='openvino'));"
        "sys.exit(any(name.startswith('openvino_telemetry') for name in sys.modules))"
    )
    source = str(Path(module.__file__).parents[2])
    home = tmp_path / "home"
    home.mkdir()
    given = {**os.environ, "PYTHONPATH": source, "HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code], env=given, check=False)
    assert done.returncode == 0
    assert list(home.iterdir()) == []


@needed
def test_whoever_had_imported_its_telemetry_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = ModuleType("openvino_telemetry")
    monkeypatch.setitem(sys.modules, "openvino_telemetry", mark)
    assert module._library().__name__ == "openvino"
    assert sys.modules["openvino_telemetry"] is mark
