"""What `lissom doctor` tells: whether this machine is fit to measure on, and what is missing.

Nothing here raises for what it finds: a runtime that does not load, a store that cannot be written
and a machine that is never quiet are findings, each with what to do about it.
"""

import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from lissom.demo import files
from lissom.errors import LissomError
from lissom.graph import probe_models
from lissom.graph.load import load
from lissom.isolate.child import ChildLimits, call
from lissom.measure.environment import Environment, current
from lissom.measure.generated import latency_feed
from lissom.measure.machine import Busy, Machine, busiest, free_bytes, look
from lissom.measure.noise import Noise, measure_noise
from lissom.runtime import registry
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.search.fitness import (
    Finding,
    Instruction,
    instructions,
    machine_findings,
    processor_findings,
    space_findings,
)
from lissom.store.store import Store

__all__ = ["Diagnosis", "RuntimeHealth", "diagnose"]

LIBRARIES: Final = ("numpy", "scipy", "onnx", "onnx-ir", "onnxscript", "psutil", "pydantic")
INSTALL: Final[Mapping[str, str]] = {
    "onnxruntime": "pip install onnxruntime",
    "openvino": "pip install 'lissom[openvino]'",
}
NOISE_SECONDS: Final = 2.0
"""As long as a candidate is timed in a run."""
SEVERITY: Final = ("problem", "missing", "warning", "note")
SENDER: Final = "openvino_telemetry"
INSTALLED: Final = "installed"
LIMITS: Final = ChildLimits(seconds=120.0)

