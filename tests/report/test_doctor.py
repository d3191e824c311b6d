"""The doctor's lines: everything that was found is in them, in words."""

from dataclasses import replace
from pathlib import Path

from lissom.measure.machine import Busy
from lissom.report.doctor import diagnosis_lines
from lissom.search.doctor import Diagnosis, RuntimeHealth
from lissom.search.fitness import Finding, instructions
from tests.report.conftest import environment
from tests.search.test_fitness import CALM, GOOD

ORT = RuntimeHealth(
    name="onnxruntime",
    version="1.32.0",
    integer_operators=("Conv", "MatMul"),
    dynamic_operators=("MatMul",),
    packed_bits=(4, 8),
    telemetry="off",
)
FOUND = Diagnosis(
    environment=environment(),
    libraries={"numpy": "2.4.6", "scipy": ""},
    machine=GOOD,
    instructions=instructions(("avx", "avx2", "avx512_vnni")),
    saturates=False,
    runtimes=(ORT, RuntimeHealth(name="openvino", install="pip install 'lissom[openvino]'")),
    noise=CALM,
    busiest=(Busy(name="backup", processors=0.5),),
    store=Path("cache"),
    store_free_bytes=5 * 10**9,
    findings=(Finding(kind="missing", text="openvino is not installed", advice="pip install it"),),
)


def test_everything_is_said() -> None:
    text = "\n".join(diagnosis_lines(FOUND))
    for words in (
        "AMD EPYC",
        "4 cores to use (4 of 4 logical processors)",
        "VNNI (four 8-bit products in one instruction, exactly)",
        "it lacks",
        "AMX int8",
        "8-bit sums saturate  no",
        "numpy 2.4.6, scipy absent",
        "cache, 5.00 GB free",
        "onnxruntime 1.32.0: runs, telemetry off",
        "8-bit kernels          Conv, MatMul",
        "packed weights         4, 8 bits",
        "openvino: not installed",
        "0.990 to 1.010 times as fast",
        "backup 0.5",
        "missing: openvino is not installed\n  -> pip install it",
    ):
        assert words in text


def test_what_is_not_known_is_not_said() -> None:
    bare = replace(
        FOUND,
        noise=None,
        busiest=(),
        findings=(),
        store_free_bytes=None,
        saturates=None,
        instructions=(),
        machine=replace(GOOD, quota=1.5, limit_bytes=10**9),
        runtimes=(replace(ORT, problem="it crashed"),),
    )
    text = "\n".join(diagnosis_lines(bare))
    assert "noise" not in text
    assert "1.5 processors' time granted" in text
    assert "1.00 GB at most" in text
    assert "not measured" in text
    assert "does not run" in text
    assert text.endswith("Nothing is missing.")
