"""What ONNX Runtime really does on this processor, found by running tiny models.

Runs in a child process, pinned to one processor, once per version and processor; about ten seconds.
An operator counts as integer if its model ran with no more DequantizeLinear than it has answers:
then the operator itself took integers.
"""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from lissom.errors import MeasurementError
from lissom.graph import probe_models
from lissom.graph.probe_recurrent import recurrent
from lissom.runtime._probing import (
    CONVOLUTION,
    ENCODER,
    GAIN,
    HEAVY,
    PRODUCTS,
    Bench,
    asymmetric_weights,
    feeds_of,
    folds_weights,
    named,
    reduce_range,
    weight_only,
)
from lissom.runtime.facts import Facts
from lissom.runtime.onnxruntime import Runtime
from lissom.runtime.target import Target
from lissom.store.hashing import Json

__all__ = ["probe"]

_RECURRENT = (32, 128)  # steps of a sequence, and its width: of a text recognizer
_MOST_ERROR = 0.05  # relative, of an LSTM on integers; a wrong one is off by far more


def probe(*, folder: str) -> Json:
    """Child entry: measure everything, writing models into `folder`; answer facts as JSON."""
    bench = _Bench(Path(folder))
    notes: list[str] = []
    kinds = {name: bench.kind_of(name) for name in probe_models.OPERATORS}
    facts = Facts(
        activation=_activation(bench, notes),
        reduce_range=reduce_range(bench, notes),
        integer_operators=frozenset(name for name, kind in kinds.items() if kind == "integer"),
        passthrough_operators=frozenset(n for n, kind in kinds.items() if kind == "passthrough"),
        absorbed_operators=frozenset(n for n, kind in kinds.items() if kind == "absorbed"),
        weight_only=weight_only(bench, notes),
        dynamic_operators=_dynamic_operators(bench, notes),
        float_answers=_float_answers(bench),
        asymmetric_weights=asymmetric_weights(bench, notes),
        folds_weights=folds_weights(bench, notes),
        precisions=_precisions(bench, notes),
        float16_compute=_float16_compute(bench, notes),
        slow_fusions=_slow_fusions(bench, notes),
        notes=tuple(notes),
    )
    return facts.to_json()


class _Bench(Bench):
    """Says besides which operators of ONNX Runtime ran."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Runtime(), Target())

    def executed(self, model: bytes, feeds: Mapping[str, np.ndarray]) -> Counter[str]:
        """Which operators ran, after the runtime's fusions, and how often."""
        profile = self.folder / "profile.json"
        with self.open(model, profile=profile) as session:
            session.run(feeds)
        return Counter(str(node["op_type"]) for node in self.runtime.node_times(profile))

    def kind_of(self, op_type: str) -> str:
        """Say what an operator between Quantize- and DequantizeLinear becomes.

        "integer", "passthrough", "absorbed", or "float" where it gains nothing.
        """
        model, feeds = probe_models.quantized_operator(op_type, "uint8")
        try:
            ran = self.executed(model, feeds)
        except MeasurementError:
            return "float"  # Not in this version's operators.
        answers = 2 if op_type == "Split" else 1
        if ran["DequantizeLinear"] > answers or ran["QuantizeLinear"] > len(feeds):
            return "float"
        rest = set(ran) - {"QuantizeLinear", "DequantizeLinear", "Identity"}
        if not rest:
            return "absorbed"
        return "passthrough" if rest == {op_type} else "integer"


def _activation(bench: _Bench, notes: list[str]) -> Literal["uint8", "int8"]:
    """Compare activations of both signs over all products; equal within noise means uint8."""
    logs = []
    for shape, weight, groups in PRODUCTS:
        signed = probe_models.integer_product(shape, weight, "int8", groups)
        unsigned = probe_models.integer_product(shape, weight, "uint8", groups)
        gain = bench.gain(signed, unsigned, feeds_of(shape))
        real = bench.gain(
            probe_models.float_product(shape, weight, groups=groups), unsigned, feeds_of(shape)
        )
        logs.append(math.log(gain))
        notes.append(
            f"{named(shape, weight)}: uint8 activations {gain:.2f} x as fast as int8, "
            f"{real:.2f} x as fast as float32"
        )
    return "int8" if math.exp(sum(logs) / len(logs)) < 1 / GAIN else "uint8"


