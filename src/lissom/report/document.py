"""result.json: one `Result` written as plain data, in the published shape of `schema.py`.

Nothing here decides or rounds: the document holds the numbers as they were measured. The terminal
table and the page are drawn from this document, so they can never say something else than it.
Folders of the machine that ran it are left out on purpose: people show these files to others.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pydantic import JsonValue, ValidationError

from lissom.errors import OutputError
from lissom.report import promised
from lissom.report.certificates import certificates
from lissom.report.schema import (
    SCHEMA_VERSION,
    DataEntry,
    Document,
    EnvironmentEntry,
    FailedEntry,
    FrontEntry,
    LimitsEntry,
    NoiseEntry,
    OperatorEntry,
    OriginalEntry,
    QualityEntry,
    StepEntry,
    TargetEntry,
    document_adapter,
)
from lissom.report.wording import json_text
from lissom.search.build import DATA

if TYPE_CHECKING:
    from lissom.measure.environment import Environment
    from lissom.measure.latency import Latency
    from lissom.measure.noise import Noise
    from lissom.runtime.target import Target
    from lissom.search.candidate import Candidate, OperatorTime, StepRecord
    from lissom.search.limits import Limits
    from lissom.search.result import Result

__all__ = ["document", "from_json", "to_json"]


def document(result: "Result") -> Document:
    """Write a result as the dictionary that `result.json` holds.

    Args:
        result: what a run found.

    Returns:
        Plain data without NaN or infinity: such numbers become null.
    """
    front = [_measured(result.candidate(name), result) for name in result.front]
    beaten = [one for one in (result.original, *result.candidates) if one.name not in result.front]
    whole: Document = {
        "schema": SCHEMA_VERSION,
        "lissom": result.environment.lissom,
        "original": _original(result),
        "target": _target(result.target, result.environment),
        "goal": result.limits.goal,
        "limits": _limits(result.limits),
        "quality": _quality(result),
        "data": _data(result),
        "front": front,
        "others": [_measured(one, result) for one in beaten if one.failed is None],
        "failed": [_failed(one) for one in result.candidates if one.failed is not None],
        "not_tried": [{"name": one.name, "reason": one.reason} for one in result.not_tried],
        "chosen": result.choice.name,
        "delivered": None if result.delivered is None else result.delivered.name,
        "met": result.choice.met,
        "reasons": list(result.choice.reasons),
        "environment": _environment(result.environment),
        "noise": _noise(result.noise),
        "notes": list(result.notes),
        "seed": result.seed,
        "finished": result.finished,
        "seconds": result.seconds,
    }
    return cast("Document", _finite(whole))


def to_json(content: Document) -> str:
    """Write the document as the text of `result.json`, readable by a person."""
    return json_text(content) + "\n"


def from_json(text: str | bytes) -> Document:
    """Read a `result.json` again, refusing what does not have the published shape.

    Raises:
        OutputError: it is not JSON, or a key is missing or has a wrong type or range.
    """
    try:
        return document_adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise OutputError(
            f"result.json cannot be read: {place}: {first['msg']} "
            f"({error.error_count()} problems); it may be damaged or of a newer Lissom"
        ) from error


def _original(result: "Result") -> OriginalEntry:
    """The user's model: the file's facts and the numbers measured of it."""
    model, candidate = result.model, result.original
    latency = _original_latency(result)
    return {
        "file_name": model.file_name,
        "sha256": model.sha256,
        "producer": model.producer,
        "opset": model.opset,
        "already_quantized": model.already_quantized,
        "quality": None if candidate.quality is None else candidate.quality.score,
        "latency_ms": None if latency is None else latency.median_ms,
        "latency_p90_ms": None if latency is None else latency.p90_ms,
        "latency_interval_ms": None if latency is None else list(latency.interval_ms),
        "size_bytes": model.size_bytes,
        "memory_bytes": candidate.memory_bytes,
        "macs": candidate.macs,
        "params": candidate.parameters,
        "operators": _operators(candidate.operators),
        "history": list(model.history),
        "notes": list(model.notes),
    }


def _original_latency(result: "Result") -> "Latency | None":
    """The original's own timing, or else the one it had beside the chosen candidate."""
    if result.original.timing is not None:
        return result.original.timing.candidate
    timings = (one.timing for one in (result.chosen, *result.candidates))
    return next((timing.original for timing in timings if timing is not None), None)


