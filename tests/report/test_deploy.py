import ast
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lissom.report.deploy import delivered_target, programs
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


def test_both_programs_use_the_measured_settings() -> None:
    python, cpp = programs(target(options={"session.x": "1"}))
    assert (python.language, cpp.language) == ("Python", "C++")
    assert "options.intra_op_num_threads = 3" in python.code
    assert 'options.add_session_config_entry("session.x", "1")' in python.code
    assert "options.SetIntraOpNumThreads(3);" in cpp.code
    assert 'options.AddConfigEntry("session.x", "1");' in cpp.code
    ast.parse(python.code)


def test_the_delivered_file_is_named_where_a_literal_can() -> None:
    assert '"small.onnx"' in programs(target(), "small.onnx")[0].code
    for name in ('a"); import os; ("', "mod\u00e8le.onnx", "a\nb", "", None):
        assert all('"model.onnx"' in program.code for program in programs(target(), name)), name


def test_an_unknown_runtime_gets_no_program() -> None:
    assert programs(target(runtime="abacus")) == []


@given(st.text(), st.text(), st.text())
def test_strangers_words_cannot_leave_their_literal(key: str, value: str, version: str) -> None:
    python, cpp = programs(target(options={key: value}, version=version))
    calls = [node.func for node in ast.walk(ast.parse(python.code)) if isinstance(node, ast.Call)]
    plain = programs(target(options={"a": "b"}))[0].code
    assert len(calls) == sum(isinstance(n, ast.Call) for n in ast.walk(ast.parse(plain)))
    assert (
        len(cpp.code.splitlines())
        == len(programs(target(options={"a": "b"}))[1].code.split("\n")) - 1
    )


def test_the_chosen_models_own_target_counts(full_document: Document) -> None:
    assert delivered_target(full_document) == full_document["front"][0]["target"]
    unknown: Document = {**full_document, "chosen": "nobody"}
    assert delivered_target(unknown) == full_document["target"]
