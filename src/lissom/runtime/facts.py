"""What a runtime on this processor is good at: which operators have integer kernels, and how fast.

Nothing here is believed from documentation: each entry was seen in a tiny model that really ran
(see the runtime's own probe). A method asks these facts before it decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from lissom.store.hashing import Json

__all__ = ["Facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of one runtime on one processor.

    Attributes:
        activation: The integer type of activations that runs faster here (weights are int8).
        reduce_range: Whether 8-bit products saturate on this processor, so that weights must be
            given in 7 bits.
        integer_operators: Operators (ONNX names) that get an integer kernel when their inputs and
            output stand between QuantizeLinear and DequantizeLinear.
        passthrough_operators: Operators that then run on the integers as they are: they only move
            or pick values, and must have the same scale before and after.
        absorbed_operators: Operators that disappear into the QuantizeLinear behind them when its
            range starts at zero, as Relu.
        weight_only: (bits, block size) of constant matrices that run while packed (MatMulNBits); of
            each width the block size that pays best comes first.
        dynamic_operators: Operators with an integer kernel whose input is quantized at run time,
            and that is faster than the float one.
        float_answers: Operators among the integer ones whose kernel can also answer in float, so
            that their output is rounded only where a reader wants integers.
        asymmetric_weights: Whether a convolution on integers is faster if its weights have zero
            points.
        float16_compute: Whether arithmetic in float16 is faster than in float32.
        folds_weights: Float operators whose integer weights are faster widened by plain operators,
            once at load, than behind a DequantizeLinear.
        precisions: Narrower arithmetic of float operators that is faster here: a short name, and
            the options of a target that ask for it. It costs accuracy: it is a choice of its own.
        slow_fusions: Names of the runtime's own fusions that cost more time than they save.
        notes: What was measured, in words for the report.
    """

    activation: Literal["uint8", "int8"]
    reduce_range: bool
    integer_operators: frozenset[str]
    passthrough_operators: frozenset[str]
    weight_only: tuple[tuple[int, int], ...]
    dynamic_operators: frozenset[str]
    float16_compute: bool
    absorbed_operators: frozenset[str] = frozenset()
    float_answers: frozenset[str] = frozenset({"MatMul", "Gemm"})
    asymmetric_weights: bool = False
    folds_weights: frozenset[str] = frozenset()
    precisions: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    slow_fusions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Write as JSON: sets are sorted lists."""
        written: dict[str, Json] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            written[field.name] = sorted(value) if isinstance(value, frozenset) else value
        return written

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Facts":
        """Read what `to_json` wrote."""
        return cls(
            activation=value["activation"],
            reduce_range=value["reduce_range"],
            integer_operators=frozenset(value["integer_operators"]),
            passthrough_operators=frozenset(value["passthrough_operators"]),
            weight_only=tuple((int(bits), int(block)) for bits, block in value["weight_only"]),
            dynamic_operators=frozenset(value["dynamic_operators"]),
            float16_compute=value["float16_compute"],
            absorbed_operators=frozenset(value["absorbed_operators"]),
            float_answers=frozenset(value["float_answers"]),
            asymmetric_weights=value["asymmetric_weights"],
            folds_weights=frozenset(value["folds_weights"]),
            precisions=tuple(
                (str(name), tuple((str(key), str(text)) for key, text in options))
                for name, options in value["precisions"]
            ),
            slow_fusions=tuple(value["slow_fusions"]),
            notes=tuple(value["notes"]),
        )
