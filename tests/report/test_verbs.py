"""What `inspect`, `measure` and `compare` print."""

from dataclasses import replace

from lissom.graph.model import Port
from lissom.measure.environment import Environment
from lissom.report.verbs import MOST_SITES, comparison_lines, inspection_lines, measured_lines
from lissom.runtime.target import Target
from lissom.search.candidate import OperatorTime
from lissom.search.comparison import Comparison, Measured
from lissom.search.inspection import Inspection, OperatorShare, SiteShare
from lissom.search.roofs import Standing
from tests.measure.made import CEILINGS
from tests.search.made import quality, timing

HERE = Environment(
    cpu="Test CPU",
    cores=2,
    memory_bytes=1,
    system="Linux",
    python="3.11",
    lissom="0.1.0",
    runtimes={"onnxruntime": "1.32.0"},
    cpu_features=(),
)
STANDING = Standing(
    milliseconds=0.5, share=0.9, gflops=57.3, intensity=12.0, roofline=0.57, limit="width"
)
INSPECTED = Inspection(
    file_name="cnn.onnx",
    sha256="0" * 64,
    size_bytes=2_000_000,
    producer="pytorch 2.0",
    file_opset=11,
    opset=17,
    inputs=(Port(name="image", dtype="float32", shape=("batch", 3, None, 8)),),
    outputs=(Port(name="logits", dtype="float32", shape=("batch", 5)),),
    parameters=500_000,
    macs=1_200_000,
    already_quantized=False,
    operators=(OperatorShare(op_type="Conv", count=2, macs=1_200_000, weight_bytes=800),),
    sites=(
        SiteShare(
            name="conv1",
            op_type="Conv",
            shape=(8, 3, 3, 3),
            macs=None,
            weight_bytes=8,
            standing=STANDING,
        ),
    ),
    times=(OperatorTime(op_type="Conv", count=2, milliseconds=0.5, share=0.9),),
    total_ms=0.55,
    ceilings=CEILINGS,
    feed=(("image", (1, 3, 8, 8)),),
    generated=True,
    history=("batch norm folded: 9 to 8 nodes",),
    notes=("something odd",),
)
MEASURED = Measured(
    file_name="cnn.onnx",
    sha256="0" * 64,
    latency=timing(1.0).original,
    throughput_per_second=500.0,
    size_bytes=2_000_000,
    memory_bytes=3_000_000,
    quality=quality(0.0),
    target=Target(threads=2),
    environment=HERE,
    generated=False,
)
COMPARED = Comparison(
    names=("a.onnx", "b.onnx"),
    sha256s=("0" * 64, "1" * 64),
    timing=timing(2.0),
    size_bytes=(8_000_000, 2_000_000),
    memory_bytes=(9_000_000, 3_000_000),
    quality=quality(0.004),
    target=Target(),
    second_target=Target(),
    environment=HERE,
    generated=True,
)


def test_an_inspection() -> None:
    text = "\n".join(inspection_lines(INSPECTED))
    assert "cnn.onnx: 2.00 MB, opset 11 (raised to 17), from pytorch 2.0" in text
    assert "input  image  float32 [batch, 3, ?, 8]" in text
    assert "500 k" in text
    assert "90.0%" in text
    assert "for image [1, 3, 8, 8] (generated)" in text
    assert "loading: batch norm folded" in text
    assert "note: something odd" in text


def test_ceilings_and_what_stands_under_them() -> None:
    text = "\n".join(inspection_lines(INSPECTED))
    assert "ceilings of this machine, 1 thread" in text
    assert "conv1  Conv      0.500 ms  90.0%       57         12          57%       width" in text
    assert "  width: its shape does not fill the kernel" in text
    assert "compute: " not in text
    bare = "\n".join(inspection_lines(replace(INSPECTED, ceilings=None)))
    assert "ceilings" not in bare
    no_times = replace(INSPECTED, sites=(replace(INSPECTED.sites[0], standing=None),))
    assert "against these ceilings" not in "\n".join(inspection_lines(no_times))


def test_long_lists_are_cut_and_say_so() -> None:
    many = replace(INSPECTED, sites=INSPECTED.sites * (MOST_SITES + 5), times=())
    text = "\n".join(inspection_lines(many))
    assert "and 5 more" in text
    assert "time by operator" not in text


def test_a_measurement() -> None:
    text = "\n".join(measured_lines(MEASURED))
    assert "2.00 ms (1.90 ms to 2.10 ms), p90 2.20 ms" in text
    assert "500.0 samples/s" in text
    assert "0.9000 (0.8800 to 0.9200) top1, 1,000 samples" in text
    assert "on onnxruntime 1.32.0, 2 threads, batch 1; Test CPU" in text


def test_a_comparison() -> None:
    text = "\n".join(comparison_lines(COMPARED))
    assert "2.00\u00d7 (1.98 to 2.02)" in text
    assert "8.00 MB and 2.00 MB" in text
    assert "0.40 pt" in text
    assert "generated inputs" in text
    assert "neither is faster" not in text


def test_a_speed_inside_the_noise_is_not_claimed() -> None:
    text = "\n".join(comparison_lines(replace(COMPARED, timing=timing(1.01, 0.98, 1.04))))
    assert "neither is faster: the interval holds 1" in text


def test_a_busy_machine_is_said() -> None:
    busy = replace(MEASURED.latency, busy=0.4)
    lines = measured_lines(replace(MEASURED, latency=busy))
    assert any("for 40% of the time" in line for line in lines)
    timing = replace(COMPARED.timing, candidate=busy)
    assert any("40%" in line for line in comparison_lines(replace(COMPARED, timing=timing)))
    assert not any("Other work" in line for line in measured_lines(MEASURED))
