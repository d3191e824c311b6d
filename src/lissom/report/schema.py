"""The shape of `result.json`, version 1: one typed dictionary for each object in it.

These types are the single declaration: `document.py` fills them, `terminal.py` and `page.py` read
them (so a page can be made again from a stored `result.json`), and `json_schema()` gives the
published JSON Schema (`docs/reference/result.schema.json`; a test keeps the two equal).

Ratios and scores are 0..1, never percent; units stand in names. A number that was not measured is
null, never 0 and never NaN. Within version 1 keys may be added; none is renamed or removed.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import Field, JsonValue, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

# The standard library's TypedDict carries too little for pydantic before Python 3.12.
from typing_extensions import TypedDict

from lissom.report.promised import GapEntry, RungEntry

__all__ = [
    "SCHEMA_VERSION",
    "CertificateEntry",
    "DataEntry",
    "Document",
    "EnvironmentEntry",
    "FailedEntry",
    "FrontEntry",
    "Interval",
    "LimitsEntry",
    "NoiseEntry",
    "NotTriedEntry",
    "OperatorEntry",
    "OriginalEntry",
    "QualityEntry",
    "SkipEntry",
    "StepEntry",
    "TargetEntry",
    "document_adapter",
    "json_schema",
]

SCHEMA_VERSION: Final = 1
SCHEMA_ID: Final = "urn:lissom:schema:result:1"

# JSON has no NaN; a result.json from a stranger that holds one all the same is refused.
Number = Annotated[float, Field(allow_inf_nan=False)]
Interval = Annotated[
    list[Number],
    Field(min_length=2, max_length=2, description="95% interval: lower end, upper end."),
]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False)]
DropKind = Literal["labels", "expected", "bound", "lossless"]


class SkipEntry(TypedDict):
    """Something that a method left alone."""

    target: Annotated[str, Field(description="Node, weight or value that was left as it is.")]
    reason: str


class StepEntry(TypedDict):
    """What one step of a recipe did."""

    method: Annotated[str, Field(description="The method's id, such as quantize.static.")]
    parameters: dict[str, JsonValue]
    edits: Annotated[dict[str, Count], Field(description="Performed edits by kind.")]
    summary: str
    skips: list[SkipEntry]


class OperatorEntry(TypedDict):
    """Time in one type of operator, from the runtime's own profile of one run."""

    op_type: str
    count: Count
    milliseconds: Positive
    share: Share


class CertificateEntry(TypedDict):
    """What is known of one limit on one candidate."""

    quantity: Literal["drop", "latency", "size", "memory"]
    kind: Annotated[
        Literal["labels", "expected", "bound", "error", "measured"],
        Field(
            description="labels: the drop, paired. expected: the drop under the original's own "
            "confidence. bound: the share of answers that differ, which no loss can exceed. error: "
            "of plain numbers, relative to their spread. measured: on this machine."
        ),
    ]
    limit: Annotated[Number, Field(description="The largest value allowed, in the unit.")]
    unit: Literal["score", "ms", "bytes"]
    estimate: Number
    bound: Annotated[
        Number, Field(description="The quantity is at most this, at the confidence, by itself.")
    ]
    confidence: Annotated[
        Share | None,
        Field(description="One-sided; 1 for what is exact; null for what was measured once."),
    ]
    verdict: Annotated[
        Literal["held", "not held", "too few samples"],
        Field(description="All that are held of one kind are held jointly at the confidence."),
    ]
    count: Annotated[Count, Field(description="Samples of the certification part, or runs.")]
    more_samples: Annotated[
        Count | None,
        Field(description="How many more of them would decide it; null if none or no number."),
    ]
    place: Annotated[int, Field(ge=1, description="In the order of the tests.")]
    assumption: Annotated[str, Field(description="What must be true for it, a clause.")]
    sentence: Annotated[str, Field(description="All of it in plain words.")]


