"""The run that a model comes from: what it said of it, read from the result beside the file.

The result is data from a stranger: of a bounded size, of the published shape, and believed only
where it names the very bytes of the model. Nothing that it names is run.
"""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import Field, TypeAdapter, ValidationError

# The standard library's TypedDict carries too little for pydantic before Python 3.12.
from typing_extensions import TypedDict

from lissom.errors import OutputError
from lissom.measure.judge import METRICS
from lissom.runtime.target import Target
from lissom.search.limits import Goal, Limits
from lissom.store.small import read_small

__all__ = ["Origin", "origin_of"]

RESULT: Final = "result.json"
RUN: Final = "run.json"
MOST_BYTES: Final = 64 << 20

Number = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The run that made a model, and what it said of it.

    Attributes:
        folder: where its result lies.
        name: of the candidate.
        original_sha256: of the model that it was made from.
        target: where the model is meant to run.
        reference: where the original was measured.
        goal: of the run.
        limits: of the run.
        drop: estimated on its selection part; None if it was not measured.
        speedup: against the original; None if it was not measured.
        fingerprint: of its samples; None without.
        metric: by which quality was told, None if it was inferred; never a function.
        original_quality: what the original was said to reach.
    """

    folder: Path
    name: str
    original_sha256: str
    target: Target
    reference: Target
    goal: Goal
    limits: Limits
    drop: float | None
    speedup: float | None
    fingerprint: str | None
    metric: str | None
    original_quality: float | None


class _Place(TypedDict):
    runtime: str
    options: dict[str, str]
    threads: Annotated[int, Field(ge=1, le=1024)]
    batch: Annotated[int, Field(ge=1, le=1024)]


class _Entry(TypedDict):
    name: str
    sha256: str
    target: _Place
    drop: Number | None
    speedup: Number | None


class _Original(TypedDict):
    sha256: str


class _Limits(TypedDict):
    max_drop: Number | None
    max_latency_ms: Number | None
    max_size_bytes: int | None
    max_memory_bytes: int | None
    certified: NotRequired[bool]


class _Data(TypedDict):
    fingerprint: str


class _Result(TypedDict):
    schema: Literal[1]
    original: _Original
    target: _Place
    goal: Goal
    limits: _Limits
    data: _Data | None
    chosen: str
    front: list[_Entry]
    others: list[_Entry]


class _Run(TypedDict):
    identity: dict[str, Any]


def origin_of(model: Path, sha256: str) -> Origin | None:
    """Answer what the run that made a model said of it; None if no result beside it names it.

    Args:
        model: the file: `OUT/model.onnx`, `OUT/front/<name>/model.onnx`, or `small.onnx` with its
            `small.lissom` beside it.
        sha256: of the file.

    Raises:
        OutputError: a result lies there and cannot be read.
    """
    model = model.absolute()
    places = [model.parent, model.with_suffix(".lissom")]
    if model.parent.parent.name == "front":
        places.append(model.parents[2])
    for folder in places:
        if not os.path.lexists(folder / RESULT) or is_foreign(folder / RESULT):
            continue
        found = read(folder / RESULT, results())
        # one file may be several candidates, which run in different places
        name = model.parent.name if folder in places[2:] else found["chosen"]
        entries = [*found["front"], *found["others"]]
        for entry in sorted(entries, key=lambda one: one["name"] != name):
            if entry["sha256"] == sha256:
                return of_entry(folder, found, entry)
    return None


def is_foreign(path: Path) -> bool:
    """Tell whether a file of this name is another program's: an object that names no schema."""
    try:
        content = json.loads(read_small(path, most_bytes=MOST_BYTES, follow=False))
    except (OSError, ValueError, RecursionError):
        return False  # whatever it is, `read` says what is wrong with it
    return isinstance(content, dict) and "schema" not in content


def of_entry(folder: Path, found: _Result, entry: _Entry) -> Origin:
    """Put together what is known of one candidate."""
    limits, data = found["limits"], found["data"]
    metric, quality = judged(folder)
    return Origin(
        folder=folder,
        name=entry["name"],
        original_sha256=found["original"]["sha256"],
        target=Target.from_json(dict(entry["target"])),
        reference=Target.from_json(dict(found["target"])),
        goal=found["goal"],
        limits=Limits(
            goal=found["goal"],
            max_drop=limits["max_drop"],
            max_latency_ms=limits["max_latency_ms"],
            max_size_bytes=limits["max_size_bytes"],
            max_memory_bytes=limits["max_memory_bytes"],
            certified=limits.get("certified", False),
        ),
        drop=entry["drop"],
        speedup=entry["speedup"],
        fingerprint=None if data is None else data["fingerprint"],
        metric=metric,
        original_quality=quality,
    )


def judged(folder: Path) -> tuple[str | None, float | None]:
    """The metric of a run and the known quality of its original, where it says them."""
    if not os.path.lexists(folder / RUN):
        return None, None
    identity = read(folder / RUN, runs())["identity"]
    metric, quality = identity.get("metric"), identity.get("original quality")
    usable = isinstance(quality, int | float) and 0.0 < quality <= 1.0
    # a function would be code that a stranger's file names
    return metric if metric in METRICS else None, quality if usable else None


def read(path: Path, adapter: TypeAdapter[Any]) -> Any:
    """Read a file of a known shape.

    Raises:
        OutputError: it is something else.
    """
    try:
        return adapter.validate_json(read_small(path, most_bytes=MOST_BYTES, follow=False))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise OutputError(f"{path} cannot be read: {place}: {first['msg']}") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror or error}") from error


@cache
def results() -> TypeAdapter[_Result]:
    """Answer the reader of what is needed of a result, made once."""
    return TypeAdapter(_Result)


@cache
def runs() -> TypeAdapter[_Run]:
    """Answer the reader of what is needed of a run's own notes, made once."""
    return TypeAdapter(_Run)
