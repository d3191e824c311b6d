"""The part of `docs/benchmarks.md` that says how far the numbers can be trusted.

Each section is made from one file of `bench/results`, where there is one.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["sections"]


def sections(folder: Path) -> list[str]:
    """The sections for the results in a folder, in a fixed order."""
    makers: tuple[tuple[str, Callable[[dict[str, Any]], list[str]]], ...] = (
        ("places", _places),
        ("clock", _clock),
        ("certificates", _certificates),
        ("kills", _kills),
    )
    found = []
    for name, make in makers:
        path = folder / f"{name}.json"
        if path.exists():
            found.append("\n".join([*make(json.loads(path.read_text(encoding="utf-8"))), ""]))
    return found


def _places(found: dict[str, Any]) -> list[str]:
    rows = []
    for m in found.values():
        wish = m["wish"]
        cells = (
            m["task"],
            wish["target"],
            wish["goal"],
            f"{100 * wish['max_drop']:g}",
            f"`{m['choice']['name']}`",
            f"{m['size_ratio']:.2f}",
            f"{m['speedup']:.2f}",
            f"{100 * m['drop']:+.2f}",
            f"{m['seconds']:.0f}",
            m["environment"]["cpu"],
        )
        rows.append(f"| {' | '.join(cells)} |")
    return [
        "## Other runtimes and other goals",
        "",
        "What `lissom compress` chose with this `--target`, `--goal` and `--max-drop`, one thread,",
        "otherwise as above (`python -m bench.places`); `auto`: the best of all runtimes that are",
        "installed. Speedup against the original on ONNX Runtime; scored afterwards on the",
        "labelled test set.",
        "",
        "| task | target | goal | allowed | chosen | times smaller | speedup | drop, points "
        "| seconds | machine |",
        f"|{' --- |' * 10}",
        *rows,
    ]


def _clock(found: dict[str, Any]) -> list[str]:
    rows = [
        f"| {name} | {state} | {m['latency_ms']:.2f} "
        f"| {m['itself']['held']} of {m['itself']['runs']} "
        f"| {100 * m['itself']['half_width_median']:.1f}% "
        f"| {100 * m['itself']['half_width_p90']:.1f}% |"
        for name, states in found["models"].items()
        for state, m in states.items()
    ]
    return [
        "## The clock",
        "",
        "A model timed against itself (`python -m bench.clock`): how often the 95% interval of the",
        "ratio contains 1, and half its width; at rest, with another process busy, and with all",
        "processors busy.",
        "",
        "| model | machine | ms | contains 1 | half-width, median | 90th percentile |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        _machine(found),
    ]


def _certificates(found: dict[str, Any]) -> list[str]:
    kinds = ("labels", "bound", "expected")
    rows = []
    for name, m in found["tasks"].items():
        least, mean = m["summary"]["least_right"], m["summary"]["mean_right"]
        shares = [f"{100 * least[kind]:.1f}% ({100 * mean[kind]:.1f}%)" for kind in kinds]
        falsely = f"{100 * m['summary']['most_false_held']:.1f}%"
        rows.append(f"| {' | '.join([name, *shares, falsely])} |")
    return [
        "## Certificates",
        "",
        f"{found['resamplings']} drawings of {found['drawn']:,} samples from 10,000 test images, "
        f"{found['certifying']} of which certify",
        "(`python -m bench.certificates`). How often the stated "
        f"{100 * found['confidence']:.0f}% bound holds, for the candidate where",
        "it does worst, and in the mean of all; and how often one was called held that is not.",
        "",
        "| network | drop on labels | disagreement | expected drop | falsely held |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        _machine(found),
    ]


def _kills(found: dict[str, Any]) -> list[str]:
    return [
        "## Kills",
        "",
        f"The demonstration's run, ended {len(found['kills'])} times at random moments in "
        f"{len(found['runs'])} runs (`python -m bench.kills`) and",
        f"continued by the same command: {found['verdict']}.",
        "",
        _machine(found),
    ]


def _machine(found: dict[str, Any]) -> str:
    here = found["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in here["runtimes"].items())
    return f"Machine: {here['cpu']}, {here['cores']} cores, {versions}. {found['date']}"
