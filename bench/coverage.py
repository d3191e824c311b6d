"""The part of `docs/benchmarks.md` on channel groups: one line a family, then one a model."""

import json
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["sections"]

ENOUGH = 0.9
Found = dict[str, Any]


def sections(folder: Path) -> list[str]:
    """The section for the results in a folder; none without them."""
    path = folder / "architectures.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    return ["\n".join([*_summary(found), "", *_families(found), "", *_each(found), ""])]


def _summary(found: Found) -> list[str]:
    models = found["models"].values()
    ran = [one for one in models if "failed" not in one]
    tried = [one for one in ran if _tried(one)]
    held = [one for one in tried if not one["wrong"]]
    empty = sum(not one["groups"] for one in ran)
    covered = [one for one in ran if one["coverage"] >= ENOUGH]
    free = sum(one["feeds"] > 1 for one in ran)
    said = [
        f"## Channel groups on {len(models)} models",
        "",
        "Which slices of which weights can leave together is found by following indices through",
        "the graph; nothing knows an architecture by name. For each model random units of all",
        f"exact groups left together, drawn {len(found['seeds'])} times, and the outputs were held "
        "against",
        "those of the original with zeros where these units are read (`python -m",
        "bench.architectures`). Coverage is the share of parameters in some removable unit, of",
        "exact or inexact groups.",
        "",
        f"- Removing equals zeroing, to {found['tolerance']:g} of the outputs' range: "
        f"{len(held)} of the {len(tried)} models that it was tried on.",
        f"- All groups inexact (see below): {len(ran) - len(tried) - empty} models; "
        f"no group at all: {empty}.",
        f"- Coverage of at least {100 * ENOUGH:.0f}%: {len(covered)} of {len(models)} models.",
        f"- Also at another batch size or length than the groups were found with: {free} models.",
        f"- Could not be looked at: {len(models) - len(ran)}.",
        "",
        "Groups that something normalizes across (layer normalization) cannot equal zeroing; they",
        "are counted as inexact, and had to load, run and keep the outputs' shapes. Transformers",
        "are small, with random weights, written by PyTorch's exporter with fixed shapes, with a",
        "free batch and length (`-dynamic`), and by its older exporter (`-torchscript`), so one",
        "architecture stands here up to three times. The light models have random numbers in place",
        "of their weights, which they came without.",
    ]
    if failed := found["not_exported"]:
        said += ["", f"PyTorch could not export: {', '.join(sorted(failed))}."]
    return said


def _families(found: Found) -> list[str]:
    rows = []
    for family in sorted({one["family"] for one in found["models"].values()}):
        here = [one for one in found["models"].values() if one["family"] == family]
        ran = [one for one in here if "failed" not in one]
        covered = [one["coverage"] for one in ran]
        enough = sum(share >= ENOUGH for share in covered)
        middle = f"{_share(median(covered))} ({_share(min(covered))})" if covered else ""
        tried = [one for one in ran if _tried(one)]
        held = f"{sum(not one['wrong'] for one in tried)} of {len(tried)}"
        rows.append(f"| {family} | {len(here)} | {held} | {enough} | {middle} |")
    return [
        f"| family | models | law held | coverage {100 * ENOUGH:.0f}% or more "
        "| median coverage (least) |",
        "| --- | --- | --- | --- | --- |",
        *rows,
    ]


def _each(found: Found) -> list[str]:
    rows = [_row(name, one) for name, one in found["models"].items()]
    return [
        "<details><summary>Every model</summary>",
        "",
        "| model | family | coverage | groups (inexact) | units | law | main reason for the rest |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        "</details>",
        "",
        _machine(found),
    ]


def _row(name: str, one: Found) -> str:
    if "failed" in one:
        return f"| {name} | {one['family']} | | | | | failed: {_plain(one['failed'])} |"
    law = _plain("; ".join(one["wrong"]))
    if not law:
        law = "held" if _tried(one) else "runs" if one["groups"] else "no group"
    reason = one["kept"][0]["reason"] if one["kept"] else ""
    if not one["kept"] and not one["coverage"]:
        reason = "no weight outside of control flow"
    cells = [
        name,
        one["family"],
        _share(one["coverage"]),
        f"{one['groups']} ({one['inexact_groups']})",
        f"{one['units']:,}",
        law,
        _plain(reason),
    ]
    return f"| {' | '.join(cells)} |"


def _tried(one: Found) -> bool:
    """Whether there was an exact group to try the law on."""
    return bool(one["wrong"]) or one["largest_error"] is not None


def _share(value: float) -> str:
    return f"{100 * value:.1f}%"


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ").replace("<", "&lt;")[:120]


def _machine(found: Found) -> str:
    here = found["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in here["runtimes"].items())
    return f"Machine: {here['cpu']}, {here['cores']} cores, {versions}. {found['date']}"
