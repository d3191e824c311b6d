"""The part of `docs/benchmarks.md` on pruning: what removal takes, repair gives, and int8 adds."""

import json
from pathlib import Path
from typing import Any

__all__ = ["sections"]

Found = dict[str, Any]
WORDS = {"latency": "the time", "macs": "the MACs"}


def sections(folder: Path) -> list[str]:
    """The section for the results in a folder; none without them."""
    path = folder / "pruning.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    return ["\n".join([*_repairs(found), "", *_curves(found), ""])]


def _repairs(found: Found) -> list[str]:
    rows = []
    for name, one in found.items():
        cut, mended = one["removed"]["quality"], one["repaired"]["quality"]
        lost = one["original"] - cut
        share = f"{(mended - cut) / lost:.0%}" if lost > 0 else ""
        rows.append(
            f"| {name} | {100 * one['at']:.0f}% | {one['original']:.4f} | {cut:.4f} "
            f"| {mended:.4f} | {share} |"
        )
    return [
        "## Pruning",
        "",
        "`prune.obs` on unlabelled inputs, at most 512, no training (`python -m bench.pruning`).",
        "First what the repair is worth: the same share of every channel group removed, before and",
        "after what reads them was fitted anew. The last column is how much of the loss came back.",
        "",
        "| task | removed | original | removed only | repaired | restored |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
    ]


def _curves(found: Found) -> list[str]:
    rows = [
        f"| {name} | {100 * point['ratio']:.0f}% of {WORDS[one['goal']]} | {words} "
        f"| {_drop(one, point[kind])} "
        f"| {point[kind]['speedup']:.2f} ({_quartiles(point[kind])}) "
        f"| {point[kind]['size_ratio']:.2f} | {point[kind]['seconds']:.0f} "
        f"| {_megabytes(point[kind])} |"
        for name, one in found.items()
        for point in one["curve"]
        for kind, words in (("float", "float32"), ("int8", "8-bit integers"))
    ]
    return [
        "Then how much leaves where by what it costs and what it saves (time as tables of this",
        "machine promise it, or multiply-accumulates), alone and followed by quantization. Speedup",
        "against the original on ONNX Runtime, one thread, in brackets the quartiles over rounds;",
        "seconds are those of making the model, less what the store had from the rows above; the",
        "peak is the most memory that the processes which made it had together.",
        "",
        "| task | removed | as | drop, points | speedup | smaller | seconds | peak, MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *rows,
    ]


def _drop(one: Found, made: Found) -> str:
    return f"{100 * (one['original'] - made['quality']):+.2f}"


def _megabytes(made: Found) -> str:
    peak = made.get("peak_bytes")  # earlier results do not know it
    return "" if peak is None else f"{peak / 1e6:.0f}"


def _quartiles(made: Found) -> str:
    return " to ".join(f"{each:.2f}" for each in made["speedup_quartiles"])
