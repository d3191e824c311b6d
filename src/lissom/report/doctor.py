"""The answer of `doctor` as plain lines for a terminal.

Names of processes and messages of runtimes come from strangers; whoever prints the lines makes them
visible first (`wording.visible`).
"""

from collections.abc import Iterator, Sequence

from lissom.report import wording
from lissom.search.doctor import Diagnosis, RuntimeHealth

__all__ = ["diagnosis_lines"]

TITLES = {"problem": "problem", "missing": "missing", "warning": "warning", "note": "note"}


def diagnosis_lines(found: Diagnosis) -> list[str]:
    """Versions, processor, runtimes, noise, and what to do."""
    here = found.environment
    lines = [f"lissom {here.lissom}, Python {here.python}, {here.system}"]
    lines += aligned(
        [
            *processor_rows(found),
            ("memory", memory(found)),
            ("store", store(found)),
            ("libraries", ", ".join(f"{n} {v or 'absent'}" for n, v in found.libraries.items())),
        ]
    )
    for runtime in found.runtimes:
        lines += ["", *runtime_lines(runtime)]
    if found.noise is not None:
        lines += ["", "noise of the clock, now"]
        lines += [f"  {sentence}" for sentence in found.noise.words]
    busy = ", ".join(f"{one.name} {one.processors:g}" for one in found.busiest)
    if busy:
        lines.append(f"  Processors' time used by others: {busy}.")
    lines += ["", *finding_lines(found)]
    return lines


def processor_rows(found: Diagnosis) -> Iterator[tuple[str, str]]:
    """The processor: its name, its cores, its instructions."""
    machine = found.machine
    yield "processor", found.environment.cpu
    cores = wording.counted(machine.physical, "core")
    threads = f"{machine.usable} of {wording.counted(machine.logical, 'logical processor')}"
    granted = "" if machine.quota is None else f", {machine.quota:g} processors' time granted"
    yield "cores", f"{cores} to use ({threads}{granted})"
    having = [f"{one.name} ({one.words})" for one in found.instructions if one.present]
    lacking = [one.name for one in found.instructions if not one.present]
    yield "it has", "; ".join(having) or "nothing of what counts, or the system does not tell"
    if lacking:
        yield "it lacks", ", ".join(lacking)
    words = {True: "yes: weights are kept in 7 bits", False: "no", None: "not measured"}
    yield "8-bit sums saturate", words[found.saturates]


def memory(found: Diagnosis) -> str:
    """How much there is, and how much of it can be had."""
    machine = found.machine
    limit = "" if machine.limit_bytes is None else f", {wording.size(machine.limit_bytes)} at most"
    whole = wording.size(machine.memory_bytes)
    return f"{wording.size(machine.available_bytes)} free of {whole}{limit}"


def store(found: Diagnosis) -> str:
    """Where results are remembered, and what is free there."""
    free = found.store_free_bytes
    return f"{found.store}" + ("" if free is None else f", {wording.size(free)} free")


def runtime_lines(one: RuntimeHealth) -> list[str]:
    """One runtime: its version, whether it runs, and what it is good at here."""
    if not one.version:
        return [f"{one.name}: not installed"]
    if one.problem:
        return [f"{one.name} {one.version}: does not run"]
    silent = {"off": "telemetry off", "on": "telemetry ON", "unknown": "telemetry unknown"}
    head = f"{one.name} {one.version}: runs, {silent[one.telemetry]}"
    rows = [("8-bit kernels", ", ".join(one.integer_operators) or "none")]
    if one.dynamic_operators:
        rows.append(("quantized at run time", ", ".join(one.dynamic_operators)))
    if one.packed_bits:
        rows.append(("packed weights", f"{', '.join(map(str, one.packed_bits))} bits"))
    rows.append(("arithmetic of floats", ", ".join(("float32", *one.precisions))))
    return [head, *aligned(rows)]


def finding_lines(found: Diagnosis) -> list[str]:
    """What is wrong, missing or worth knowing, each with what to do."""
    if not found.findings:
        return ["Nothing is missing."]
    lines = []
    for one in found.findings:
        lines.append(f"{TITLES[one.kind]}: {one.text}")
        if one.advice:
            lines.append(f"  -> {one.advice}")
    return lines


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Names, and values below one another."""
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {value}" for name, value in rows]