Telemetry = Literal["off", "on", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeHealth:
    """One runtime on this machine.

    Attributes:
        name: of the runtime.
        version: installed; empty if it is not.
        problem: why it cannot run a model; empty if it ran one.
        integer_operators: with kernels for 8-bit integers.
        dynamic_operators: that are faster when their inputs are quantized at run time.
        packed_bits: of weights that stay packed while the model runs.
        precisions: narrower arithmetic of floats that is faster here, such as bf16.
        measured: what all this rests on, one line each.
        telemetry: whether it would send anything after Lissom has loaded it.
        install: the line that installs it.
    """

    name: str
    version: str = ""
    problem: str = ""
    integer_operators: tuple[str, ...] = ()
    dynamic_operators: tuple[str, ...] = ()
    packed_bits: tuple[int, ...] = ()
    precisions: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    telemetry: Telemetry = "unknown"
    install: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "name": self.name,
            "version": self.version,
            "problem": self.problem,
            "integer_operators": list(self.integer_operators),
            "dynamic_operators": list(self.dynamic_operators),
            "packed_bits": list(self.packed_bits),
            "precisions": list(self.precisions),
            "measured": list(self.measured),
            "telemetry": self.telemetry,
            "install": self.install,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What `doctor` answers.

    Attributes:
        environment: the machine and the versions that measurements depend on.
        libraries: version of each library that Lissom stands on; empty for an absent one.
        machine: what there is, and what this process may use.
        instructions: what integer and half-precision kernels choose by.
        saturates: 8-bit products were seen to saturate; None where it could not be measured.
        runtimes: all that Lissom knows, installed or not.
        noise: of the clock now, on the small network that comes with Lissom; None if it could not
            be measured, and a finding says why.
        busiest: the processes that use the processor most.
        store: the folder where results are remembered.
        store_free_bytes: free space there; None where the system does not tell.
        findings: what is wrong, missing or worth knowing, the worst first.
    """

    environment: Environment
    libraries: Mapping[str, str]
    machine: Machine
    instructions: tuple[Instruction, ...]
    saturates: bool | None
    runtimes: tuple[RuntimeHealth, ...]
    noise: Noise | None
    busiest: tuple[Busy, ...]
    store: Path
    store_free_bytes: int | None
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "environment": self.environment.to_json(),
            "libraries": dict(self.libraries),
            "machine": self.machine.to_json(),
            "instructions": [one.to_json() for one in self.instructions],
            "saturates": self.saturates,
            "runtimes": [one.to_json() for one in self.runtimes],
            "noise": None if self.noise is None else self.noise.to_json(),
            "busiest": [one.to_json() for one in self.busiest],
            "store": str(self.store),
            "store_free_bytes": self.store_free_bytes,
            "findings": [one.to_json() for one in self.findings],
        }


def diagnose(place: Path) -> Diagnosis:
    """Look at this machine. The first time on it takes as long as probing its runtimes does.

    Args:
        place: the folder of the store; what was probed is remembered there, if it can be written.
    """
    troubles: list[Finding] = []
    with ExitStack() as stack:
        store = usable_store(place, stack, troubles)
        noise = noise_now(store, troubles)
        busy = busiest()
        pairs = [health(name, store) for name in registry.runtimes()]
    here, machine, free = current(), look(), free_space(place)
    table = instructions(here.cpu_features)
    probed = [facts for _, facts in pairs if facts is not None]
    saturates = any(facts.reduce_range for facts in probed) if probed else None
    runtimes = tuple(one for one, _ in pairs)
    found = (
        *troubles,
        *runtime_findings(runtimes),
        *processor_findings(table, saturates=saturates),
        *machine_findings(machine, noise, busy),
        *space_findings(free),
    )
    return Diagnosis(
        environment=here,
        libraries={name: version(name) for name in LIBRARIES},
        machine=machine,
        instructions=table,
        saturates=saturates,
        runtimes=runtimes,
        noise=noise,
        busiest=busy,
        store=place,
        store_free_bytes=free,
        findings=tuple(sorted(found, key=lambda one: SEVERITY.index(one.kind))),
    )


def usable_store(place: Path, stack: ExitStack, troubles: list[Finding]) -> Store:
    """The store, or one for this moment where that cannot be written; why is noted."""
    try:
        store = Store(place)
        store.put_json(store.key("doctor", {}), {}, kind="doctor", inputs={})
    except (LissomError, OSError) as error:
        text = f"Results cannot be remembered in {place}: {' '.join(str(error).split())}"
        troubles.append(Finding(kind="problem", text=text, advice="Give another one: --store."))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lissom-doctor-"))
        return Store(Path(folder))
    return store


def noise_now(store: Store, troubles: list[Finding]) -> Noise | None:
    """The clock's noise just now, on the machine as it is; None if it cannot be measured."""
    model = files.paths().model
    try:
        ports = load(model, store).inputs
        feed = latency_feed(None, model, ports, Target(), store)
        return measure_noise(model, feed, Target(), store, seconds=NOISE_SECONDS)
    except LissomError as error:
        text = f"The clock's noise cannot be measured: {' '.join(str(error).split())}"
        troubles.append(Finding(kind="problem", text=text))
        return None


def health(name: str, store: Store) -> tuple[RuntimeHealth, Facts | None]:
    """One runtime: whether it runs a model, and what was measured of it; None if it cannot run."""
    runtime = registry.load(name)
    bare = RuntimeHealth(name=name, install=INSTALL.get(name, ""))
    if not runtime.available():
        return bare, None
    try:
        with store.scratch() as folder:
            found = call(
                "lissom.search.doctor:tried",
                {"runtime": name, "folder": str(folder.resolve())},
                limits=LIMITS,
            )
        facts = runtime.facts(store)
        known = replace(bare, version=runtime.version(), telemetry=found["telemetry"])
    except LissomError as error:
        return replace(bare, version=INSTALLED, problem=" ".join(str(error).split())), None
    precisions = [short for short, _ in facts.precisions]
    if facts.float16_compute and "f16" not in precisions:
        precisions.append("f16")
    offering = replace(
        known,
        integer_operators=tuple(sorted(facts.integer_operators)),
        dynamic_operators=tuple(sorted(facts.dynamic_operators)),
        packed_bits=tuple(sorted({bits for bits, _ in facts.weight_only})),
        precisions=tuple(precisions),
        measured=facts.notes,
    )
    return offering, facts


def tried(*, runtime: str, folder: str) -> dict[str, str]:
    """Child entry: run a tiny model, and see whether the library was kept silent."""
    path = Path(folder) / "tiny.onnx"
    path.write_bytes(probe_models.float_product((1, 4), (4, 4)))
    with registry.load(runtime).open(path, Target(runtime=runtime)) as session:
        session.run({"x": np.zeros((1, 4), np.float32)})
    silent = sys.modules.get(SENDER) is None
    if runtime == "onnxruntime":
        silent = silent and os.environ.get("ORT_DISABLE_TELEMETRY") == "1"
    return {"telemetry": "off" if silent else "on"}


def runtime_findings(runtimes: Sequence[RuntimeHealth]) -> Iterator[Finding]:
    """What is wrong with runtimes, and which could be installed."""
    for one in runtimes:
        if not one.version:
            yield Finding(
                kind="missing",
                text=f"{one.name} is not installed; it may be faster on this processor, and "
                "--target auto would try it.",
                advice=one.install,
            )
        elif one.problem:
            yield Finding(
                kind="problem",
                text=f"{one.name} cannot run a model: {one.problem}",
                advice=one.install,
            )
        elif one.telemetry == "on":
            yield Finding(kind="problem", text=f"{one.name} would send data: it is not silenced.")


def free_space(place: Path) -> int | None:
    """Free space for the store; None where the system does not tell."""
    try:
        return free_bytes(place)
    except OSError:
        return None


def version(name: str) -> str:
    """The version of a library; empty if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
