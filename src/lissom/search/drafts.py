"""Drafts of recipes that fuse operators, quantize activations, or narrow what is stored."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lissom.search.view import FUSABLE, WIDE, Draft, DraftStep, View

__all__ = ["CODEBOOKS", "NARROW", "fused_before", "fusions", "integers", "weights"]

RUNTIME_FUSABLE: Final = FUSABLE | {"Tanh", "ReduceMean", "Softmax", "Gelu"}
"""Operators that occur in what a runtime's offline fusions look for."""
NARROW: Final[DraftStep] = ("quantize.gptq", {"bits": 4}, ())
CODEBOOKS: Final[Mapping[int, DraftStep]] = {
    bits: ("quantize.codebook", {"bits": bits, "granularity": "channel"}, ()) for bits in (4, 3)
}
"""By bits; tables of channels took less room than blocks on the published tasks, for no less."""


def fusions(view: View, *, whole: bool) -> Iterator[Draft]:
    """Recipes that keep the function as it is; `whole` if every node may be touched."""
    nothing = "there is nothing to fuse that loading does not"
    yield Draft(
        name="fused",
        title="several nodes in one, same function",
        steps=(("optimize.fusion", {}, ()),),
        refusal="" if view.operators & FUSABLE else nothing,
        rank={"speed": 0, "size": 60, "memory": 10, "quality": 0},
    )
    whole_only = "" if whole else "the runtime fuses whole models, not parts of them"
    yield Draft(
        name="runtime-fused",
        title="the runtime's own offline fusions, same function",
        steps=(("optimize.runtime_fusion", {}, ()),),
        refusal=whole_only if view.operators & RUNTIME_FUSABLE else nothing,
        rank={"speed": 25, "size": 61, "memory": 11, "quality": 1},
    )


def integers(view: View) -> Iterator[Draft]:
    """Recipes whose arithmetic is on integers."""
    static, dynamic = view.no_static(), view.no_dynamic()
    before = fused_before(view)
    early = 10 if view.convolutions or dynamic else 20
    for place, (ranges, words) in enumerate(
        (("mse", "least squared error"), ("minmax", "full"), ("percentile", "99.99 percentile"))
    ):
        yield Draft(
            name=f"static-{ranges}",
            title=f"8-bit integers, ranges fixed beforehand ({words})",
            steps=(*before, ("quantize.static", {"ranges": ranges}, ())),
            refusal=static,
            rank={"speed": early + place, "size": 20 + place, "memory": 20 + place, "quality": 30},
        )
    yield Draft(
        name="static-heavy",
        title="8-bit integers in convolutions and matrix products only",
        steps=(*before, ("quantize.static", {"ranges": "mse", "operators": "heavy"}, ())),
        refusal=static,
        rank={"speed": early + 4, "size": 24, "memory": 24, "quality": 25},
    )
    yield Draft(
        name="static-asymmetric",
        title="8-bit integers, weights of wide convolutions with zero points",
        steps=(*before, ("quantize.static", {"ranges": "mse", "asymmetric_channels": WIDE}, ())),
        refusal=static or view.no_asymmetric(),
        rank={"speed": early - 1, "size": 27, "memory": 27, "quality": 29},
    )
    narrow = static or ("" if view.depthwise else "there are no depthwise convolutions")
    yield Draft(
        name="static-wide",
        title="8-bit integers but in depthwise convolutions",
        steps=(*before, ("quantize.static", {"ranges": "percentile", "depthwise": "float"}, ())),
        refusal=narrow,
        rank={"speed": early + 5, "size": 23, "memory": 23, "quality": 24},
    )
    yield from levelled(view, early)
    yield Draft(
        name="dynamic",
        title="8-bit integers in matrix products, ranges at run time",
        steps=(*before, ("quantize.dynamic", {}, ())),
        refusal=dynamic,
        rank={"speed": 15, "size": 25, "memory": 25, "quality": 20},
    )
    mixed = static or dynamic or ("" if view.convolutions else "there are no convolutions to add")
    yield Draft(
        name="static-conv-dynamic",
        title="convolutions with fixed ranges, matrix products with ranges at run time",
        steps=(
            *before,
            ("quantize.static", {"ranges": "mse"}, view.matrices),
            ("quantize.dynamic", {}, ()),
        ),
        refusal=mixed,
        rank={"speed": 16, "size": 26, "memory": 26, "quality": 26},
    )


