"""Drafts of recipes that remove channels and fit what is left anew, alone or before rounding."""

from collections.abc import Iterator
from typing import Any, Final

from lissom.search.drafts import CODEBOOKS, NARROW, fused_before
from lissom.search.view import WIDE, Draft, View

__all__ = ["narrower"]

PRUNED: Final = (0.3, 0.5, 0.65)
"""Shares of the time, or of the weights, that pruning is tried with."""


def narrower(view: View) -> Iterator[Draft]:
    """Recipes that remove channels, and may quantize what is left."""
    saved, what = "latency", "time"
    if view.goal in {"size", "memory"}:
        saved, what = "size", "weights"
    elif "Conv" not in view.weighted:  # the time of matrix products follows their arithmetic
        saved, what = "macs", "arithmetic"
    refusal = view.no_pruned()
    for place, ratio in enumerate(PRUNED):
        percent = round(100 * ratio)
        prune = ("prune.obs", {"ratio": ratio, "goal": saved}, ())
        yield Draft(
            name=f"pruned-{percent}",
            title=f"channels worth {percent}% of the {what} removed, the rest fitted anew",
            steps=(prune,),
            refusal=refusal,
            rank={"speed": 30 + 2 * place, "size": 40 + place, "memory": 40 + place, "quality": 40},
        )
        for after in quantized(view):
            yield Draft(
                name=f"pruned-{percent}-{after.name}",
                title=f"{percent}% of the {what} removed, then {after.title}, means put back",
                steps=(prune, *after.steps, ("quantize.bias_correction", {}, ())),
                refusal=refusal or after.refusal,
                rank={"speed": 31 + 2 * place, "size": 15, "memory": 15, "quality": 41},
            )


def quantized(view: View) -> Iterator[Draft]:
    """What may become of what is left."""
    whole = "" if view.convolutions else "no convolution has an integer kernel in the runtime"
    few = view.no_dynamic() or ("convolutions would stay float" if view.convolutions else "")
    before = fused_before(view)
    yield Draft(
        name="static",
        title="8-bit integers with fixed ranges",
        steps=(*before, ("quantize.static", _after_pruning(view), ())),
        refusal=view.no_static() or whole,
    )
    yield Draft(
        name="dynamic",
        title="8-bit integers in matrix products",
        steps=(*before, ("quantize.dynamic", {}, ())),
        refusal=few,
    )
    yield Draft(
        name="int4",
        title="weights stored in 4 bits",
        steps=(NARROW,),
        refusal=view.no_stored(),
    )
    yield Draft(
        name="codebook3",
        title="weights stored as 3-bit numbers of learned tables",
        steps=(CODEBOOKS[3],),
        refusal=view.no_stored(),
    )


def _after_pruning(view: View) -> dict[str, Any]:
    """Static quantization as it is fastest here."""
    found: dict[str, Any] = {"ranges": "percentile" if view.depthwise else "mse"}
    if view.depthwise:
        found["depthwise"] = "float"
    elif not view.no_asymmetric():
        found["asymmetric_channels"] = WIDE
    return found
