"""Verify a delivered model: its limits and its speed, on new samples and on this machine.

All new samples certify. What the run itself had is left out, since it led to the model; where the
confidence of the original is fitted to a known quality, three tenths are kept for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lissom.errors import SamplesError
from lissom.graph.load import file_facts
from lissom.measure.certificate import Certificate, Verdict, certify
from lissom.measure.differences import differences
from lissom.measure.environment import Environment, current
from lissom.measure.judge import Judge
from lissom.measure.latency import Timing, compare_latency
from lissom.measure.memory import peak_memory
from lissom.measure.quality import Quality, judge
from lissom.runtime.target import Target
from lissom.search.binding import binding
from lissom.search.certify import measured_limits
from lissom.search.comparison import alike
from lissom.search.job import Opened
from lissom.search.limits import Limits
from lissom.search.origin import Origin, origin_of
from lissom.search.used import Fresh, fresh_samples

__all__ = ["Asked", "Verification", "verify_model"]

SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` answers.

    Attributes:
        file_name: of the model, without folders.
        against: of the original, without folders.
        sha256s: of the original and of the model.
        verdict: `held` if every limit is held; `not held` if one is shown not to be; else `too few
            samples`.
        reasons: what decided, in plain sentences.
        certificates: of every limit, of the drop each kind that is known.
        share: of more samples, those that would certify.
        limits: what was checked.
        timing: interleaved with the original's, on this machine.
        size_bytes: of the original and of the model.
        memory_bytes: of the original and of the model.
        quality: against labels; None where not every sample has one.
        promised_speedup: what the run had measured; None if no run is known.
        promised_drop: what the run had estimated; None if no run is known.
        target: where the model ran.
        reference: where the original ran.
        environment: the machine and the versions.
        count: samples that certified.
        left_out: samples that the run had used and that were left out here.
        notes: what a reader should know.
    """

    file_name: str
    against: str
    sha256s: tuple[str, str]
    verdict: Verdict
    reasons: tuple[str, ...]
    certificates: tuple[Certificate, ...]
    share: float
    limits: Limits
    timing: Timing
    size_bytes: tuple[int, int]
    memory_bytes: tuple[int, int]
    quality: Quality | None
    promised_speedup: float | None
    promised_drop: float | None
    target: Target
    reference: Target
    environment: Environment
    count: int
    left_out: int
    notes: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether every limit is held."""
        return self.verdict == "held"

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "file_name": self.file_name,
            "against": self.against,
            "sha256s": list(self.sha256s),
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "certificates": [one.to_json(share=self.share) for one in self.certificates],
            "limits": self.limits.to_json(),
            "timing": self.timing.to_json(),
            "size_bytes": list(self.size_bytes),
            "memory_bytes": list(self.memory_bytes),
            "quality": None if self.quality is None else self.quality.to_json(),
            "promised_speedup": self.promised_speedup,
            "promised_drop": self.promised_drop,
            "target": self.target.to_json(),
            "reference": self.reference.to_json(),
            "environment": self.environment.to_json(),
            "count": self.count,
            "left_out": self.left_out,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a model: as it was given, and else as the run that made it had it.

    Attributes:
        limits: what it must hold.
        judge: how quality is told.
        target: where the model runs.
        reference: where the original runs.
        origin: the run that made it; None if none is known.
    """

    limits: Limits
    judge: Judge
    target: Target
    reference: Target
    origin: Origin | None = None

    @classmethod
    def of(cls, model: Path, limits: Limits, judge: Judge, target: Target | None) -> "Asked":
        """Fill in from the result beside a model what was not given.

        Raises:
            ModelError: the model cannot be read.
            OutputError: the result cannot.
        """
        origin = origin_of(model, file_facts(model).sha256)
        place = target or Target()
        if origin is None:
            limits = limits.with_default_drop(data=True)
            return cls(limits=limits, judge=judge, target=place, reference=place)
        return cls(
            limits=limits.over(origin.limits).with_default_drop(data=True),
            judge=Judge(
                metric=judge.metric or origin.metric,
                original_quality=judge.original_quality or origin.original_quality,
            ),
            target=target or origin.target,
            reference=target or origin.reference,
            origin=origin,
        )


