"""What OpenVINO really does on this processor, found by running tiny models.

Runs in a child process, pinned to one processor, once per version and processor; some seconds. What
an operator became is read from the runtime's own profile, which names the precision of each kernel.
All of it with arithmetic in float32, which is what Lissom asks for unless told otherwise.
"""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from lissom.errors import MeasurementError
from lissom.graph import probe_models
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
from lissom.runtime.openvino import Runtime
from lissom.runtime.target import Target
from lissom.store.hashing import Json

__all__ = ["probe"]

_HINT = "INFERENCE_PRECISION_HINT"
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
        reduce_range=reduce_range(bench, notes),
        integer_operators=frozenset(name for name, kind in kinds.items() if kind == "integer"),
        passthrough_operators=frozenset(n for n, kind in kinds.items() if kind == "passthrough"),
        absorbed_operators=frozenset(n for n, kind in kinds.items() if kind == "absorbed"),
        weight_only=weight_only(bench, notes),
        dynamic_operators=_dynamic_operators(bench, notes),
        float_answers=_float_answers(bench, activation),
        asymmetric_weights=asymmetric_weights(bench, notes),
        folds_weights=folds_weights(bench, notes),
        precisions=_precisions(bench, notes),
        float16_compute=_float16_compute(bench, notes),
        slow_fusions=(),  # there is no operator of ours that OpenVINO would have fused itself
        notes=tuple(notes),
    )
    return facts.to_json()


class _Bench(Bench):
    """Says besides which kernels of OpenVINO ran."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Runtime(), _target("f32"))

    def executed(
        self, model: bytes, feeds: Mapping[str, np.ndarray], target: Target | None = None
    ) -> Ran:
        """Which kernels ran, after the runtime's fusions, and in which precision."""
        profile = self.folder / "profile.json"
        with self.open(model, target=target, profile=profile) as session:
            session.time(feeds, 1)
        ran = (str(node["op_type"]) for node in self.runtime.node_times(profile))
        return [(kind, precision) for kind, _, precision in (name.partition(" ") for name in ran)]

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


def _activation(bench: _Bench, notes: list[str]) -> Literal["uint8", "int8"]:
    """See whether products take uint8 with any zero point, which is what the methods write.

    Not asked by speed: int8 is sometimes faster, but only with the zero point 0; with another one
    OpenVINO computes the whole layer in float32.
    """
    unsigned = 0
    for shape, weight, groups in PRODUCTS:
        model = probe_models.integer_product(shape, weight, "uint8", groups)
        own = [p for kind, p in bench.executed(model, feeds_of(shape)) if kind not in _AROUND]
        unsigned += bool(own) and _INTEGERS.issuperset(own)
        real = probe_models.float_product(shape, weight, groups=groups)
        quick = bench.gain(real, model, feeds_of(shape))
        notes.append(f"{named(shape, weight)}: uint8 activations {quick:.2f} x as fast as float32")
    return "uint8" if 2 * unsigned > len(PRODUCTS) else "int8"


def _dynamic_operators(bench: _Bench, notes: list[str]) -> frozenset[str]:
    faster = set[str]()
    for names, (shape, weight, _) in ((("Gemm", "MatMul"), ENCODER), (("Conv",), CONVOLUTION)):
        model = probe_models.dynamic_product(shape, weight)
        integer = any(
            kind in {"Convolution", "FullyConnected", "MatMul"} and precision in _INTEGERS
            for kind, precision in bench.executed(model, feeds_of(shape))
        )
        gain = bench.gain(probe_models.float_product(shape, weight), model, feeds_of(shape))
        how = "in integers" if integer else "but multiplied in float"
        notes.append(
            f"{' and '.join(names)} quantized at run time, {how}: {gain:.2f} x as fast as float32"
        )
        if integer and gain > GAIN:
            faster.update(names)
    return frozenset(faster)


def _float_answers(bench: _Bench, activation: str) -> frozenset[str]:
    """Products whose integer kernel also answers in float: then nothing is converted behind it."""
    found = set[str]()
    for name in HEAVY:
        model, feeds = probe_models.quantized_operator(name, activation, rounded=False)
        own = [precision for kind, precision in bench.executed(model, feeds) if kind not in _AROUND]
        if own and _INTEGERS.issuperset(own):
            found.add(name)
    return frozenset(found)


def _precisions(
    bench: _Bench, notes: list[str]
) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Narrower arithmetic of float products: that which really runs when asked for, and gains."""
    found = []
    for precision, words in (("bf16", "bfloat16"), ("f16", "float16")):
        target = _target(precision)
        gains = []
        for shape, weight, groups in PRODUCTS:
            model, feeds = probe_models.float_product(shape, weight, groups=groups), feeds_of(shape)
            if any(ran == precision for _, ran in bench.executed(model, feeds, target)):
                gains.append(bench.gain(model, model, feeds, target))
        if not gains:
            notes.append(f"float operators in {words}: not available")
            continue
        middle = statistics.median(gains)
        notes.append(
            f"float operators in {words}: {min(gains):.2f} to {max(gains):.2f} x as fast as "
            f"float32, {len(gains)} of {len(PRODUCTS)} products"
        )
        if middle > GAIN:
            found.append((precision, ((_HINT, precision),)))
    return tuple(found)


def _target(precision: str) -> Target:
    """One thread, with float operators in this precision."""
    return Target(runtime="openvino", options=((_HINT, precision),))


def _float16_compute(bench: _Bench, notes: list[str]) -> bool:
    """See whether a model in float16 runs so; by default it is widened to float32 at load."""
    shape, weight, _ = ENCODER
    half = probe_models.float_product(shape, weight, "float16")
    ran = bench.executed(half, feeds_of(shape))
    if not any(precision == "f16" for kind, precision in ran if kind not in _AROUND):
        notes.append("arithmetic in float16: widened to float32 at load")
        return False
    gain = bench.gain(probe_models.float_product(shape, weight), half, feeds_of(shape))
    notes.append(f"arithmetic in float16: {gain:.2f} x as fast as float32 (MatMul)")
    return gain > GAIN
