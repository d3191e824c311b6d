"""The part of `docs/benchmarks.md` on criteria: each against chance, with and without repair."""

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.criteria import CHANCE

__all__ = ["sections"]

Found = dict[str, Any]


def sections(folder: Path) -> list[str]:
    """The section for the results in a folder; none without them."""
    path = folder / "criteria.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    return ["\n".join([*_table(found), "", *_lost(found), ""])]


def _table(found: Found) -> list[str]:
    rows = []
    for name, one in found.items():
        for allocation in dict.fromkeys(each["allocation"] for each in one["models"]):
            for method in dict.fromkeys(each["method"] for each in _of(one, allocation)):
                cells = [
                    _cell(_of(one, allocation, method, repair=repair)) for repair in (False, True)
                ]
                rows.append(
                    f"| {name} | {100 * one['ratio']:.0f}%, {allocation} | `{method}` "
                    f"| {' | '.join(cells)} |"
                )
    return [
        "## Criteria",
        "",
        "Every criterion against chance (`python -m bench.criteria`): the task's metric, and in",
        "brackets the squared distance of the outputs from the original's as a share of their",
        "variance. Chance is the mean of three seeds; after it, its scores from worst to best.",
        "`uniform` takes the same share of every group's units, `global` the same share of all",
        "arithmetic, where the criterion says that it costs least.",
        "",
        "| task | removed | criterion | removed only | repaired |",
        "| --- | --- | --- | --- | --- |",
        *rows,
    ]


def _of(
    one: Found, allocation: str, method: str | None = None, *, repair: bool | None = None
) -> list[Found]:
    return [
        each
        for each in one["models"]
        if each["allocation"] == allocation
        and (method is None or each["method"] == method)
        and (repair is None or each["repair"] == repair)
    ]


def _mean(models: Iterable[Found], what: str) -> float:
    return statistics.mean(float(each[what]) for each in models)


def _cell(models: Sequence[Found]) -> str:
    said = f"{_mean(models, 'quality'):.4f} ({_mean(models, 'distance'):.3g})"
    scores = sorted(float(each["quality"]) for each in models)
    return said if len(scores) == 1 else f"{said}, {scores[0]:.4f} to {scores[-1]:.4f}"


def _lost(found: Found) -> list[str]:
    """Where a criterion does worse than chance does on average."""
    said = []
    for repair, words in ((False, "removed only"), (True, "repaired")):
        farther, lower = [], []
        for name, one in found.items():
            for each in one["models"]:
                if each["method"] == CHANCE or each["repair"] != repair:
                    continue
                chance = _of(one, each["allocation"], CHANCE, repair=repair)
                label = f"`{each['method']}` on {name}, {each['allocation']}"
                if each["distance"] >= _mean(chance, "distance"):
                    farther.append(label)
                if each["quality"] <= _mean(chance, "quality"):
                    lower.append(label)
        said += [
            f"Farther from the original than chance on average, {words}: "
            f"{'; '.join(farther) or 'none'}.",
            f"Of a lower score than chance on average, {words}: {'; '.join(lower) or 'none'}.",
        ]
    return said
