"""Findings: each follows from what a machine has, and only from that."""

from dataclasses import replace

import pytest

from lissom.measure.load import Load
from lissom.measure.machine import Busy, Machine
from lissom.measure.noise import Noise
from lissom.search.fitness import (
    Finding,
    instructions,
    machine_findings,
    processor_findings,
    space_findings,
)

GIB = 2**30
GOOD = Machine(
    logical=4,
    usable=4,
    physical=4,
    quota=None,
    memory_bytes=16 * GIB,
    available_bytes=8 * GIB,
    limit_bytes=None,
    guest=False,
    governor="performance",
)
CALM = Noise(floor=0.01, interval=(0.99, 1.01), rounds=50, busy=0.0, load=Load())


def present(features: tuple[str, ...]) -> set[str]:
    return {one.name for one in instructions(features) if one.present}


def test_instructions_of_each_family() -> None:
    assert present(("avx", "avx2", "fma")) == {"AVX2"}
    assert present(("avx", "avx2", "avx_vnni")) == {"AVX2", "VNNI"}
    assert "AMX int8" in present(("avx", "avx512f", "avx512_vnni", "amx_int8"))
    assert present(("asimd", "asimddp", "i8mm")) == {"dot product", "i8mm"}
    assert instructions(()) == ()


@pytest.mark.parametrize(
    ("features", "saturates", "words"),
    [
        (("avx", "avx2"), True, "saturate on this processor (it was measured)"),
        (("avx", "avx2"), None, "may saturate"),
        (("avx", "avx2"), False, "no instruction for several 8-bit products"),
        (("asimd",), False, "no instruction for several 8-bit products"),
    ],
)
def test_what_a_processor_lacks(
    features: tuple[str, ...], saturates: bool | None, words: str
) -> None:
    found = processor_findings(instructions(features), saturates=saturates)
    assert any(words in one.text for one in found)


@pytest.mark.parametrize("features", [("avx", "avx2", "avx512_vnni"), ("asimd", "asimddp"), ()])
def test_nothing_to_say_of_a_good_processor(features: tuple[str, ...]) -> None:
    assert processor_findings(instructions(features), saturates=False) == ()


def test_nothing_to_say_of_a_good_machine() -> None:
    assert machine_findings(GOOD, CALM, ()) == ()
    assert machine_findings(GOOD, None, ()) == ()
    assert space_findings(100 * GIB) == ()
    assert space_findings(None) == ()


def only(machine: Machine, noise: Noise = CALM, *busiest: Busy) -> Finding:
    found = machine_findings(machine, noise, busiest)
    assert len(found) == 1
    return found[0]


def test_each_trouble_of_a_machine_is_named() -> None:
    loud = only(GOOD, replace(CALM, floor=0.08), Busy(name="backup", processors=1.5))
    assert "8.0%" in loud.text
    assert "backup (1.5 processors)" in loud.text
    assert loud.kind == "warning"
    assert only(GOOD, replace(CALM, busy=0.3)).advice
    assert "1.5 processors' time and sees 4" in only(replace(GOOD, quota=1.5)).text
    assert "2 of 4 processors" in only(replace(GOOD, usable=2)).text
    assert "virtual machine" in only(replace(GOOD, guest=True)).text
    assert "saves power" in only(replace(GOOD, governor="powersave")).text
    assert "of memory" in only(replace(GOOD, available_bytes=GIB // 2)).text
    assert "of memory" in only(replace(GOOD, limit_bytes=GIB // 2)).text
    assert "--store" in space_findings(GIB)[0].advice


def test_a_finding_is_written() -> None:
    one = Finding(kind="note", text="so")
    assert one.to_json() == {"kind": "note", "text": "so", "advice": ""}
    assert instructions(("avx2",))[0].to_json()["present"] is True