class FrontEntry(TypedDict):
    """A measured model: a candidate, or the original under the name `original`."""

    name: str
    title: str
    path: Annotated[
        str | None, Field(description="Its file, beside result.json; null if not on the front.")
    ]
    sha256: str
    data_file: NotRequired[
        Annotated[
            str | None, Field(description="File with its weights that must lie beside it, if any.")
        ]
    ]
    steps: Annotated[list[str], Field(description="The recipe's steps, one line each.")]
    step_records: Annotated[list[StepEntry], Field(description="What each step did.")]
    target: TargetEntry
    quality: Annotated[Number | None, Field(description="Score of the candidate, 0..1.")]
    drop: Annotated[
        Number | None,
        Field(description="Score of the original minus the candidate's, absolute (0.01: 1 point)."),
    ]
    drop_kind: Annotated[
        DropKind | None,
        Field(
            description="labels: paired against labels. expected: under the original's own "
            "confidence. bound: the disagreement itself (see meaning). lossless: outputs are "
            "equal to the parity tolerance."
        ),
    ]
    drop_interval: Interval | None
    disagreement: Annotated[
        Share | None, Field(description="Share of samples answered differently from the original.")
    ]
    disagreement_interval: Interval | None
    quality_count: Annotated[Count | None, Field(description="Samples judged.")]
    latency_ms: Annotated[Positive | None, Field(description="Median of one run.")]
    latency_p90_ms: Positive | None
    latency_interval_ms: Interval | None
    speedup: Annotated[
        Positive | None,
        Field(description="Original's time over this one's, from one interleaved run."),
    ]
    speedup_interval: Interval | None
    predicted_speedup: Annotated[
        Positive | None,
        Field(description="What arithmetic promised (ceilings, Amdahl); null if not computed."),
    ]
    inside_noise: Annotated[
        bool, Field(description="The speedup's interval holds 1: neither faster nor slower.")
    ]
    size_bytes: Count | None
    memory_bytes: Annotated[
        Count | None, Field(description="Growth of peak resident memory by loading and running.")
    ]
    energy_mj: Positive | None
    macs: Annotated[Count | None, Field(description="Multiply-accumulates of one run.")]
    params: Count | None
    max_relative_error: Positive | None
    certificates: Annotated[
        list[CertificateEntry],
        Field(description="Of the limits, where there are some; the one that binds comes first."),
    ]
    operators: list[OperatorEntry]
    integer_macs_share: NotRequired[
        Annotated[Share | None, Field(description="Of all MACs, in the runtime's integer kernels.")]
    ]
    gaps: NotRequired[
        Annotated[list[GapEntry], Field(description="Of the chosen one, and of slower ones.")]
    ]
    ladder: NotRequired[Annotated[list[RungEntry], Field(description="Of the chosen one.")]]
    remarks: Annotated[list[str], Field(description="Sentences that explain the numbers.")]
    recipe: Annotated[str, Field(description="The recipe as YAML.")]
    seconds: Positive


class FailedEntry(TypedDict):
    """A recipe that was tried and gave no usable model."""

    name: str
    title: str
    reason: str
    steps: list[str]
    step_records: list[StepEntry]
    recipe: str
    seconds: Positive


class NotTriedEntry(TypedDict):
    """A recipe that was left out."""

    name: str
    reason: str


class OriginalEntry(TypedDict):
    """The model file that was given, and its measured numbers."""

    file_name: str
    sha256: str
    producer: str
    opset: int
    already_quantized: bool
    quality: Number | None
    latency_ms: Positive | None
    latency_p90_ms: Positive | None
    latency_interval_ms: Interval | None
    size_bytes: Count
    memory_bytes: Count | None
    macs: Count | None
    params: Count | None
    operators: list[OperatorEntry]
    history: Annotated[list[str], Field(description="What loading did to the model.")]
    notes: Annotated[list[str], Field(description="What loading could not do, and why.")]


class TargetEntry(TypedDict):
    """Where models ran and are meant to run."""

    runtime: str
    options: dict[str, str]
    version: str
    device: str
    threads: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]


