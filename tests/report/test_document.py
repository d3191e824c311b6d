import json
import math
from typing import Any

import jsonschema
import pytest

from lissom.errors import OutputError
from lissom.measure.load import Load
from lissom.measure.noise import Noise
from lissom.report.document import document, from_json, to_json
from lissom.report.schema import json_schema
from lissom.search.result import Choice, Result
from lissom.store.refs import FileRef


def test_every_outcome_has_the_published_shape(any_result: Result) -> None:
    written = json.loads(to_json(document(any_result)))
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(written)) == []


def test_it_can_be_read_back(any_result: Result) -> None:
    content = document(any_result)
    assert from_json(to_json(content)) == content


def test_every_candidate_is_somewhere_once(make_result: Any) -> None:
    result = make_result()
    content = document(result)
    places = [one["name"] for key in ("front", "others", "failed") for one in content[key]]
    assert sorted(places) == sorted(["original", *(one.name for one in result.candidates)])
    assert content["failed"][0]["reason"].startswith("the runtime refused")
    assert content["not_tried"] == [
        {"name": "int8-static-percentile", "reason": "the time budget of 10m was used up"}
    ]


def test_numbers_are_the_measured_ones(make_result: Any) -> None:
    content = document(make_result())
    chosen = content["front"][0]
    assert chosen["name"] == content["chosen"] == "int8-static-mse"
    assert chosen["path"] == "front/int8-static-mse/model.onnx"
    assert chosen["steps"] == ["quantize.static(ranges=mse, per_channel=True)"]
    assert chosen["speedup"] == 0.744 / 0.223
    assert chosen["drop"] == 0.0006
    assert chosen["drop_kind"] == "expected"
    assert content["original"]["latency_ms"] == 0.744
    assert content["limits"]["max_drop"] == 0.01
    assert content["limits"]["max_latency_ms"] is None
    assert content["quality"] is not None
    assert content["quality"]["count"] == 2950
    lossless = next(one for one in content["front"] if one["name"] == "runtime-fusion")
    assert (lossless["drop"], lossless["drop_kind"]) == (0.0, "lossless")
    assert lossless["inside_noise"]
    assert not chosen["inside_noise"]


def test_only_models_that_are_written_have_a_path(make_result: Any) -> None:
    content = document(make_result())
    assert all(one["path"] is None for one in content["others"])


def test_folders_of_the_machine_stay_private(any_result: Result) -> None:
    content = document(any_result)
    assert content["delivered"] in {"model.onnx", None}
    assert "somebody" not in to_json(content)


def test_nan_and_infinity_become_null(make_result: Any, make_candidate: Any) -> None:
    bad = make_candidate("bad", "quantize.static", 0.5, 0.001, 10, max_relative_error=math.nan)
    choice = Choice(name="bad", met=True, reasons=())
    content = document(make_result(candidates=(bad,), front=("bad",), choice=choice))
    assert content["front"][0]["max_relative_error"] is None
    assert "NaN" not in to_json(content)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 1}', '{"schema": 9}', "\x00", "NaN", "[" * 100_000]
)
def test_damaged_text_is_one_clear_error(text: str) -> None:
    with pytest.raises(OutputError, match=r"result\.json cannot be read"):
        from_json(text)


def test_the_noise_of_the_clock(make_result: Any) -> None:
    assert document(make_result())["noise"] is None
    noise = Noise(
        floor=0.012,
        interval=(0.99, 1.012),
        rounds=60,
        busy=0.2,
        load=Load(others=0.4, waited_seconds=3.0, throttled_seconds=0.5),
    )
    content = document(make_result(noise=noise))
    assert content["noise"] == {
        "floor": 0.012,
        "interval": [0.99, 1.012],
        "rounds": 60,
        "busy": True,
        "busy_share": 0.2,
        "others_share": 0.4,
        "waited_seconds": 3.0,
        "stopped_seconds": 0.5,
    }
    assert from_json(to_json(content)) == content
    older = {key: value for key, value in content.items() if key != "noise"}
    assert "noise" not in from_json(json.dumps(older))


def test_a_model_of_two_files_names_the_second(make_result: Any, make_candidate: Any) -> None:
    two = FileRef(sha256="5e" * 32, suffix=".data", size_bytes=1)
    one = make_candidate("x", "quantize.static", 0.3, 0.001, 1000, data_file=two)
    choice = Choice(name="x", met=True, reasons=())
    content = document(make_result(candidates=(one,), front=("x",), choice=choice))
    assert content["front"][0].get("data_file") == "model.onnx.data"
    assert [one.get("data_file") for one in document(make_result())["front"]] == [None] * 4


def test_keys_that_came_later_may_be_absent(make_result: Any) -> None:
    older: Any = document(make_result())
    del older["noise"], older["limits"]["certified"]
    for one in (*older["front"], *older["others"]):
        for key in ("data_file", "gaps", "integer_macs_share", "ladder"):
            one.pop(key, None)
    assert from_json(to_json(older)) == older