def levelled(view: View, early: int) -> Iterator[Draft]:
    """Recipes that even out channels before they are rounded; `early` is the first one's rank."""
    static, before = view.no_static(), fused_before(view)
    yield Draft(
        name="static-equalized",
        title="8-bit integers after channels were given like ranges, means put back",
        steps=(
            *before,
            ("equalize.cross_layer", {}, ()),
            ("quantize.static", {"ranges": "mse"}, ()),
            ("quantize.bias_correction", {}, ()),
        ),
        refusal=static or ("" if view.depthwise else "there are no depthwise convolutions"),
        rank={"speed": early + 6, "size": 28, "memory": 28, "quality": 27},
    )
    yield Draft(
        name="static-smoothed",
        title="8-bit integers after outliers of activations were moved into weights",
        steps=(
            *before,
            ("equalize.smooth", {}, ()),
            ("quantize.static", {"ranges": "minmax", "operators": "heavy"}, ()),
        ),
        refusal=static or view.no_smoothed(),
        rank={"speed": early + 6, "size": 28, "memory": 28, "quality": 28},
    )


def weights(view: View) -> Iterator[Draft]:
    """Recipes that narrow what is stored and leave the arithmetic in float."""
    none = "" if view.weighted else "no operator of the main graph has constant weights"
    for bits, step in CODEBOOKS.items():
        yield Draft(
            name=f"weights-codebook{bits}",
            title=f"weights stored as {bits}-bit numbers of learned tables, expanded before use",
            steps=(step,),
            refusal=view.no_stored(),
            rank={"size": 4},
        )
    yield Draft(
        name="weights-int4",
        title="weights stored in 4 bits, each making good what others lost, expanded before use",
        steps=(NARROW,),
        refusal=view.no_stored(),
        rank={"size": 3},
    )
    yield Draft(
        name="weights-int8",
        title="weights stored in 8 bits, expanded to float before use",
        steps=(("quantize.weight_only", {"bits": 8}, ()),),
        refusal=none,
        rank={"speed": 40, "size": 5, "memory": 12, "quality": 10},
    )
    fitted = "quantize.gptq" if view.data else "quantize.hqq"  # nearest is too coarse in 4 bits
    for bits, method in ((8, "quantize.weight_only"), (4, fitted)):
        yield Draft(
            name=f"weights-int{bits}-packed",
            title=f"matrices in {bits} bits, multiplied packed",
            steps=((method, packed(bits, view.block_size(bits)), ()),),
            refusal=view.no_packed(bits),
            rank={"speed": 34 - bits // 2, "size": bits // 4, "memory": bits // 4, "quality": 24},
        )
    yield Draft(
        name="float16",
        title="weights stored in 16 bits, expanded to float before use",
        steps=(("quantize.float16", {}, ()),),
        refusal=none,
        rank={"speed": 41, "size": 10, "memory": 13, "quality": 5},
    )
    slow = "" if view.facts.float16_compute else "the runtime does not compute faster in float16"
    yield Draft(
        name="float16-compute",
        title="arithmetic in 16-bit floating point",
        steps=(("quantize.float16", {"compute": "float16"}, ()),),
        refusal=none or slow,
        rank={"speed": 18, "size": 11, "memory": 9, "quality": 6},
    )


def packed(bits: int, block_size: int | None) -> dict[str, Any]:
    """Parameters for weights that the runtime multiplies as they are stored."""
    return {
        "bits": bits,
        "block_size": block_size,
        "kernel": "matmul_nbits",
        "accuracy_level": 0,
    }


def fused_before(view: View) -> tuple[DraftStep, ...]:
    """The step that shortens what stays float between integer kernels, where there is any."""
    return (("optimize.fusion", {}, ()),) if view.operators & FUSABLE else ()
