"""What a machine's parts mean for measuring and for small models, as findings in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from lissom.measure.machine import Busy, Machine
from lissom.measure.noise import Noise
from lissom.search.units import format_bytes

__all__ = [
    "Finding",
    "Instruction",
    "instructions",
    "machine_findings",
    "processor_findings",
    "space_findings",
]

Kind = Literal["problem", "missing", "warning", "note"]
NOISY: Final = 0.03
LEAST_FREE_BYTES: Final = 2 * 2**30
LEAST_MEMORY_BYTES: Final = 2**30

X86: Final = (
    ("AVX2", ("avx2",), "256-bit vectors"),
    ("AVX-512", ("avx512f",), "512-bit vectors"),
    ("VNNI", ("avx512_vnni", "avx_vnni"), "four 8-bit products in one instruction, exactly"),
    ("AMX int8", ("amx_int8",), "a matrix unit for 8-bit integers"),
    ("bfloat16", ("avx512_bf16", "amx_bf16"), "arithmetic in half the bytes"),
    ("float16", ("avx512_fp16", "amx_fp16"), "arithmetic in half the bytes"),
)
ARM: Final = (
    ("dot product", ("asimddp",), "four 8-bit products in one instruction, exactly"),
    ("i8mm", ("i8mm",), "8-bit matrix products"),
    ("float16", ("asimdhp", "fphp"), "arithmetic in half the bytes"),
    ("bfloat16", ("bf16",), "arithmetic in half the bytes"),
    ("SVE", ("sve", "sve2"), "longer vectors"),
    ("SME", ("sme", "sme2"), "a matrix unit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong, absent or worth knowing.

    Attributes:
        kind: `problem`: something does not work. `missing`: it could be installed. `warning`:
            numbers suffer. `note`: worth knowing.
        text: what it is.
        advice: what to do about it; empty where there is nothing to do.
    """

    kind: Kind
    text: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {"kind": self.kind, "text": self.text, "advice": self.advice}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """Instructions that decide on the speed of small models.

    Attributes:
        name: as people call them.
        present: the processor has them.
        words: what they are.
    """

    name: str
    present: bool
    words: str

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {"name": self.name, "present": self.present, "words": self.words}


def instructions(features: Sequence[str]) -> tuple[Instruction, ...]:
    """What a processor has of what counts here; nothing where the system tells no features.

    Args:
        features: as `runtime.processor` names them.
    """
    table = X86 if "avx" in features or "avx2" in features else ARM
    if not features:
        return ()
    return tuple(
        Instruction(name=name, present=any(each in features for each in having), words=words)
        for name, having, words in table
    )


def processor_findings(
    table: Sequence[Instruction], *, saturates: bool | None
) -> tuple[Finding, ...]:
    """What the instructions mean.

    Args:
        table: as `instructions` answers.
        saturates: 8-bit products were seen to saturate; None if it was not measured.
    """
    has = {one.name: one.present for one in table}
    found = []
    if saturates:
        found.append(
            Finding(
                kind="warning",
                text="Sums of two 8-bit products saturate on this processor (it was measured): "
                "Lissom keeps weights in 7 bits, and integers gain little.",
                advice="Compress on the kind of processor that will run the model.",
            )
        )
    elif saturates is None and has.get("AVX2") and not has.get("VNNI"):
        found.append(
            Finding(
                kind="warning",
                text="The processor has AVX2 without VNNI: sums of two 8-bit products may "
                "saturate. It could not be measured.",
            )
        )
    exact = has.get("VNNI", has.get("dot product"))
    if exact is False and not saturates:
        found.append(
            Finding(
                kind="note",
                text="The processor has no instruction for several 8-bit products at once: "
                "integers gain little here.",
            )
        )
    return tuple(found)


def machine_findings(
    machine: Machine, noise: Noise | None, busiest: Sequence[Busy]
) -> tuple[Finding, ...]:
    """What stands in the way of numbers that hold.

    Args:
        machine: as it is now.
        noise: of the clock; None if it could not be measured.
        busiest: the processes that use the processor most.
    """
    found = [*noise_findings(noise, busiest), *share_findings(machine)]
    if machine.guest:
        found.append(
            Finding(
                kind="note",
                text="This is a virtual machine: what other guests do is not seen from here, and "
                "it may hide instructions of the processor.",
            )
        )
    if machine.governor == "powersave":
        found.append(
            Finding(
                kind="note",
                text="The system saves power: the processor's clock follows the load slowly.",
                advice="Rounds cancel it between two models; plain latencies are higher for it.",
            )
        )
    least = min(machine.available_bytes, machine.limit_bytes or machine.available_bytes)
    if least < LEAST_MEMORY_BYTES:
        found.append(
            Finding(
                kind="warning",
                text=f"Only {format_bytes(least)} of memory can be had: large models will fail.",
            )
        )
    return tuple(found)


def space_findings(free_bytes: int | None) -> tuple[Finding, ...]:
    """What free space, where results are remembered, means."""
    if free_bytes is None or free_bytes >= LEAST_FREE_BYTES:
        return ()
    return (
        Finding(
            kind="warning",
            text=f"Only {format_bytes(free_bytes)} are free where results are remembered.",
            advice="Make room, or give another folder with --store.",
        ),
    )


def noise_findings(noise: Noise | None, busiest: Sequence[Busy]) -> tuple[Finding, ...]:
    """What the clock's noise means, and who makes it."""
    if noise is None or not (noise.floor > NOISY or noise.disturbed):
        return ()
    who = ", ".join(f"{one.name} ({one.processors:g} processors)" for one in busiest)
    return (
        Finding(
            kind="warning",
            text=f"The clock is noisy now: differences of speed under {100 * noise.floor:.1f}% "
            "cannot be told." + (f" Busy: {who}." if who else ""),
            advice="Measure when other work has ended.",
        ),
    )


def share_findings(machine: Machine) -> tuple[Finding, ...]:
    """What it means that not all of the machine's processors may be used."""
    found = []
    if machine.quota is not None and machine.quota < machine.usable:
        found.append(
            Finding(
                kind="warning",
                text=f"This container may use {machine.quota:g} processors' time and sees "
                f"{machine.usable}: with more threads than that it is stopped again and again.",
                advice="Give it whole processors, or use no more threads than it has.",
            )
        )
    elif machine.usable < machine.logical:
        found.append(
            Finding(
                kind="note",
                text=f"This process may use {machine.usable} of {machine.logical} processors.",
            )
        )
    return tuple(found)
