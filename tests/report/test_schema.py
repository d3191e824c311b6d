import json
import os
from pathlib import Path
from typing import Any

import jsonschema

from lissom.report.schema import document_adapter, json_schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "result.schema.json"


def test_the_published_schema_is_this_one() -> None:
    text = json.dumps(json_schema(), indent=2) + "\n"
    if os.environ.get("LISSOM_REWRITE"):  # after a change that is meant
        PUBLISHED.write_text(text, encoding="utf-8")
    assert PUBLISHED.read_text(encoding="utf-8") == text


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_keys_of_the_design_are_there() -> None:
    whole = json_schema()
    entry, original = whole["$defs"]["FrontEntry"], whole["$defs"]["OriginalEntry"]
    top = {"schema", "original", "target", "goal", "limits", "front", "chosen", "seconds"}
    assert top <= set(whole["required"])
    assert {"quality", "latency_ms", "size_bytes", "macs", "params"} <= set(original["required"])
    named = {
        "name", "path", "steps", "target", "quality", "drop", "drop_kind", "drop_interval",
        "disagreement", "latency_ms", "latency_p90_ms", "speedup", "speedup_interval",
        "predicted_speedup", "size_bytes", "memory_bytes", "energy_mj", "macs", "params",
        "certificates",
    }  # fmt: skip
    assert named <= set(entry["required"])


def test_wrong_documents_are_refused(full_document: Any) -> None:
    check = jsonschema.Draft202012Validator(json_schema())
    assert check.is_valid(full_document)
    for key, value in (("schema", 2), ("goal", "fame"), ("chosen", None), ("front", {})):
        assert not check.is_valid({**full_document, key: value}), key


def test_the_validator_is_made_once() -> None:
    assert document_adapter() is document_adapter()
