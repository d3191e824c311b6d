"""What OpenVINO really does on this processor, found by running tiny models.

Runs in a child process, pinned to one processor, once per version and processor; some seconds. What
an operator became is read from the runtime's own profile, which names the precision of each kernel.
All of it with arithmetic in float32, which is what Lissom asks for unless told otherwise.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from lissom.errors import MeasurementError
from lissom.graph import probe_models
from lissom.runtime import rounds
from lissom.runtime.facts import Facts
from lissom.runtime.openvino import Runtime
from lissom.runtime.protocol import Session
from lissom.runtime.target import Target
from lissom.store.hashing import Json

__all__ = ["probe"]

# (input, weight, groups): as for every runtime, products of an encoder and of an image network.
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
_INTEGERS = frozenset({"u8", "i8"})
_AROUND = frozenset({"Subgraph", "FakeQuantize", "Reorder", "Convert", "PowerStatic", "Subtract"})
"""What OpenVINO calls the kernels that convert between float and integers."""
_ABSORBED = frozenset({"Clip", "Relu"})
_MOVING = frozenset(
    {
        *("DepthToSpace", "Expand", "Flatten", "Gather", "MaxPool", "Pad", "ReduceMax", "Reshape"),
        *("Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
    }
)
"""Operators of ONNX that give no value that was not in their input."""
_GAIN = 1.05  # a probe's ratio below this is noise, not a gain

Ran = list[tuple[str, str]]
"""Operator and precision of each kernel that ran, in OpenVINO's names."""


def probe(*, folder: str) -> Json:
    """Child entry: measure everything, writing models into `folder`; answer facts as JSON."""
    bench = _Bench(Path(folder))
    notes: list[str] = []
    activation = _activation(bench, notes)
    kinds = {name: bench.kind_of(name, activation) for name in probe_models.OPERATORS}
    facts = Facts(
        activation=activation,
        reduce_range=_reduce_range(bench, notes),
        integer_operators=frozenset(name for name, kind in kinds.items() if kind == "integer"),
        passthrough_operators=frozenset(n for n, kind in kinds.items() if kind == "passthrough"),
        absorbed_operators=frozenset(n for n, kind in kinds.items() if kind == "absorbed"),
        weight_only=_weight_only(bench, notes),
        dynamic_operators=_dynamic_operators(bench, notes),
        float16_compute=_float16_compute(bench, notes),
        slow_fusions=(),  # there is no operator of ours that OpenVINO would have fused itself
        notes=tuple(notes),
    )
    return facts.to_json()


class _Bench:
    """Writes probe models, opens them, and compares their speed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runtime = Runtime()
        self._written = 0

    def open(self, model: bytes, *, precision: str = "f32", profile: Path | None = None) -> Session:
        """Open a model with one thread."""
        self._written += 1
        path = self._folder / f"{self._written}.onnx"
        path.write_bytes(model)
        target = Target(runtime="openvino", options=(("INFERENCE_PRECISION_HINT", precision),))
        return self._runtime.open(path, target, profile=profile)

    def executed(self, model: bytes, feeds: Mapping[str, np.ndarray]) -> Ran:
        """Which kernels ran, after the runtime's fusions, and in which precision."""
        profile = self._folder / "profile.json"
        with self.open(model, profile=profile) as session:
            session.time(feeds, 1)
        ran = (str(node["op_type"]) for node in self._runtime.node_times(profile))
        return [(kind, precision) for kind, _, precision in (name.partition(" ") for name in ran)]

    def gain(
        self, first: bytes, second: bytes, feeds: Mapping[str, np.ndarray], precision: str = "f32"
    ) -> float:
        """How many times faster the second model, in this precision, is than the first in f32."""
        with self.open(first) as one, self.open(second, precision=precision) as other:
            return rounds.ratio(one, other, (feeds, feeds))

    def kind_of(self, op_type: str, activation: str) -> str:
        """Say what an operator between Quantize- and DequantizeLinear becomes.

        "integer", "passthrough", "absorbed", or "float" where it gains nothing. Element by element,
        Add and its like are done by the kernel that rounds, whatever type it reads: as they join
        two branches that may both be integers, they count as integer. Sigmoid and its like are done
        by the kernel in front of them, in float: a pair between the two would only cost accuracy.
        """
        model, feeds = probe_models.quantized_operator(op_type, activation)
        try:
            ran = self.executed(model, feeds)
        except MeasurementError:
            return "float"  # Not in this version's operators.
        own = [precision for kind, precision in ran if kind not in _AROUND]
        if own:
            if not _INTEGERS.issuperset(own):
                return "float"
            return "passthrough" if op_type in _MOVING else "integer"
        if any(precision in _INTEGERS for _, precision in ran):
            # It ran in place, between a kernel that rounded and one that read the integers.
            return "passthrough" if op_type in _MOVING else "integer"
        if op_type in _ABSORBED:
            return "absorbed"
        return "integer" if len(feeds) > 1 else "float"


def _feeds(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}


def _activation(bench: _Bench, notes: list[str]) -> Literal["uint8", "int8"]:
    """See whether products take uint8 with any zero point, which is what the methods write.

    Not asked by speed: int8 is sometimes faster, but only with the zero point 0; with another one
    OpenVINO computes the whole layer in float32.
    """
    unsigned = 0
    for shape, weight, groups in _PRODUCTS:
        model = probe_models.integer_product(shape, weight, "uint8", groups)
        own = [p for kind, p in bench.executed(model, _feeds(shape)) if kind not in _AROUND]
        unsigned += bool(own) and _INTEGERS.issuperset(own)
        real = probe_models.float_product(shape, weight, groups=groups)
        quick = bench.gain(real, model, _feeds(shape))
        brief = bench.gain(real, real, _feeds(shape), "bf16")
        notes.append(
            f"{_named(shape, weight)}: uint8 activations {quick:.2f} x as fast as float32, "
            f"bfloat16 {brief:.2f} x"
        )
    return "uint8" if 2 * unsigned > len(_PRODUCTS) else "int8"


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
        model = probe_models.dynamic_product(shape, weight)
        integer = any(
            kind in {"Convolution", "FullyConnected", "MatMul"} and precision in _INTEGERS
            for kind, precision in bench.executed(model, _feeds(shape))
        )
        gain = bench.gain(probe_models.float_product(shape, weight), model, _feeds(shape))
        how = "in integers" if integer else "but multiplied in float"
        notes.append(
            f"{' and '.join(names)} quantized at run time, {how}: {gain:.2f} x as fast as float32"
        )
        if integer and gain > _GAIN:
            faster.update(names)
    return frozenset(faster)


def _float16_compute(bench: _Bench, notes: list[str]) -> bool:
    """See whether a model in float16 runs so; by default it is widened to float32 at load."""
    shape, weight, _ = _ENCODER
    half = probe_models.float_product(shape, weight, "float16")
    ran = bench.executed(half, _feeds(shape))
    if not any(precision == "f16" for kind, precision in ran if kind not in _AROUND):
        notes.append("arithmetic in float16: widened to float32 at load")
        return False
    gain = bench.gain(probe_models.float_product(shape, weight), half, _feeds(shape))
    notes.append(f"arithmetic in float16: {gain:.2f} x as fast as float32 (MatMul)")
    return gain > _GAIN


def _named(shape: tuple[int, ...], weight: tuple[int, ...]) -> str:
    kind = "MatMul" if len(weight) == 2 else "Conv"
    return f"{kind} {'x'.join(map(str, shape))} * {'x'.join(map(str, weight))}"
