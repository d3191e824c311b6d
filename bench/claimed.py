"""The part of `docs/benchmarks.md` on claims of papers: one table a claim."""

import json
from pathlib import Path
from typing import Any

__all__ = ["sections"]


def sections(folder: Path) -> list[str]:
    """The section for the results in a folder; none without them."""
    path = folder / "claims.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        "## Claims of papers",
        "",
        "Each claim of a method's paper, held at our scale on unlabelled inputs (`python -m",
        "bench.claims`). What is planted changes weights, and not what the network computes.",
        "",
    ]
    for one in found.values():
        lines += _claim(one)
    return ["\n".join(lines)]


def _claim(one: dict[str, Any]) -> list[str]:
    rows = [f"| {row['what']} | {row['metric']} | {row['quality']:.4f} |" for row in one["rows"]]
    return [
        f"{one['claim']} ({one['source']}):",
        "",
        "| model | metric | quality |",
        "| --- | --- | --- |",
        *rows,
        "",
    ]