class LimitsEntry(TypedDict):
    """The limits of the run; null where none was set."""

    max_drop: Number | None
    max_latency_ms: Positive | None
    max_size_bytes: Count | None
    max_memory_bytes: Count | None
    max_energy_mj: Positive | None
    budget_seconds: Positive | None
    certified: NotRequired[
        Annotated[
            bool, Field(description="What is delivered must be certified to hold the limits.")
        ]
    ]


class QualityEntry(TypedDict):
    """What the quality numbers of this document are."""

    metric: str
    count: Annotated[Count, Field(description="Samples in the selection part that were judged.")]
    drop_kind: DropKind
    meaning: Annotated[str, Field(description="What the number says, in one plain sentence.")]


class DataEntry(TypedDict):
    """The samples that were used: counts of the whole and of its disjoint parts."""

    fingerprint: str
    count: Count
    labels: bool
    calibration: Count
    selection: Count
    certification: Count


class EnvironmentEntry(TypedDict):
    """The machine and the versions."""

    cpu: str
    cores: Count
    memory_bytes: Count
    system: str
    python: str
    runtimes: dict[str, str]
    cpu_features: list[str]


class NoiseEntry(TypedDict):
    """The clock of the run: the original timed against itself before anything was ranked."""

    floor: Annotated[
        Positive, Field(description="Relative differences of speed up to this one rank nothing.")
    ]
    interval: Annotated[Interval, Field(description="Of its speed against itself; the truth is 1.")]
    rounds: Count
    busy: Annotated[bool, Field(description="Other work was in the way while it was timed.")]
    busy_share: Annotated[Share, Field(description="Of its time it waited for a processor.")]
    others_share: Annotated[Share, Field(description="Of all processors' time others used.")]
    waited_seconds: Annotated[Positive, Field(description="For idle processors, before.")]
    stopped_seconds: Annotated[
        Positive, Field(description="The container stood still, having used up its share.")
    ]


class Document(TypedDict):
    """The whole of `result.json`."""

    schema: Literal[1]
    lissom: Annotated[str, Field(description="Version of Lissom that wrote it.")]
    original: OriginalEntry
    target: TargetEntry
    goal: Literal["speed", "size", "memory", "energy", "quality"]
    limits: LimitsEntry
    quality: Annotated[
        QualityEntry | None, Field(description="Null when quality was not measured.")
    ]
    data: Annotated[DataEntry | None, Field(description="Null when no samples were given.")]
    front: Annotated[
        list[FrontEntry], Field(description="Candidates that no other beats, best first.")
    ]
    others: Annotated[
        list[FrontEntry],
        Field(
            description="Measured, and beaten by another; the original where it is not in front."
        ),
    ]
    failed: list[FailedEntry]
    not_tried: list[NotTriedEntry]
    chosen: Annotated[str, Field(description="Name of what is delivered; may be `original`.")]
    delivered: Annotated[
        str | None, Field(description="File name of the delivered model; null if none was written.")
    ]
    met: Annotated[bool, Field(description="The chosen candidate holds every limit.")]
    reasons: Annotated[list[str], Field(description="Why this one, in plain sentences.")]
    environment: EnvironmentEntry
    noise: NotRequired[
        Annotated[NoiseEntry | None, Field(description="Null when nothing was timed.")]
    ]
    notes: list[str]
    seed: int
    finished: Annotated[bool, Field(description="False for the front so far of an unfinished run.")]
    seconds: Positive


class _Plain(GenerateJsonSchema):
    """pydantic's generator without a made-up title on every key."""

    def field_title_should_be_set(
        self, schema: core_schema.CoreSchema | core_schema.ModelField
    ) -> bool:
        """Answer no: the keys are their own titles."""
        del schema
        return False


@cache
def document_adapter() -> TypeAdapter[Document]:
    """Answer the validator of the whole document, made once since building it is slow."""
    return TypeAdapter(Document)


def json_schema() -> dict[str, Any]:
    """Answer the JSON Schema (draft 2020-12) of `result.json`."""
    body = document_adapter().json_schema(schema_generator=_Plain)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **body,
        "title": "Lissom result",
    }
