"""The part of `docs/benchmarks.md` on weights of few bits: what each way of rounding loses."""

import json
from pathlib import Path
from typing import Any

__all__ = ["sections"]

Found = dict[str, Any]


def sections(folder: Path) -> list[str]:
    """The section for the results in a folder; none without them."""
    path = folder / "weights.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        f"| {name} | {one['original']:.4f} | {bits} | {way} "
        f"| {made['quality']:.4f} | {100 * (one['original'] - made['quality']):+.2f} "
        f"| {made['size_ratio']:.2f} | {_layers(made)} | {_against(made)} |"
        for name, one in found.items()
        for bits, ways in sorted(one["rounded"].items(), reverse=True)
        for way, made in ways.items()
    ]
    text = [
        "## Weights of few bits",
        "",
        "All weights rounded, one scale a channel, or one for 32 inputs of a matrix (blocks; of",
        "codebooks, also of a convolution); embeddings in 8 bits, activations in float (`python -m",
        "bench.weights`). Scored by the task's own metric. `quantize.weight_only` rounds to",
        "nearest. Integers of 3 bits are stored in 4, so their files are no smaller. Layers: how",
        "many lose less in their outputs than to nearest, and how many lose more in their weights.",
        "The last column compares answers one by one: points gained over another way, with a",
        "paired interval of 95%.",
        "",
        "| task | original | bits | way | rounded | drop, points | smaller | layers | gained |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    return ["\n".join(text)]


def _layers(made: Found) -> str:
    if "layers" not in made:
        return ""
    counts = made["layers"]
    return f"{counts['outputs_below']}, {counts['weights_above']} of {counts['all']}"


def _against(made: Found) -> str:
    if "against" not in made:
        return ""
    other = made["against"]
    low, high = (100 * end for end in other["interval"])
    return f"{other['way']}: {100 * other['gained']:+.2f} ({low:+.2f} to {high:+.2f})"