def _dynamic_operators(bench: _Bench, notes: list[str]) -> frozenset[str]:
    faster = set[str]()
    for names, (shape, weight, _) in ((("Gemm", "MatMul"), ENCODER), (("Conv",), CONVOLUTION)):
        gain = bench.gain(
            probe_models.float_product(shape, weight),
            probe_models.dynamic_product(shape, weight),
            feeds_of(shape),
        )
        notes.append(
            f"{' and '.join(names)} quantized at run time: {gain:.2f} x as fast as float32"
        )
        if gain > GAIN:
            faster.update(names)
    if _is_lstm_faster(bench, notes):
        faster.add("LSTM")
    return frozenset(faster)


def _is_lstm_faster(bench: _Bench, notes: list[str]) -> bool:
    """See whether the LSTM on integers answers what the float one does, and sooner."""
    steps, width = _RECURRENT
    feeds = feeds_of((steps, 1, width))
    real, rounded = (recurrent(steps, width, integers=integers) for integers in (False, True))
    try:
        with bench.open(real) as one, bench.open(rounded) as other:
            expected, found = one.run(feeds)["y"], other.run(feeds)["y"]
    except MeasurementError:
        notes.append("LSTM quantized at run time: not available")
        return False
    error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    gain = bench.gain(real, rounded, feeds)
    notes.append(
        f"LSTM quantized at run time: {gain:.2f} x as fast as float32, relative error {error:.3f}"
    )
    return error < _MOST_ERROR and gain > GAIN


def _float_answers(bench: _Bench) -> frozenset[str]:
    """Products whose integer kernel also answers in float: then nothing is converted behind it."""
    found = set[str]()
    for name in HEAVY:
        model, feeds = probe_models.quantized_operator(name, "uint8", rounded=False)
        ran = bench.executed(model, feeds)
        if not ran["DequantizeLinear"] and not ran[name]:
            found.add(name)
    return frozenset(found)


def _precisions(
    bench: _Bench, notes: list[str]
) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """See whether float products can be had in bfloat16: processors of ARM have the kernel."""
    options = (("mlas.enable_gemm_fastmath_arm64_bfloat16", "1"),)
    narrow = Target(options=options)
    shape, weight, _ = ENCODER
    model, feeds = probe_models.float_product(shape, weight), feeds_of(shape)
    with bench.open(model) as one, bench.open(model, target=narrow) as other:
        same = np.array_equal(one.run(feeds)["y"], other.run(feeds)["y"])
    if same:
        return ()
    gain = bench.gain(model, model, feeds, narrow)
    notes.append(f"arithmetic in bfloat16: {gain:.2f} x as fast as float32 (MatMul)")
    return (("bf16", options),) if gain > GAIN else ()


def _float16_compute(bench: _Bench, notes: list[str]) -> bool:
    gains = []
    for shape, weight, _ in (ENCODER, CONVOLUTION):
        try:
            gains.append(
                bench.gain(
                    probe_models.float_product(shape, weight),
                    probe_models.float_product(shape, weight, "float16"),
                    feeds_of(shape),
                )
            )
        except MeasurementError:
            notes.append("arithmetic in float16: not available")
            return False
    notes.append(
        "arithmetic in float16: "
        + ", ".join(f"{gain:.2f}" for gain in gains)
        + " x as fast as float32 (MatMul, Conv)"
    )
    return min(gains) > GAIN


def _slow_fusions(bench: _Bench, notes: list[str]) -> tuple[str, ...]:
    """See whether the fusion of Add and LayerNormalization is slower than the two apart."""
    shape = (1, 128, 384)
    feeds = {"x": feeds_of(shape)["x"], "x2": feeds_of(shape)["x"] + np.float32(1)}
    gain = bench.gain(
        probe_models.float_residual_norm("Add", shape),
        probe_models.float_residual_norm("Sum", shape),
        feeds,
    )
    notes.append(f"Sum before LayerNormalization: {gain:.2f} x as fast as Add, which is fused")
    return ("SkipLayerNormFusion",) if gain > GAIN else ()
