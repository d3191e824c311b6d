"""Candidates survive the way through JSON whole."""

import json

from lissom.methods.protocol import Skip
from lissom.runtime.target import Target
from lissom.search import record
from lissom.search.candidate import Candidate, OperatorTime, StepRecord
from lissom.store.refs import FileRef
from tests.search.made import quality, timing
from tests.search.trial import recipe


def whole() -> Candidate:
    return Candidate(
        name="static",
        title="8-bit integers",
        recipe=recipe("static", "quantize.static", ranges="mse"),
        target=Target(threads=2, options=(("session.disable_prepacking", "1"),)),
        steps=(
            StepRecord(
                method="quantize.static",
                parameters={"ranges": "mse", "percentile": 99.99},
                edits={"EncodeWeight": 3},
                summary="3 of 4",
                skips=(Skip(target="fc", reason="excluded"),),
            ),
        ),
        file=FileRef(sha256="a" * 64, suffix=".onnx", size_bytes=10),
        data_file=FileRef(sha256="b" * 64, suffix=".data", size_bytes=20),
        sha256="a" * 64,
        max_relative_error=None,
        quality=quality(0.003),
        timing=timing(2.0),
        size_bytes=30,
        memory_bytes=40,
        macs=50,
        parameters=60,
        operators=(OperatorTime(op_type="Conv", count=1, milliseconds=0.1, share=1.0),),
        remarks=("slow",),
        seconds=1.5,
    )


def test_round_trip() -> None:
    written = json.loads(json.dumps(record.to_json(whole())))
    assert record.from_json(written) == whole()


def test_the_store_learns_which_files_it_needs() -> None:
    assert [ref["object"] for ref in record.to_json(whole())["files"]] == ["a" * 64, "b" * 64]


def test_another_form_counts_as_absent() -> None:
    assert record.from_json({}) is None
    assert record.from_json({"candidate": {"name": "x"}}) is None


def test_operators_round_trip() -> None:
    one = OperatorTime(op_type="Conv", count=2, milliseconds=0.5, share=0.25)
    assert record.operator_from_json(record.operator_to_json(one)) == one
