"""Realistic results to report on: the numbers of one small VGG, and ways to bend them."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lissom.measure.environment import Environment
from lissom.measure.latency import Latency, Timing
from lissom.measure.quality import Quality
from lissom.methods.protocol import Skip
from lissom.report.document import document, from_json, to_json
from lissom.runtime.target import Target
from lissom.search.candidate import Candidate, OperatorTime, StepRecord
from lissom.search.limits import Limits
from lissom.search.result import Choice, DataFacts, ModelFacts, NotTried, Result

RECIPE = """lissom: 1
name: {name}
seed: 0
steps:
- method: {method}
  parameters: {{}}
"""

MEANING = (
    "The drop is expected, not measured: the mean of p(the likeliest class by the original) - p(by "
    "the candidate), under the original's own probabilities, at a temperature of 0.81, where the "
    "original is as sure on average as it is known to be right (92.80%). The disagreement is how "
    "often the likeliest class differs from the original's: 0.46%."
)


def latency(median_ms: float) -> Latency:
    return Latency(
        median_ms=median_ms,
        p90_ms=median_ms * 1.17,
        interval_ms=(median_ms * 0.98, median_ms * 1.02),
        runs=2400,
    )


def timing(median_ms: float, *, half_width: float = 0.02) -> Timing:
    speedup = 0.744 / median_ms
    return Timing(
        original=latency(0.744),
        candidate=latency(median_ms),
        speedup=speedup,
        speedup_interval=(speedup * (1 - half_width), speedup * (1 + half_width)),
        rounds=31,
        environment="e" * 64,
    )


def quality(drop: float, *, half_width: float = 0.0012) -> Quality:
    return Quality(
        metric="top1",
        count=2950,
        score=0.928 - drop,
        score_interval=(0.918 - drop, 0.937 - drop),
        drop=drop,
        drop_kind="expected",
        drop_interval=(drop - half_width, drop + half_width),
        disagreement=abs(drop) * 2.6 + 0.003,
        disagreement_interval=(abs(drop) * 2.0 + 0.001, abs(drop) * 3.0 + 0.006),
        meaning=MEANING,
    )


def operators(*rows: tuple[str, int, float]) -> tuple[OperatorTime, ...]:
    whole = sum(row[2] for row in rows)
    return tuple(
        OperatorTime(op_type=name, count=count, milliseconds=ms, share=ms / whole)
        for name, count, ms in rows
    )


FLOAT_OPERATORS = operators(
    ("FusedConv", 6, 0.571),
    ("FusedGemm", 1, 0.118),
    ("MaxPool", 3, 0.031),
    ("ReorderOutput", 1, 0.009),
    ("Gemm", 1, 0.004),
    ("Flatten", 1, 0.002),
)
INTEGER_OPERATORS = operators(
    ("QLinearConv", 6, 0.139),
    ("QGemm", 2, 0.041),
    ("QuantizeLinear", 1, 0.019),
    ("MaxPool", 3, 0.013),
    ("Transpose", 2, 0.011),
    ("DequantizeLinear", 1, 0.003),
)
DYNAMIC_OPERATORS = operators(
    ("ConvInteger", 6, 4.31),
    ("DynamicQuantizeLinear", 8, 0.22),
    ("Mul", 12, 0.20),
    ("MatMulInteger", 2, 0.09),
)


def candidate(
    name: str,
    method: str,
    milliseconds: float,
    drop: float | None,
    size_bytes: int | None,
    **changes: Any,
) -> Candidate:
    values: dict[str, Any] = {
        "name": name,
        "title": f"{method} over the whole model",
        "recipe": SimpleNamespace(to_yaml=lambda: RECIPE.format(name=name, method=method)),
        "steps": (
            StepRecord(
                method=method,
                parameters={"ranges": "mse", "per_channel": True},
                edits={"EncodeWeight": 8, "QuantizeActivation": 9},
                summary="8 of 8 weighted operators, 9 activations",
                skips=(Skip(target="/head/Softmax", reason="no integer kernel in this runtime"),),
            ),
        ),
        "target": Target(),
        "file": None,
        "sha256": "5e" * 32,
        "quality": None if drop is None else quality(drop),
        "timing": timing(milliseconds),
        "size_bytes": size_bytes,
        "memory_bytes": int(12e6 + 2.2 * (size_bytes or 0)),
        "macs": 41_200_000,
        "parameters": 2_117_450,
        "seconds": 11.4,
    }
    return Candidate(**(values | changes))


def environment() -> Environment:
    return Environment(
        cpu="AMD EPYC 9555P 64-Core Processor",
        cores=2,
        memory_bytes=25_276_063_744,
        system="Linux 6.1 x86_64",
        python="3.11.7",
        lissom="0.1.0",
        runtimes={"onnxruntime": "1.32.0", "onnx": "1.23.2"},
        cpu_features=("avx2", "avx512f", "avx512_vnni", "avx512_bf16"),
    )


def original(**changes: Any) -> Candidate:
    values: dict[str, Any] = {
        "steps": (),
        "title": "the model as it was given",
        "quality": None,
        "operators": FLOAT_OPERATORS,
        "timing": timing(0.744),
        "memory_bytes": 31_400_000,
        "sha256": "0a" * 32,
    }
    return candidate("original", "none", 0.744, None, 8_495_657, **(values | changes))


def candidates() -> tuple[Candidate, ...]:
    return (
        candidate(
            "runtime-fusion", "optimize.runtime_fusion", 0.738, 0.0, 8_471_020,
            quality=None, lossless=True, max_relative_error=2.1e-7, operators=FLOAT_OPERATORS,
        ),
        candidate("float16", "quantize.float16", 0.761, 0.0000, 4_251_310),
        candidate(
            "int8-static-mse", "quantize.static", 0.223, 0.0006, 2_167_004,
            operators=INTEGER_OPERATORS,
        ),
        candidate("int8-static-minmax", "quantize.static", 0.229, 0.0019, 2_166_980),
        candidate(
            "int8-dynamic", "quantize.dynamic", 4.92, 0.0004, 2_160_120,
            operators=DYNAMIC_OPERATORS,
            remarks=(
                "6 ConvInteger nodes take 4.31 ms where the float convolutions took 0.571 ms "
                "(7.5x): the runtime has no fast kernel for dynamically quantized convolution.",
            ),
        ),
        candidate("int4-weights", "quantize.weight_only", 0.702, 0.0131, 1_214_009),
        candidate("int4-all", "quantize.weight_only", 0.655, 0.0940, 1_130_770),
        candidate(
            "int8-weights", "quantize.weight_only", 0.75, None, None,
            timing=None, memory_bytes=None,
            failed="the runtime refused the model: no kernel for MatMulNBits with bits=8",
        ),
    )  # fmt: skip


def result(**changes: Any) -> Result:
    values: dict[str, Any] = {
        "model": ModelFacts(
            file_name="fmnist_vgg.onnx",
            sha256="0a" * 32,
            size_bytes=8_495_657,
            producer="pytorch 2.13.0",
            opset=17,
            already_quantized=False,
            history=("opset raised from 13 to 17", "2 identities removed"),
        ),
        "data": DataFacts(
            fingerprint="d4" * 32,
            count=6000,
            labels=False,
            calibration=300,
            selection=2950,
            certification=2750,
        ),
        "original": original(),
        "candidates": candidates(),
        "front": (
            "int8-static-mse",
            "int4-all",
            "int4-weights",
            "runtime-fusion",
        ),
        "choice": Choice(
            name="int8-static-mse",
            met=True,
            reasons=(
                "int8-static-mse is the best on speed within the limits: 3.34x the original's "
                "speed (3.27 to 3.40), 2.17 MB, drop 0.06 points.",
            ),
        ),
        "limits": Limits(max_drop=0.01, max_size_bytes=4_000_000, budget_seconds=600),
        "target": Target(),
        "environment": environment(),
        "not_tried": (
            NotTried(name="int8-static-percentile", reason="the time budget of 10m was used up"),
        ),
        "seconds": 97.3,
        "finished": True,
        "folder": Path("somebody/out"),
        "delivered": Path("somebody/out/model.onnx"),
    }
    return Result(**(values | changes))


def returned_original(*, met: bool = True) -> Result:
    reason = (
        "The original is returned: nothing within the limits is faster beyond the noise; the "
        "nearest was float16."
    )
    return result(
        candidates=tuple(one for one in candidates() if one.name in ("float16", "int8-dynamic")),
        front=("original", "float16"),
        choice=Choice(name="original", met=met, reasons=(reason,)),
        limits=Limits(max_drop=0.01, max_latency_ms=None if met else 0.2),
        delivered=Path("somebody/out/model.onnx") if met else None,
    )


def without_data() -> Result:
    bare = tuple(
        dataclasses.replace(one, quality=None) for one in candidates() if "static" not in one.name
    )
    return result(
        data=None,
        limits=Limits(max_drop=0.01),
        candidates=bare,
        front=("runtime-fusion", "float16", "int4-all"),
        choice=Choice(name="runtime-fusion", met=True, reasons=("It loses nothing.",)),
        notes=("quality was not measured: no samples were given",),
    )


@pytest.fixture
def make_result() -> Any:
    """A factory of results; keyword arguments replace fields."""
    return result


@pytest.fixture
def make_candidate() -> Any:
    """A factory of candidates: name, method, milliseconds, drop, size; keywords replace fields."""
    return candidate


@pytest.fixture(params=["full", "original", "missed", "bare"])
def any_result(request: pytest.FixtureRequest) -> Result:
    """Each kind of outcome: a gain, the original, limits not met, no samples."""
    kinds = {
        "full": result,
        "original": returned_original,
        "missed": lambda: returned_original(met=False),
        "bare": without_data,
    }
    return kinds[request.param]()


@pytest.fixture
def full_document() -> Any:
    """The document of a run with gains, failures and candidates that were beaten."""
    return document(result())


def certificate(kind: str, verdict: str, bound: float, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "quantity": "drop", "kind": kind, "limit": 0.01, "unit": "score", "estimate": 0.003,
        "bound": bound, "confidence": 0.95, "verdict": verdict, "count": 2750,
        "more_samples": None, "place": 1, "assumption": "the samples are drawn independently",
        "sentence": f"With 95% confidence the {kind} is at most {100 * bound:.2f} points.",
    }  # fmt: skip
    return values | changes


def rich() -> Any:
    """A document in which everything is there: certificates, promises, steps, gaps, noise."""
    content: Any = document(result())
    entry = content["front"][0]
    for one in (*content["front"], *content["others"]):
        if one["name"] != "original":
            one["predicted_speedup"] = 1.3 * max(one["speedup"], 0.8)
    entry["certificates"] = [
        certificate("bound", "too few samples", 0.031, more_samples=900),
        certificate("expected", "held", 0.0082),
        certificate(
            "measured", "held", 2_167_004, quantity="size", unit="bytes", confidence=1.0,
            limit=4_000_000, estimate=2_167_004, sentence="The size is 2,167,004 bytes.",
        ),
    ]  # fmt: skip
    entry["ladder"] = [
        {"step": "optimize.fusion(residual=measured)", "promised_speedup": 1.3, "speedup": 1.25,
         "speedup_interval": [1.24, 1.27], "size_bytes": 8_471_020, "drop": 0.0},
        {"step": "quantize.static(ranges=mse)", "promised_speedup": 4.6, "speedup": 3.34,
         "speedup_interval": [3.27, 3.40], "size_bytes": 2_167_004, "drop": 0.0006},
    ]  # fmt: skip
    entry["gaps"] = [
        {"operator": "Conv", "count": 6, "before_ms": 0.571, "promised_ms": 0.09,
         "after_ms": 0.139, "reason": "width", "words": "6 QLinearConv reach 96 GFLOP/s."},
        {"operator": "Quantize / dequantize", "count": 2, "before_ms": 0.0, "promised_ms": 0.0,
         "after_ms": 0.022, "reason": "conversion", "words": "2 nodes take 0.022 ms."},
        {"operator": "MaxPool", "count": 3, "before_ms": 0.031, "promised_ms": 0.014,
         "after_ms": 0.013, "reason": "none", "words": "0.013 ms, as promised."},
    ]  # fmt: skip
    content["noise"] = {
        "floor": 0.006, "interval": [0.996, 1.004], "rounds": 41, "busy": True,
        "busy_share": 0.03, "others_share": 0.22, "waited_seconds": 12.0, "stopped_seconds": 0.0,
    }  # fmt: skip
    return from_json(to_json(content))


@pytest.fixture
def rich_document() -> Any:
    """The document of `rich`."""
    return rich()