def _measured(one: "Candidate", result: "Result") -> FrontEntry:
    """A candidate with its numbers."""
    quality, timing = one.quality, one.timing
    latency = None if timing is None else timing.candidate
    if one.is_original:
        latency = _original_latency(result)
    interval = one.speedup_interval
    delivered = one.name in result.front and not one.is_original
    noise = interval is not None and interval[0] <= 1 <= interval[1]
    return {
        "name": one.name,
        "title": one.title,
        "path": f"front/{one.name}/model.onnx" if delivered else None,
        "sha256": one.sha256 or (result.model.sha256 if one.is_original else ""),
        "data_file": None if one.data_file is None else DATA,
        "steps": [_line(step) for step in one.steps],
        "step_records": [_step(step) for step in one.steps],
        "target": _target(one.target, result.environment),
        "quality": None if quality is None else quality.score,
        "drop": one.drop,
        "drop_kind": _drop_kind(one),
        "drop_interval": None if quality is None else list(quality.drop_interval),
        "disagreement": None if quality is None else quality.disagreement,
        "disagreement_interval": None if quality is None else list(quality.disagreement_interval),
        "quality_count": None if quality is None else quality.count,
        "latency_ms": None if latency is None else latency.median_ms,
        "latency_p90_ms": None if latency is None else latency.p90_ms,
        "latency_interval_ms": None if latency is None else list(latency.interval_ms),
        "speedup": one.speedup,
        "speedup_interval": None if interval is None else list(interval),
        "predicted_speedup": one.predicted_speedup,
        "inside_noise": noise,
        "size_bytes": one.size_bytes,
        "memory_bytes": one.memory_bytes,
        "energy_mj": None,
        "macs": one.macs,
        "params": one.parameters,
        "max_relative_error": one.max_relative_error,
        "certificates": certificates(one),
        "operators": _operators(one.operators),
        "integer_macs_share": one.integer_macs_share,
        "gaps": promised.gaps(one),
        "ladder": promised.ladder(one),
        "remarks": list(one.remarks),
        "recipe": one.recipe.to_yaml(),
        "seconds": one.seconds,
    }


def _drop_kind(one: "Candidate") -> Any:
    """How the drop is known; `lossless` where it follows from equal outputs."""
    if one.quality is not None and not one.is_original:
        return one.quality.drop_kind
    return "lossless" if one.is_original or one.lossless else None


def _failed(one: "Candidate") -> FailedEntry:
    """A candidate without numbers."""
    return {
        "name": one.name,
        "title": one.title,
        "reason": one.failed or "",
        "steps": [_line(step) for step in one.steps],
        "step_records": [_step(step) for step in one.steps],
        "recipe": one.recipe.to_yaml(),
        "seconds": one.seconds,
    }


def _step(step: "StepRecord") -> StepEntry:
    """A step with what it did and what it left alone."""
    return {
        "method": step.method,
        "parameters": dict(step.parameters),
        "edits": dict(step.edits),
        "summary": step.summary,
        "skips": [{"target": skip.target, "reason": skip.reason} for skip in step.skips],
    }


def _line(step: "StepRecord") -> str:
    """A step in one line: `quantize.static(ranges=mse)`."""
    inside = ", ".join(f"{name}={value}" for name, value in step.parameters.items())
    return f"{step.method}({inside})"


def _operators(operators: "Sequence[OperatorTime]") -> list[OperatorEntry]:
    """Time by operator, in the order given."""
    return [
        {
            "op_type": one.op_type,
            "count": one.count,
            "milliseconds": one.milliseconds,
            "share": min(1.0, max(0.0, one.share)),
        }
        for one in operators
    ]


def _target(target: "Target", environment: "Environment") -> TargetEntry:
    """A target with the version of its runtime and the device of this machine."""
    return {
        "runtime": target.runtime,
        "options": dict(target.options),
        "version": environment.runtimes.get(target.runtime, ""),
        "device": environment.cpu,
        "threads": target.threads,
        "batch": target.batch,
    }


def _limits(limits: "Limits") -> LimitsEntry:
    """The limits, null where none was set."""
    return {
        "max_drop": limits.max_drop,
        "max_latency_ms": limits.max_latency_ms,
        "max_size_bytes": limits.max_size_bytes,
        "max_memory_bytes": limits.max_memory_bytes,
        "max_energy_mj": None,
        "budget_seconds": limits.budget_seconds,
        "certified": limits.certified,
    }


def _quality(result: "Result") -> QualityEntry | None:
    """What the quality numbers mean: of the chosen candidate, else of any that was judged."""
    judged = (one for one in (result.chosen, *result.candidates) if not one.is_original)
    quality = next((one.quality for one in judged if one.quality is not None), None)
    if quality is None:
        return None
    return {
        "metric": quality.metric,
        "count": quality.count,
        "drop_kind": quality.drop_kind,
        "meaning": quality.meaning,
    }


def _data(result: "Result") -> DataEntry | None:
    """The samples and their parts."""
    data = result.data
    if data is None:
        return None
    return {
        "fingerprint": data.fingerprint,
        "count": data.count,
        "labels": data.labels,
        "calibration": data.calibration,
        "selection": data.selection,
        "certification": data.certification,
    }


def _environment(environment: "Environment") -> EnvironmentEntry:
    """The machine and the versions."""
    return {
        "cpu": environment.cpu,
        "cores": environment.cores,
        "memory_bytes": environment.memory_bytes,
        "system": environment.system,
        "python": environment.python,
        "runtimes": dict(environment.runtimes),
        "cpu_features": list(environment.cpu_features),
    }


def _noise(noise: "Noise | None") -> NoiseEntry | None:
    """The clock of the run."""
    if noise is None:
        return None
    return {
        "floor": noise.floor,
        "interval": list(noise.interval),
        "rounds": noise.rounds,
        "busy": noise.disturbed,
        "busy_share": noise.busy,
        "others_share": noise.load.others,
        "waited_seconds": noise.load.waited_seconds,
        "stopped_seconds": noise.load.throttled_seconds,
    }


def _finite(value: object) -> JsonValue:
    """Copy plain data with NaN and infinity as null and tuples as lists; refuse nothing."""
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return [_finite(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return cast("JsonValue", value)