def verify_model(opened: Opened, model: Path, asked: Asked) -> Verification:
    """Check the limits and the speed of a model anew.

    Args:
        opened: the original, with new samples, and where it runs.
        model: the file to verify.
        asked: of it.

    Raises:
        ModelError: the model cannot be read, or has other inputs or outputs than the original.
        SamplesError: there are no samples that the run has not used.
        OutputError: what the run noted of its samples cannot be read.
        MeasurementError: the runtime cannot load or run one of the models.
        ChildFailed: one crashed the runtime, or took far too long.
    """
    if opened.samples is None:
        raise SamplesError("a model is verified on samples; give some (--data)")
    limits, target, origin = asked.limits, asked.target, asked.origin
    facts = alike(opened, model)
    fresh = fresh_samples(opened.samples, asked.judge, origin)
    proven, quality = certified_drop(opened, model, fresh, asked)
    timing = timed(opened, model, target)
    memory_bytes = (
        peak_memory(opened.path, opened.feed, opened.target, opened.store),
        peak_memory(model, opened.feed, target, opened.store),
    )
    proven += measured_limits(limits, timing, facts.size_bytes, memory_bytes[1])
    verdict, reasons = decided(proven, limits, timing, origin, share=fresh.share)
    return Verification(
        file_name=model.name,
        against=opened.path.name,
        sha256s=(opened.facts.sha256, facts.sha256),
        verdict=verdict,
        reasons=reasons,
        certificates=tuple(proven),
        share=fresh.share,
        limits=limits,
        timing=timing,
        size_bytes=(opened.facts.size_bytes, facts.size_bytes),
        memory_bytes=memory_bytes,
        quality=quality,
        promised_speedup=None if origin is None else origin.speedup,
        promised_drop=None if origin is None else origin.drop,
        target=target,
        reference=opened.target,
        environment=current(),
        count=len(fresh.part),
        left_out=fresh.left_out,
        notes=(*opened.notes, *fresh.notes, *other_original(opened, origin)),
    )


def certified_drop(
    opened: Opened, model: Path, fresh: Fresh, asked: Asked
) -> tuple[list[Certificate], Quality | None]:
    """Certificates of the drop, each kind that is known; and the score, against labels."""
    samples = opened.samples
    assert samples is not None
    lost = differences(
        opened.path,
        model,
        samples,
        fresh.part,
        by=asked.judge,
        target=opened.target,
        candidate_target=asked.target,
        fitted=fresh.fitted,
    )
    quality = None
    if lost.complete:
        quality = judge(
            opened.path,
            model,
            samples,
            fresh.part,
            by=asked.judge,
            target=opened.target,
            candidate_target=asked.target,
        )
    limit = asked.limits.max_drop
    if limit is None:
        return [], quality
    found: list[Certificate] = []
    for kind in lost.kinds:
        values = [lost.of(kind)]
        found += certify(values, limit, kind=kind, besides=lost.assumed(kind))
    return found, quality


def timed(opened: Opened, model: Path, target: Target) -> Timing:
    """The model against the original, interleaved, anew."""
    return compare_latency(
        opened.path,
        model,
        opened.feed,
        opened.target,
        target,
        seconds=SECONDS,
        store=opened.store,
        quiet=opened.quiet,
    )


def decisive(certificates: Sequence[Certificate], limits: Limits) -> list[Certificate]:
    """Those that decide: of the drop one, and all the others.

    Labels decide where every sample has one. Without, it is the expected drop where one is known,
    as in the run's own choice; and the hard bound where limits must be certified.
    """
    kinds = {one.kind for one in certificates if one.quantity == "drop"}
    if limits.certified or "expected" not in kinds:
        return list(binding(tuple(certificates)))
    return [one for one in certificates if one.quantity != "drop" or one.kind == "expected"]


def decided(
    certificates: Sequence[Certificate],
    limits: Limits,
    timing: Timing,
    origin: Origin | None,
    *,
    share: float,
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict of all together, and why."""
    deciding = decisive(certificates, limits)
    wrong = [one.sentence(share=share) for one in deciding if one.verdict == "not held"]
    promised = origin is not None and origin.goal == "speed" and (origin.speedup or 0.0) > 1
    if promised and timing.speedup_interval[1] < 1:
        wrong.append(
            "The run had found it faster, and on this machine the model is slower than the "
            f"original: {timing.speedup:.2f} times its speed."
        )
    if wrong:
        return "not held", tuple(wrong)
    open_ = [one.sentence(share=share) for one in deciding if not one.held]
    if open_:
        return "too few samples", tuple(open_)
    return "held", tuple(one.sentence(share=share) for one in deciding)


def other_original(opened: Opened, origin: Origin | None) -> tuple[str, ...]:
    """A note where the model was made from another file, or by a run that is not known."""
    if origin is None:
        return ("No result beside the model names it: the limits are those given, or the default.",)
    notes = [f"The limits are those of the run that made {origin.name}, where no other is given."]
    if origin.original_sha256 != opened.facts.sha256:
        notes.append(f"The model was made from another file than {opened.path.name}.")
    return tuple(notes)
