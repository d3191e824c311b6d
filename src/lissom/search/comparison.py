"""One model measured by itself, or a second one against a first; both from the very files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lissom.errors import ModelError
from lissom.graph.load import FileFacts, file_facts, load
from lissom.measure.environment import Environment, current
from lissom.measure.judge import Judge
from lissom.measure.latency import Latency, Timing, compare_latency, time_model
from lissom.measure.memory import peak_memory
from lissom.measure.quality import Quality, judge
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.search.job import Opened

__all__ = ["Comparison", "Measured", "alike", "compare_models", "measure_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What `measure` answers.

    Attributes:
        file_name: without folders.
        sha256: of the file.
        latency: of one run.
        throughput_per_second: samples a second at the target's batch size, one run after another.
        size_bytes: with external data.
        memory_bytes: growth of peak resident memory by loading and running.
        quality: against labels; None without labels.
        target: where it ran.
        environment: the machine and the versions.
        generated: it ran on an invented feed, since there were no samples.
    """

    file_name: str
    sha256: str
    latency: Latency
    throughput_per_second: float
    size_bytes: int
    memory_bytes: int
    quality: Quality | None
    target: Target
    environment: Environment
    generated: bool

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "file_name": self.file_name,
            "sha256": self.sha256,
            "latency": self.latency.to_json(),
            "throughput_per_second": self.throughput_per_second,
            "size_bytes": self.size_bytes,
            "memory_bytes": self.memory_bytes,
            "quality": None if self.quality is None else self.quality.to_json(),
            "target": self.target.to_json(),
            "environment": self.environment.to_json(),
            "generated": self.generated,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What `compare` answers: a second model (B) against a first (A).

    Attributes:
        names: the two files, without folders.
        sha256s: of the two files.
        timing: interleaved; `original` is A, `candidate` is B, the speedup is A's time over B's.
        size_bytes: of A and B.
        memory_bytes: of A and B.
        quality: B against labels, or against A; None without samples.
        target: where A ran.
        second_target: where B ran.
        environment: the machine and the versions.
        generated: they ran on an invented feed, since there were no samples.
    """

    names: tuple[str, str]
    sha256s: tuple[str, str]
    timing: Timing
    size_bytes: tuple[int, int]
    memory_bytes: tuple[int, int]
    quality: Quality | None
    target: Target
    second_target: Target
    environment: Environment
    generated: bool

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "names": list(self.names),
            "sha256s": list(self.sha256s),
            "timing": self.timing.to_json(),
            "size_bytes": list(self.size_bytes),
            "memory_bytes": list(self.memory_bytes),
            "quality": None if self.quality is None else self.quality.to_json(),
            "target": self.target.to_json(),
            "second_target": self.second_target.to_json(),
            "environment": self.environment.to_json(),
            "generated": self.generated,
        }


def measure_model(opened: Opened, how: Judge) -> Measured:
    """Measure a model by itself, anew.

    Raises:
        MeasurementError: the runtime cannot load or run it.
        ChildFailed: it crashed the runtime, or took far too long.
    """
    samples, target, store = opened.samples, opened.target, opened.store
    latency = time_model(opened.path, opened.feed, target, store)
    quality = None
    if samples is not None and samples.labels:
        quality = judge(opened.path, opened.path, samples, samples.whole(), by=how, target=target)
    return Measured(
        file_name=opened.path.name,
        sha256=opened.facts.sha256,
        latency=latency,
        throughput_per_second=1000 * target.batch / latency.median_ms,
        size_bytes=opened.facts.size_bytes,
        memory_bytes=peak_memory(opened.path, opened.feed, target, store),
        quality=quality,
        target=target,
        environment=current(),
        generated=samples is None,
    )


def alike(opened: Opened, second: Path) -> FileFacts:
    """Read a second model, which must have the inputs and outputs of an opened first.

    Raises:
        ModelError: it cannot be read, or has others.
    """
    facts = file_facts(second)
    other = load(second, opened.store, canonical="none")
    for what, mine, theirs in (
        ("inputs", opened.model.inputs, other.inputs),
        ("outputs", opened.model.outputs, other.outputs),
    ):
        if {p.name for p in mine} != {p.name for p in theirs}:
            raise ModelError(
                f"{second} has other {what} than {opened.path}: "
                f"{', '.join(p.name for p in theirs)} instead of {', '.join(p.name for p in mine)}"
            )
    return facts


def compare_models(
    opened: Opened, second: Path, how: Judge, *, target: Target | None = None
) -> Comparison:
    """Measure a second model against an opened first, anew.

    Args:
        opened: the first, with where it runs.
        second: the other's file.
        how: quality is told.
        target: where the second runs; None for where the first does.

    Raises:
        ModelError: the second cannot be read, or has other inputs or outputs.
        MeasurementError: the runtime cannot load or run one of them.
        ChildFailed: one crashed the runtime, or took far too long.
    """
    samples, here, store, feed = opened.samples, opened.target, opened.store, opened.feed
    there = here if target is None else registry.stated(target)
    facts = alike(opened, second)
    quality = None
    if samples is not None:
        quality = judge(
            opened.path,
            second,
            samples,
            samples.whole(),
            by=how,
            target=here,
            candidate_target=there,
        )
    return Comparison(
        names=(opened.path.name, second.name),
        sha256s=(opened.facts.sha256, facts.sha256),
        timing=compare_latency(opened.path, second, feed, here, there, store=store),
        size_bytes=(opened.facts.size_bytes, facts.size_bytes),
        memory_bytes=(
            peak_memory(opened.path, feed, here, store),
            peak_memory(second, feed, there, store),
        ),
        quality=quality,
        target=here,
        second_target=there,
        environment=current(),
        generated=samples is None,
    )
