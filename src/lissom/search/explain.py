"""Why a candidate is not as fast as its arithmetic promises: sentences from its profile.

Only causes that the profile shows are named: conversions between float and integers, integer
operators without a fast kernel, heavy operators that stayed float, casts.
"""

from collections.abc import Sequence
from typing import Final

from lissom.measure.profile import NodeTime
from lissom.search.candidate import OperatorTime

__all__ = ["by_operator", "remarks"]

NOTICEABLE: Final = 0.10  # share of the time under which a cause is not worth a sentence
CONVERSIONS: Final = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})
HEAVY: Final = frozenset({"Conv", "FusedConv", "ConvTranspose", "MatMul", "FusedMatMul", "Gemm"})
INTEGER: Final = (
    "QLinear",
    "QGemm",
    "ConvInteger",
    "MatMulInteger",
    "DynamicQuantize",
    "QAttention",
)


def by_operator(nodes: Sequence[NodeTime]) -> tuple[OperatorTime, ...]:
    """Sum a profile by type of operator, slowest first."""
    whole = sum(node.milliseconds for node in nodes)
    kinds: dict[str, list[float]] = {}
    for node in nodes:
        kinds.setdefault(node.op_type, []).append(node.milliseconds)
    found = [
        OperatorTime(
            op_type=kind,
            count=len(times),
            milliseconds=sum(times),
            share=sum(times) / whole if whole > 0 else 0.0,
        )
        for kind, times in kinds.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.milliseconds, one.op_type)))


def remarks(
    before: Sequence[OperatorTime], after: Sequence[OperatorTime], *, slower: bool
) -> tuple[str, ...]:
    """Sentences on where a candidate's time goes that its arithmetic does not explain.

    Args:
        before: the original's time by operator.
        after: the candidate's.
        slower: its measured speedup says that it is slower than the original.
    """
    old = {one.op_type: one for one in before}
    new = {one.op_type: one for one in after}
    whole = sum(one.milliseconds for one in after)
    found = [*unfast_convolutions(old, new), *conversions(new, whole), *casts(new, whole)]
    integers = any(one.op_type.startswith(INTEGER) for one in after)
    if integers:
        found += still_float(new, whole)
    elif slower and any(name in new for name in CONVERSIONS):
        found.append(
            "No operator ran on integers: the weights are expanded to float before use, "
            "so only the file is smaller."
        )
    return tuple(found)


def unfast_convolutions(old: dict[str, OperatorTime], new: dict[str, OperatorTime]) -> list[str]:
    """Dynamic integer convolutions, for which runtimes have no fast kernel."""
    integer = new.get("ConvInteger")
    if integer is None:
        return []
    float_ms = sum(old[name].milliseconds for name in ("Conv", "FusedConv") if name in old)
    if float_ms == 0 or integer.milliseconds <= float_ms:
        return []
    ratio = integer.milliseconds / float_ms
    return [
        f"{integer.count} ConvInteger nodes take {integer.milliseconds:.3g} ms where the float "
        f"convolutions took {float_ms:.3g} ms ({ratio:.1f}x): the runtime has no fast kernel for "
        "dynamically quantized convolution."
    ]


def conversions(new: dict[str, OperatorTime], whole: float) -> list[str]:
    """Time spent between float and integers."""
    parts = [new[name] for name in sorted(CONVERSIONS) if name in new]
    spent = sum(one.milliseconds for one in parts)
    if whole <= 0 or spent / whole < NOTICEABLE:
        return []
    count = sum(one.count for one in parts)
    return [
        f"{spent / whole:.0%} of the time goes into {count} conversions between float and "
        "integers, at operators that have no integer kernel or were left float."
    ]


def casts(new: dict[str, OperatorTime], whole: float) -> list[str]:
    """Time spent between float32 and float16."""
    one = new.get("Cast")
    if one is None or whole <= 0 or one.share < NOTICEABLE:
        return []
    return [f"{one.share:.0%} of the time goes into {one.count} casts between number types."]


def still_float(new: dict[str, OperatorTime], whole: float) -> list[str]:
    """Heavy operators that still compute in float beside integer ones."""
    parts = [new[name] for name in sorted(HEAVY) if name in new]
    spent = sum(one.milliseconds for one in parts)
    if whole <= 0 or spent / whole < NOTICEABLE:
        return []
    names = ", ".join(f"{one.count} {one.op_type}" for one in parts)
    return [f"{spent / whole:.0%} of the time is still spent in float operators: {names}."]
