"""Reading the processor, from texts of several systems and from this one."""

import os

import pytest

from lissom.runtime import processor

X86 = """processor\t: 0
model name\t: Some CPU @ 2 GHz
flags\t\t: fpu avx2 avx512_vnni amx_int8

processor\t: 1
model name\t: Other
flags\t\t: sse
"""
ARM = """processor : 0
Features : fp asimd asimddp i8mm
CPU implementer : 0x41
CPU part : 0xd40
"""


def test_x86() -> None:
    name, flags = processor._read_linux(X86)
    assert name == "Some CPU @ 2 GHz"
    assert {"avx2", "avx512_vnni", "amx_int8"} <= flags


def test_arm_has_no_name_but_a_part() -> None:
    name, flags = processor._read_linux(ARM)
    assert name == "ARM implementer 0x41 part 0xd40"
    assert {"asimddp", "i8mm"} <= flags


def test_an_empty_file_tells_nothing() -> None:
    assert processor._read_linux("") == ("", set())


def test_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        stdout = (
            "machdep.cpu.brand_string: Apple M2\n"
            "hw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_BF16: 0\n"
            "hw.optional.arm.FEAT_I8MM: 1\n"
        )

    monkeypatch.setattr(processor.subprocess, "run", lambda *args, **options: Done)
    name, flags = processor._read_mac()
    assert name == "Apple M2"
    assert {"asimddp", "i8mm"} <= flags
    assert "bf16" not in flags


def test_this_machine() -> None:
    here = processor.current()
    assert here.name
    assert here.architecture
    assert here.fingerprint == processor.current().fingerprint
    other = processor.Processor(name=here.name, architecture="x", features=here.features)
    assert other.fingerprint != here.fingerprint


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot bind")
def test_the_library_sees_every_processor_and_the_binding_stays():
    before = os.sched_getaffinity(0)
    one = {max(before)}
    os.sched_setaffinity(0, one)
    try:
        with processor.unbound():
            seen = os.sched_getaffinity(0)
        assert os.sched_getaffinity(0) == one
        assert seen >= before
    finally:
        os.sched_setaffinity(0, before)
