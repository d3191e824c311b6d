"""What was applied in words: each step once, what was left alone by reason, nothing hidden."""

from pathlib import Path

from lissom.methods.protocol import Skip
from lissom.report.applied import applied_lines
from lissom.search.applied import Applied
from lissom.search.candidate import StepRecord


def made(*steps: StepRecord, samples: int = 0) -> Applied:
    return Applied(
        path=Path("new.onnx"),
        steps=steps,
        original_bytes=4000,
        size_bytes=1000,
        samples=samples,
        seconds=1.0,
    )


def step(edits: int, *skips: tuple[str, str]) -> StepRecord:
    return StepRecord(
        method="quantize.gptq",
        parameters={},
        edits={"EncodeWeight": edits},
        summary=f"{edits} of 5 weights in 4 bits",
        skips=tuple(Skip(target=target, reason=reason) for target, reason in skips),
    )


def test_steps_and_reasons_and_sizes() -> None:
    skips = [(f"conv{number}", "it is small") for number in range(5)]
    assert applied_lines(made(step(2, *skips, ("fc", "it is shared")), samples=64)) == [
        "1. quantize.gptq: 2 of 5 weights in 4 bits",
        "   left alone: conv0, conv1, conv2 and 2 more: it is small",
        "   left alone: fc: it is shared",
        "new.onnx: 4.00 kB before, 1.00 kB now (4.00 times smaller), by 64 samples",
    ]


def test_what_changed_nothing_says_so() -> None:
    lines = applied_lines(made(step(0, ("model", "it is already quantized"))))
    assert lines[0].endswith("; it changed nothing")
    assert "nothing was changed" in lines[-2]
    assert lines[-1].endswith("without samples")
    second = applied_lines(made(step(1), step(0)))
    assert second[1].endswith("; it changed nothing")
    assert not any("nothing was changed" in line for line in second)
