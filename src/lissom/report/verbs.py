"""The answers of `inspect`, `measure` and `compare` as plain lines for a terminal.

Every name comes from a stranger's file; whoever prints the lines makes them visible first
(`wording.visible`).
"""

from collections.abc import Iterable, Sequence

from lissom.measure.environment import Environment
from lissom.measure.latency import Latency
from lissom.measure.load import Load
from lissom.measure.noise import disturbances
from lissom.measure.quality import Quality
from lissom.report import groups, harms, roofs, wording
from lissom.runtime.target import Target
from lissom.search.comparison import Comparison, Measured
from lissom.search.inspection import Inspection
from lissom.search.places import in_words

__all__ = ["aligned", "comparison_lines", "inspection_lines", "latency", "measured_lines"]

MOST_SITES = 60


def inspection_lines(found: Inspection) -> list[str]:
    """Ports, counts, operators, sites, time by operator, ceilings, notes."""
    quantized = ", already quantized" if found.already_quantized else ""
    opset = f"opset {found.file_opset}"
    if found.opset != found.file_opset:
        opset += f" (raised to {found.opset})"
    lines = [
        f"{found.file_name}: {wording.size(found.size_bytes)}, {opset}{quantized}"
        + (f", from {found.producer}" if found.producer else ""),
        f"parameters {wording.large(found.parameters)}, "
        f"MACs {wording.large(found.macs)} in one run",
        "",
    ]
    for what, ports in (("input", found.inputs), ("output", found.outputs)):
        lines += [f"{what}  {p.name}  {p.dtype} {shape(p.shape)}" for p in ports]
    lines += ["", "operators of the canonical graph"]
    lines += columns(
        ("operator", "count", "MACs", "weights"),
        [
            (one.op_type, str(one.count), wording.large(one.macs), wording.size(one.weight_bytes))
            for one in found.operators
        ],
    )
    lines += ["", "weighted operators"]
    lines += columns(
        ("name", "operator", "weight", "MACs", "bytes"),
        [
            (one.name, one.op_type, shape(one.shape), wording.large(one.macs),
             wording.size(one.weight_bytes))
            for one in found.sites[:MOST_SITES]
        ],
        left=3,
    )  # fmt: skip
    if len(found.sites) > MOST_SITES:
        lines.append(f"  and {len(found.sites) - MOST_SITES} more (--json lists all)")
    if found.groups is not None:
        lines += ["", *groups.group_lines(found.groups)]
    if found.sensitivity is not None:
        lines += ["", *harms.head_lines(found.sensitivity)]
        lines += columns(harms.HEAD, harms.rows(found.sensitivity), left=2)
    lines += ["", *times(found), *roofs_of(found)]
    lines += [f"loading: {step}" for step in found.history]
    return [*lines, *(f"note: {note}" for note in found.notes)]


def times(found: Inspection) -> list[str]:
    """Where the time goes, by operator as the runtime ran it."""
    if not found.times:
        return []
    fed = ", ".join(f"{name} {shape(size)}" for name, size in found.feed)
    invented = " (generated)" if found.generated else ""
    head = f"time by operator on this machine, {wording.milliseconds(found.total_ms)} in all"
    rows = [
        (
            one.op_type,
            str(one.count),
            wording.milliseconds(one.milliseconds),
            wording.share(one.share),
        )
        for one in found.times
    ]
    return [f"{head}, for {fed}{invented}", *columns(("operator", "count", "time", "share"), rows)]


def roofs_of(found: Inspection) -> list[str]:
    """The machine's ceilings, and how far the heaviest operators are from them."""
    if found.ceilings is None:
        return []
    lines = ["", *roofs.ceiling_lines(found.ceilings)]
    rows = roofs.standing_rows(found)
    if rows:
        lines += [
            "",
            "weighted operators against these ceilings",
            *columns(roofs.HEAD, rows, left=2),
        ]
        lines += roofs.words_of_limits(found)
    return [*lines, ""]


def measured_lines(found: Measured) -> list[str]:
    """Latency, throughput, size, memory, quality."""
    rows = [
        ("latency", latency(found.latency)),
        ("throughput", f"{found.throughput_per_second:,.1f} samples/s"),
        ("size", wording.size(found.size_bytes)),
        ("memory", wording.size(found.memory_bytes)),
    ]
    if found.quality is not None:
        rows.append(("quality", score(found.quality)))
    disturbed = disturbances(found.latency.busy, Load())
    return [found.file_name, *aligned(rows), *disturbed, *place(found)]


def comparison_lines(found: Comparison) -> list[str]:
    """B against A, number by number."""
    timing = found.timing
    rows = [
        ("A", found.names[0]),
        ("B", found.names[1]),
        ("latency A", latency(timing.original)),
        ("latency B", latency(timing.candidate)),
        (
            "speed of B",
            wording.times(timing.speedup)
            + wording.bounds(wording.interval_times(timing.speedup_interval)),
        ),
        ("size", " and ".join(map(wording.size, found.size_bytes))),
        ("memory", " and ".join(map(wording.size, found.memory_bytes))),
    ]
    low, high = timing.speedup_interval
    if low <= 1 <= high:
        rows.append(("", "neither is faster: the interval holds 1"))
    if found.quality is not None:
        quality = found.quality
        drop = wording.drop_points(quality.drop)
        rows.append(
            ("drop of B", drop + wording.bounds(wording.interval_points(quality.drop_interval)))
        )
        rows.append(("disagreement", wording.share(quality.disagreement)))
        rows.append(("", quality.meaning))
    return [*aligned(rows), *disturbances(timing.busy, timing.load), *place(found)]


def latency(one: Latency) -> str:
    """Median with its interval, and the ninetieth percentile."""
    low, high = map(wording.milliseconds, one.interval_ms)
    median, p90 = wording.milliseconds(one.median_ms), wording.milliseconds(one.p90_ms)
    return f"{median} ({low} to {high}), p90 {p90}"


def score(quality: Quality) -> str:
    """A score with its interval and its metric."""
    low, high = quality.score_interval
    between = f"({low:.4f} to {high:.4f})"
    return f"{quality.score:.4f} {between} {quality.metric}, {quality.count:,} samples"


def place(found: Measured | Comparison) -> list[str]:
    """Where it was measured."""
    fed = "; generated inputs" if found.generated else ""
    where = [where_ran(found.target, found.environment)]
    if isinstance(found, Comparison) and found.second_target != found.target:
        second = where_ran(found.second_target, found.environment)
        where = [f"A {where[0]}", f"B {second}"]
    return [*where[:-1], f"{where[-1]}; {found.environment.cpu}{fed}"]


def where_ran(target: Target, environment: Environment) -> str:
    """A runtime with its version and options, threads and batch."""
    version = environment.runtimes.get(target.runtime, "")
    runtime, *rest = in_words(target).split(", ")
    return ", ".join([f"on {runtime} {version}", *rest, f"batch {target.batch}"])


def shape(sizes: Iterable[object]) -> str:
    """A shape, with what is open as its name or a question mark."""
    return "[" + ", ".join("?" if size is None else str(size) for size in sizes) + "]"


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Names, and values below one another."""
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {value}" for name, value in rows]


def columns(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, left: int = 1) -> list[str]:
    """A table in plain text: the first `left` columns flush left, numbers flush right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return [
        "  "
        + "  ".join(
            f"{cell:<{width}}" if i < left else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
