import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.demo.files import paths
from lissom.report.deploy import data_file, delivered_target, programs, target_words
from lissom.report.schema import Document, TargetEntry


def target(**changes: Any) -> TargetEntry:
    values: Any = {
        "runtime": "onnxruntime",
        "options": {},
        "version": "1.32.0",
        "device": "cpu",
        "threads": 3,
        "batch": 1,
    }
    return {**values, **changes}


RUNTIMES = ("onnxruntime", "openvino")


def test_both_programs_use_the_measured_settings() -> None:
    python, cpp = programs(target(options={"session.x": "1"}))
    assert (python.language, cpp.language) == ("Python", "C++")
    assert "options.intra_op_num_threads = 3" in python.code
    assert 'options.add_session_config_entry("session.x", "1")' in python.code
    assert 'options.add_session_config_entry("session.intra_op.allow_spinning", "0")' in python.code
    assert "options.SetIntraOpNumThreads(3);" in cpp.code
    assert 'options.AddConfigEntry("session.x", "1");' in cpp.code
    ast.parse(python.code)


def test_openvino_gets_its_precision_in_both() -> None:
    options = {"INFERENCE_PRECISION_HINT": "bf16"}
    python, cpp = programs(target(runtime="openvino", options=options))
    assert '"INFERENCE_PRECISION_HINT": "bf16",' in python.code
    assert '"INFERENCE_NUM_THREADS": "3",' in python.code
    assert '{"INFERENCE_PRECISION_HINT", "bf16"},' in cpp.code
    assert '{"INFERENCE_NUM_THREADS", "3"},' in cpp.code
    unsaid, _ = programs(target(runtime="openvino"))
    assert '"INFERENCE_PRECISION_HINT": "f32",' in unsaid.code


def has(runtime: str) -> bool:
    return importlib.util.find_spec(runtime) is not None


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_python_program_runs_as_it_stands(runtime: str, tmp_path: Path) -> None:
    if not has(runtime):
        pytest.skip(f"{runtime} is not installed")
    shutil.copy(paths().model, tmp_path / "small.onnx")
    program, _ = programs(target(runtime=runtime, threads=1), "small.onnx")
    (tmp_path / "run.py").write_text(program.code)
    done = subprocess.run(
        [sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "float32" in done.stdout


@pytest.mark.slow
def test_the_cpp_program_for_openvino_compiles_and_runs(tmp_path: Path) -> None:
    compiler = shutil.which("c++")
    if compiler is None or not has("openvino"):
        pytest.skip("no C++ compiler, or OpenVINO is not installed")
    import openvino

    home = Path(openvino.__file__).parent
    libraries = sorted((home / "libs").glob("libopenvino.so*"))
    if not libraries:
        pytest.skip("this OpenVINO has no library to link with")
    shutil.copy(paths().model, tmp_path / "model.onnx")
    (tmp_path / "run.cpp").write_text(programs(target(runtime="openvino", threads=1))[1].code)
    subprocess.run(
        [compiler, "-std=c++17", "run.cpp", "-I", home / "include", libraries[0], "-o", "run"],
        cwd=tmp_path, check=True, timeout=300,
    )  # fmt: skip
    done = subprocess.run(
        [tmp_path / "run"], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(home / "libs")},
    )  # fmt: skip
    assert "[1,10]" in done.stdout


def test_the_delivered_file_is_named_where_a_literal_can() -> None:
    assert '"small.onnx"' in programs(target(), "small.onnx")[0].code
    for name in ('a"); import os; ("', "mod\u00e8le.onnx", "a\nb", "", None):
        assert all('"model.onnx"' in program.code for program in programs(target(), name)), name


def test_an_unknown_runtime_gets_no_program() -> None:
    assert programs(target(runtime="abacus")) == []


@given(st.sampled_from(RUNTIMES), st.text(), st.text(), st.text())
def test_strangers_words_cannot_leave_their_literal(
    runtime: str, key: str, value: str, version: str
) -> None:
    python, cpp = programs(target(runtime=runtime, options={key: value}, version=version))
    plain, plain_cpp = programs(target(runtime=runtime, options={"a": "b"}))
    shape = [type(node) for node in ast.walk(ast.parse(python.code))]
    assert shape == [type(node) for node in ast.walk(ast.parse(plain.code))]
    assert len(cpp.code.splitlines()) == len(plain_cpp.code.splitlines())


def test_a_value_is_never_searched_for_another() -> None:
    python, _ = programs(target(options={"@threads@": "@model@"}))
    assert 'add_session_config_entry("@threads@", "@model@")' in python.code


def test_the_chosen_models_own_target_counts(full_document: Document) -> None:
    assert delivered_target(full_document) == full_document["front"][0]["target"]
    unknown: Document = {**full_document, "chosen": "nobody"}
    assert delivered_target(unknown) == full_document["target"]


def test_a_target_in_words() -> None:
    assert target_words(target()) == "onnxruntime, 3 threads"
    given = target(runtime="openvino", threads=1, options={"B": "2", "A": "1"})
    assert target_words(given) == "openvino, 1 thread, A=1, B=2"


def test_what_is_as_always_is_said_where_it_is_asked_for() -> None:
    options = {"INFERENCE_PRECISION_HINT": "f32", "CPU_DENORMALS_OPTIMIZATION": "YES"}
    given = target(runtime="openvino", threads=1, options=options)
    assert target_words(given) == "openvino, 1 thread, CPU_DENORMALS_OPTIMIZATION=YES"
    assert "INFERENCE_PRECISION_HINT=f32" in target_words(given, whole=True)
    assert target_words(target(runtime="abacus", options={"a": "b"})) == "abacus, 3 threads, a=b"


def test_a_second_file_is_known(full_document: Document) -> None:
    assert data_file(full_document) is None
    full_document["front"][0]["data_file"] = "model.onnx.data"
    assert data_file(full_document) == "model.onnx.data"
    del full_document["front"][0]["data_file"]
    assert data_file(full_document) is None
