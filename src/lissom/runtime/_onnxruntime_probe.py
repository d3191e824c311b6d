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
from lissom.runtime import rounds
from lissom.runtime.facts import Facts
from lissom.runtime.onnxruntime import Runtime
from lissom.runtime.protocol import Session
from lissom.runtime.target import Target
from lissom.store.hashing import Json

__all__ = ["probe"]

# (input, weight, groups): an encoder's products, one of a single row, then a 3x3, a pointwise and a
# depthwise convolution of a small image network.
_PRODUCTS: tuple[tuple[tuple[int, ...], tuple[int, ...], int], ...] = (
    ((1, 128, 384), (384, 384), 1),
    ((1, 128, 384), (384, 1536), 1),
    ((1, 512), (512, 1024), 1),
    ((1, 64, 28, 28), (64, 64, 3, 3), 1),
    ((1, 128, 14, 14), (256, 128, 1, 1), 1),
    ((1, 128, 28, 28), (128, 1, 3, 3), 128),
)
_ENCODER, _CONVOLUTION = _PRODUCTS[1], _PRODUCTS[3]
_WEIGHT_ONLY = tuple((bits, block) for bits in (4, 8, 2) for block in (16, 32, 64, 128, 256))
_GAIN = 1.05  # a probe's ratio below this is noise, not a gain


def probe(*, folder: str) -> Json:
    """Child entry: measure everything, writing models into `folder`; answer facts as JSON."""
    bench = _Bench(Path(folder))
    notes: list[str] = []
    kinds = {name: bench.kind_of(name) for name in probe_models.OPERATORS}
    facts = Facts(
        activation=_activation(bench, notes),
        reduce_range=_reduce_range(bench, notes),
        integer_operators=frozenset(name for name, kind in kinds.items() if kind == "integer"),
        passthrough_operators=frozenset(n for n, kind in kinds.items() if kind == "passthrough"),
        absorbed_operators=frozenset(n for n, kind in kinds.items() if kind == "absorbed"),
        weight_only=_weight_only(bench, notes),
        dynamic_operators=_dynamic_operators(bench, notes),
        float16_compute=_float16_compute(bench, notes),
        slow_fusions=_slow_fusions(bench, notes),
        notes=tuple(notes),
    )
    return facts.to_json()


class _Bench:
    """Writes probe models, opens them, and compares their speed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runtime = Runtime()
        self._written = 0

    def open(self, model: bytes, *, profile: Path | None = None) -> Session:
        """Open a model with one thread."""
        self._written += 1
        path = self._folder / f"{self._written}.onnx"
        path.write_bytes(model)
        return self._runtime.open(path, Target(), profile=profile)

    def executed(self, model: bytes, feeds: Mapping[str, np.ndarray]) -> Counter[str]:
        """Which operators ran, after the runtime's fusions, and how often."""
        profile = self._folder / "profile.json"
        with self.open(model, profile=profile) as session:
            session.run(feeds)
        return Counter(str(node["op_type"]) for node in self._runtime.node_times(profile))

    def gain(self, first: bytes, second: bytes, feeds: Mapping[str, np.ndarray]) -> float:
        """How many times faster the second model is than the first."""
        with self.open(first) as one, self.open(second) as other:
            return rounds.ratio(one, other, (feeds, feeds))

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


def _feeds(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}


def _activation(bench: _Bench, notes: list[str]) -> Literal["uint8", "int8"]:
    """Compare activations of both signs over all products; equal within noise means uint8."""
    logs = []
    for shape, weight, groups in _PRODUCTS:
        signed = probe_models.integer_product(shape, weight, "int8", groups)
        unsigned = probe_models.integer_product(shape, weight, "uint8", groups)
        gain = bench.gain(signed, unsigned, _feeds(shape))
        real = bench.gain(
            probe_models.float_product(shape, weight, groups=groups), unsigned, _feeds(shape)
        )
        logs.append(math.log(gain))
        notes.append(
            f"{_named(shape, weight)}: uint8 activations {gain:.2f} x as fast as int8, "
            f"{real:.2f} x as fast as float32"
        )
    return "int8" if math.exp(sum(logs) / len(logs)) < 1 / _GAIN else "uint8"


def _reduce_range(bench: _Bench, notes: list[str]) -> bool:
    model, feeds, exact = probe_models.saturating_product()
    with bench.open(model) as session:
        found = session.run(feeds)["y"]
    wrong = bool(np.any(found != exact))
    if wrong:
        notes.append("8-bit products saturate here: weights are kept in 7 bits")
    return wrong


def _weight_only(bench: _Bench, notes: list[str]) -> tuple[tuple[int, int], ...]:
    shape, (inner, features), _ = _ENCODER
    usable = []
    for bits, block_size in _WEIGHT_ONLY:
        model = probe_models.packed_product(shape, features, bits, block_size)
        try:
            with bench.open(model) as session:
                finite = bool(np.isfinite(session.run(_feeds(shape))["y"]).all())
        except MeasurementError:
            continue
        if finite:
            usable.append((bits, block_size))
    for bits in sorted({bits for bits, _ in usable}):
        block_size = min((b for n, b in usable if n == bits), key=lambda block: abs(block - 32))
        for rows in (shape, (1, inner)):
            gain = bench.gain(
                probe_models.float_product(rows, (inner, features)),
                probe_models.packed_product(rows, features, bits, block_size),
                _feeds(rows),
            )
            notes.append(
                f"weights packed in {bits} bits, blocks of {block_size}, "
                f"{_named(rows, (inner, features))}: {gain:.2f} x as fast as float32"
            )
    return tuple(usable)


def _dynamic_operators(bench: _Bench, notes: list[str]) -> frozenset[str]:
    faster = set[str]()
    for names, (shape, weight, _) in ((("Gemm", "MatMul"), _ENCODER), (("Conv",), _CONVOLUTION)):
        gain = bench.gain(
            probe_models.float_product(shape, weight),
            probe_models.dynamic_product(shape, weight),
            _feeds(shape),
        )
        notes.append(
            f"{' and '.join(names)} quantized at run time: {gain:.2f} x as fast as float32"
        )
        if gain > _GAIN:
            faster.update(names)
    return frozenset(faster)


def _float16_compute(bench: _Bench, notes: list[str]) -> bool:
    gains = []
    for shape, weight, _ in (_ENCODER, _CONVOLUTION):
        try:
            gains.append(
                bench.gain(
                    probe_models.float_product(shape, weight),
                    probe_models.float_product(shape, weight, "float16"),
                    _feeds(shape),
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
    return min(gains) > _GAIN


def _slow_fusions(bench: _Bench, notes: list[str]) -> tuple[str, ...]:
    """See whether the fusion of Add and LayerNormalization is slower than the two apart."""
    shape = (1, 128, 384)
    feeds = {"x": _feeds(shape)["x"], "x2": _feeds(shape)["x"] + np.float32(1)}
    gain = bench.gain(
        probe_models.float_residual_norm("Add", shape),
        probe_models.float_residual_norm("Sum", shape),
        feeds,
    )
    notes.append(f"Sum before LayerNormalization: {gain:.2f} x as fast as Add, which is fused")
    return ("SkipLayerNormFusion",) if gain > _GAIN else ()


def _named(shape: tuple[int, ...], weight: tuple[int, ...]) -> str:
    kind = "MatMul" if len(weight) == 2 else "Conv"
    return f"{kind} {'x'.join(map(str, shape))} * {'x'.join(map(str, weight))}"
