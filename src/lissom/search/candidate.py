"""Candidate: a recipe made real and measured, and the few small records that it is made of.

The original network is a candidate too (`name == "original"`, no steps): it always competes.
A recipe that failed is a candidate with a reason in `failed` and no numbers; nothing that was
tried disappears. Everything here is frozen data; deciding between candidates is `front.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lissom.measure.certificate import Certificate
from lissom.measure.latency import Timing
from lissom.measure.quality import Quality
from lissom.methods.protocol import Skip
from lissom.recipe import Recipe
from lissom.runtime.target import Target
from lissom.store.refs import FileRef

__all__ = ["ORIGINAL", "Candidate", "Gap", "OperatorTime", "Reason", "Rung", "StepRecord"]

ORIGINAL = "original"
"""The name of the candidate that is the user's own model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What one step of a recipe did to the model.

    Attributes:
        method: the method's id, such as `quantize.static`.
        parameters: the method's parameters as they were used.
        edits: how many edits of each kind were performed, such as `{"EncodeWeight": 7}`.
        summary: one line for people, from the method's plan.
        skips: what the method left alone, each with its reason.
    """

    method: str
    parameters: Mapping[str, Any]
    edits: Mapping[str, int]
    summary: str
    skips: tuple[Skip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTime:
    """Time that a model spends in one type of operator, from the runtime's own profile.

    Attributes:
        op_type: the operator as the runtime ran it, such as `QLinearConv`.
        count: how many nodes of this type ran.
        milliseconds: their time together, in one run.
        share: of the whole run, in [0, 1].
    """

    op_type: str
    count: int
    milliseconds: float
    share: float


Reason = Literal["overhead", "bandwidth", "unfused", "width", "conversion", "none"]
"""Why a family of operators takes longer than arithmetic promises: each node costs something; bytes
must be moved; it runs by itself or without a fast kernel; shapes too narrow to fill the kernel;
numbers change their type or layout in between; it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What arithmetic promised of one family of operators, and what the machine made of it.

    Attributes:
        operator: what the family computes, such as `Conv`.
        count: how many nodes of it ran in the candidate; in the original, if none did.
        before_ms: their time in one run of the original.
        promised_ms: their time in the candidate, were the promise kept.
        after_ms: their time in the candidate, from the runtime's own profile.
        reason: why it takes longer than promised.
        words: the reason in a sentence with its numbers.
    """

    operator: str
    count: int
    before_ms: float
    promised_ms: float
    after_ms: float
    reason: Reason
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """The model after the first so many steps of a recipe, measured.

    Attributes:
        step: the last of these steps, such as `quantize.static(ranges=mse)`, or the place where
            the model runs, where that is not the original's.
        promised_speedup: of all steps so far; None where it could not be computed.
        speedup: of all steps so far, measured.
        speedup_interval: 95%.
        size_bytes: of the file.
        drop: loss of score against the original; None if not measured.
    """

    step: str
    promised_speedup: float | None
    speedup: float
    speedup_interval: tuple[float, float]
    size_bytes: int
    drop: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recipe, the exact file that it gave, and what was measured of that file.

    Attributes:
        name: short, unique in a run, usable as a folder name; `original` for the user's model.
        title: one line for people.
        recipe: what rebuilds it from the original; no steps for the original.
        steps: what each step did; empty for the original.
        target: where it ran, and is meant to run.
        file: the delivered bytes in the store; None if it could not be built.
        data_file: the external data beside it, for models over the protobuf limit.
        sha256: of the delivered model file; empty if there is none.
        lossless: its outputs equal the original's to the parity tolerance on the inputs used.
        max_relative_error: largest difference of outputs, relative to the output's range.
        quality: score and drop on the selection part; None when there are no samples.
        timing: latency interleaved with the original's.
        size_bytes: of the delivered file with its external data.
        memory_bytes: growth of peak resident memory from before loading to after some runs.
        macs: multiply-accumulates of one run at the target's batch size.
        parameters: number of constant elements in the graph.
        operators: time by operator, slowest first; empty where it was not profiled.
        integer_macs_share: of the original's multiply-accumulates, how many ran in kernels that the
            runtime's own profile calls integer, in [0, 1]; None where it was not profiled.
        predicted_speedup: what arithmetic promises; None where it could not be computed.
        gaps: where the promise was not kept, the heaviest first; empty where it was not profiled.
        ladder: the model after each step of its recipe; of the chosen one only.
        certificates: of the limits, those of the drop from samples that took part in nothing else;
            empty off the front.
        noise_floor: relative differences of speed up to this one are not told apart.
        remarks: sentences that explain it, such as why an operator became slower.
        failed: why there is no usable candidate; None for a good one.
        seconds: what building and measuring took.
    """

    name: str
    title: str
    recipe: Recipe
    target: Target
    steps: tuple[StepRecord, ...] = ()
    file: FileRef | None = None
    data_file: FileRef | None = None
    sha256: str = ""
    lossless: bool = False
    max_relative_error: float | None = None
    quality: Quality | None = None
    timing: Timing | None = None
    size_bytes: int | None = None
    memory_bytes: int | None = None
    macs: int | None = None
    parameters: int | None = None
    operators: tuple[OperatorTime, ...] = ()
    integer_macs_share: float | None = None
    predicted_speedup: float | None = None
    gaps: tuple[Gap, ...] = ()
    ladder: tuple[Rung, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    noise_floor: float = 0.0
    remarks: tuple[str, ...] = ()
    failed: str | None = None
    seconds: float = 0.0

    @property
    def is_original(self) -> bool:
        """True for the user's own model."""
        return self.name == ORIGINAL

    @property
    def drop(self) -> float | None:
        """Loss of score against the original; 0 for lossless ones, None if not measured."""
        if self.is_original:
            return 0.0
        if self.quality is not None:
            return self.quality.drop
        return 0.0 if self.lossless else None

    @property
    def latency_ms(self) -> float | None:
        """Median latency of one run in milliseconds; None if not measured."""
        return None if self.timing is None else self.timing.candidate.median_ms

    @property
    def speedup(self) -> float | None:
        """Original's time over this one's, from one interleaved run; None if not measured."""
        if self.is_original:
            return 1.0
        return None if self.timing is None else self.timing.speedup

    @property
    def speedup_interval(self) -> tuple[float, float] | None:
        """95% interval of `speedup`; None if not measured."""
        if self.is_original:
            return (1.0, 1.0)
        return None if self.timing is None else self.timing.speedup_interval
