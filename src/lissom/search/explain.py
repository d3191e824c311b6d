"""Why a candidate is not as fast as its arithmetic promises: sentences from its profile.

Only causes that the profile shows are named: conversions between float and integers, integer
operators without a fast kernel, heavy operators that stayed float, casts. The names are those of
any runtime: `measure.kernels` reads them.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from lissom.graph.cost import Work
from lissom.measure.kernels import CONVERSION, CONVOLUTION, PRODUCTS, family, is_integer
from lissom.measure.profile import NodeTime
from lissom.search.arithmetic import own_name
from lissom.search.candidate import OperatorTime

__all__ = ["by_operator", "integer_share", "on_integers", "remarks"]

NOTICEABLE: Final = 0.10  # share of the time under which a cause is not worth a sentence
CASTS: Final = frozenset({"Cast", "Convert"})


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


def on_integers(nodes: Sequence[NodeTime]) -> tuple[str, ...]:
    """The original's products that ran in integer kernels, sorted; needs an attributed profile."""
    ran = (
        own_name(node.stands_for)
        for node in nodes
        if node.stands_for is not None and is_integer(node.op_type)
    )
    return tuple(sorted(set(ran)))


def integer_share(work: Mapping[str, Work], names: Collection[str]) -> float | None:
    """How much of a model's arithmetic these nodes do, 0 to 1; None if it multiplies nothing.

    Args:
        work: what each node of the original computes.
        names: of nodes; a kernel whose node cannot be told is among none, so this is the least.
    """
    whole = sum(one.macs for one in work.values())
    return sum(work[name].macs for name in names if name in work) / whole if whole else None


def remarks(
    before: Sequence[OperatorTime], after: Sequence[OperatorTime], *, slower: bool
) -> tuple[str, ...]:
    """Sentences on where a candidate's time goes that its arithmetic does not explain.

    Args:
        before: the original's time by operator.
        after: the candidate's.
        slower: its measured speedup says that it is slower than the original.
    """
    whole = sum(one.milliseconds for one in after)
    found = [*unfast_convolutions(before, after), *conversions(after, whole), *casts(after, whole)]
    if any(is_integer(one.op_type) and family(one.op_type) in PRODUCTS for one in after):
        found += still_float(after, whole)
    elif slower and any(family(one.op_type) == CONVERSION for one in after):
        found.append(
            "No operator ran on integers: the weights are expanded to float before use, "
            "so only the file is smaller."
        )
    return tuple(found)


def unfast_convolutions(before: Sequence[OperatorTime], after: Sequence[OperatorTime]) -> list[str]:
    """Dynamic integer convolutions, for which runtimes have no fast kernel."""
    integer = next((one for one in after if one.op_type == "ConvInteger"), None)
    float_ms = sum(one.milliseconds for one in before if family(one.op_type) == CONVOLUTION)
    if integer is None or float_ms == 0 or integer.milliseconds <= float_ms:
        return []
    ratio = integer.milliseconds / float_ms
    return [
        f"{integer.count} ConvInteger nodes take {integer.milliseconds:.3g} ms where the float "
        f"convolutions took {float_ms:.3g} ms ({ratio:.1f}x): the runtime has no fast kernel for "
        "dynamically quantized convolution."
    ]


def conversions(after: Sequence[OperatorTime], whole: float) -> list[str]:
    """Time spent between float and integers."""
    parts = [one for one in after if family(one.op_type) == CONVERSION and not is_cast(one)]
    spent = sum(one.milliseconds for one in parts)
    if whole <= 0 or spent / whole < NOTICEABLE:
        return []
    count = sum(one.count for one in parts)
    return [
        f"{spent / whole:.0%} of the time goes into {count} conversions between float and "
        "integers, at operators that have no integer kernel or were left float."
    ]


def casts(after: Sequence[OperatorTime], whole: float) -> list[str]:
    """Time spent between float32 and float16."""
    parts = [one for one in after if is_cast(one)]
    spent = sum(one.milliseconds for one in parts)
    if whole <= 0 or spent / whole < NOTICEABLE:
        return []
    count = sum(one.count for one in parts)
    return [f"{spent / whole:.0%} of the time goes into {count} casts between number types."]


def still_float(after: Sequence[OperatorTime], whole: float) -> list[str]:
    """Heavy operators that still compute in float beside integer ones."""
    parts = [
        one for one in after if family(one.op_type) in PRODUCTS and not is_integer(one.op_type)
    ]
    spent = sum(one.milliseconds for one in parts)
    if whole <= 0 or spent / whole < NOTICEABLE:
        return []
    names = ", ".join(f"{one.count} {one.op_type}" for one in sorted(parts, key=name_of))
    return [f"{spent / whole:.0%} of the time is still spent in float operators: {names}."]


def is_cast(one: OperatorTime) -> bool:
    """Whether an operator only changes the type of floating-point numbers."""
    return one.op_type.partition(" ")[0] in CASTS


def name_of(one: OperatorTime) -> str:
    """What operators are sorted by."""
    return one.op_type
