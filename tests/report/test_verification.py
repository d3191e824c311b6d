"""The answer of `verify` in plain lines."""

from dataclasses import replace
from typing import Final

import numpy as np

from lissom.measure.certificate import certify, measured
from lissom.measure.environment import current
from lissom.report.verification import verification_lines
from lissom.runtime.target import Target
from lissom.search.limits import Limits
from lissom.search.verification import Verification
from tests.search.made import quality, timing

(HELD,) = certify([np.zeros(1000)], 0.01)
SIZE = measured("size", 900, 1000)
VERIFIED: Final = Verification(
    file_name="model.onnx",
    against="net.onnx",
    sha256s=("a" * 64, "b" * 64),
    verdict="held",
    reasons=(HELD.sentence(),),
    certificates=(HELD, SIZE),
    share=1.0,
    limits=Limits(max_drop=0.01, max_size_bytes=1000),
    timing=timing(2.0),
    size_bytes=(3000, 900),
    memory_bytes=(30_000, 9000),
    quality=quality(0.002),
    promised_speedup=2.1,
    promised_drop=0.001,
    target=Target(threads=2, options=(("fast", "1"),)),
    reference=Target(),
    environment=current(),
    count=1000,
    left_out=20,
    notes=("a note",),
)


def test_everything_is_said_once() -> None:
    text = "\n".join(verification_lines(VERIFIED))
    for part in (
        "held: every limit is held",
        "1,000 certify, 20 left out",
        "the run had measured 2.10",
        "0.20 pt",
        "the run had 0.10 pt",
        "Beside it:",
        "The size is at most 900 bytes",
        "2 threads (fast=1); the original on onnxruntime, 1 thread",
        "a note",
    ):
        assert text.count(part) == 1, part


def test_without_labels_and_without_a_run() -> None:
    values = np.zeros(1000)
    kinds = [certify([values], 0.01, kind=kind)[0] for kind in ("bound", "expected")]
    found = replace(
        VERIFIED, quality=None, certificates=tuple(kinds), reasons=(), verdict="too few samples",
        promised_speedup=None, promised_drop=None,
    )  # fmt: skip
    text = "\n".join(verification_lines(found))
    assert "too few samples to tell" in text
    assert "differ " in text
    assert "expected drop " in text
    assert "the run" not in text
