"""Candidates as JSON and back: what the store keeps, so that a killed run repeats nothing.

The record names the files that the candidate consists of, so that the store forgets the record
when a file is gone or damaged, and the candidate is made again.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lissom.search.candidate import Candidate, OperatorTime

__all__ = ["from_json", "operator_from_json", "operator_to_json", "to_json"]


def to_json(candidate: Candidate) -> dict[str, Any]:
    """Write a candidate as JSON values."""
    files = (candidate.file, candidate.data_file)
    return {
        "candidate": adapter().dump_python(candidate, mode="json"),
        "files": [ref.to_json() for ref in files if ref is not None],
    }


def from_json(value: Mapping[str, Any]) -> Candidate | None:
    """Read what `to_json` wrote; None if it has another form (an older version wrote it)."""
    try:
        return adapter().validate_python(value["candidate"])
    except (KeyError, ValidationError):
        return None


def operator_to_json(one: OperatorTime) -> dict[str, Any]:
    """Write the time of one type of operator as JSON values."""
    return {
        "op_type": one.op_type,
        "count": one.count,
        "milliseconds": one.milliseconds,
        "share": one.share,
    }


def operator_from_json(value: Mapping[str, Any]) -> OperatorTime:
    """Read what `operator_to_json` wrote."""
    return OperatorTime(
        op_type=value["op_type"],
        count=value["count"],
        milliseconds=value["milliseconds"],
        share=value["share"],
    )


@cache
def adapter() -> TypeAdapter[Candidate]:
    """Answer the reader and writer of candidates, made once since building it is slow."""
    return TypeAdapter(Candidate)
