"""Make `docs/benchmarks.md` from the raw results; no number in it is typed by hand.

python -m bench.table [--check]
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench import against_chance, agreement, claimed, coverage, pruned, rounded, trust
from bench.task import NAMES

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_WITHIN = 0.01

_HEAD = """# Benchmarks

Made by `python -m bench.table` from `bench/results/*.json`; run `make bench` and
`python -m bench.wild` to repeat the measurements. How they are made:
[how we measure](explanation/how-we-measure.md).

Each task: a trained network, 300 to 1,710 unlabelled inputs, the original's known quality, a
limit of one point of loss, one thread, ONNX Runtime. Nothing saw a label before the last scoring.
Speedup is the median over rounds of original time / time with all models interleaved in one
process, in brackets the quartiles. The yardsticks are `onnxruntime.quantization` on the same
machine and the same inputs, with the settings that its documentation advises.
"""


def main() -> None:
    """Write the page, or with --check only compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the page is out of date")
    text = page(RESULTS)
    if parser.parse_args().check:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text else 1)
    PAGE.write_text(text, encoding="utf-8")


def page(folder: Path) -> str:
    """The whole page for the results in a folder; tasks without a result are left out."""
    parts = [_HEAD]
    for name in NAMES:
        path = folder / f"{name}.json"
        if path.exists():
            parts.append(_task(json.loads(path.read_text(encoding="utf-8"))))
    wild = folder / "wild.json"
    if wild.exists():
        parts.append(_wild(json.loads(wild.read_text(encoding="utf-8"))))
    parts += coverage.sections(folder)
    parts += pruned.sections(folder)
    parts += against_chance.sections(folder)
    parts += rounded.sections(folder)
    parts += claimed.sections(folder)
    parts += agreement.sections(folder)
    parts += trust.sections(folder)
    if len(parts) == 1:
        parts.append("No results are recorded yet.\n")
    return "\n".join(parts)


def _task(found: dict[str, Any]) -> str:
    models, metric = found["models"], found["metric"]
    original = models["original"]
    rows = [
        f"| {name} | {m['scores'][metric]:.4f} | {100 * m['drop']:+.2f} "
        f"| {original['size_bytes'] / m['size_bytes']:.2f} | {m['median_ms']:.3f} "
        f"| {m['speedup']:.2f} ({' to '.join(f'{q:.2f}' for q in m['speedup_quartiles'])}) |"
        for name, m in models.items()
    ]
    choice, seconds = found["choice"]["name"], found["seconds"]
    rows += [f"| {name} | failed: {_plain(why)} | | | | |" for name, why in found["failed"].items()]
    return "\n".join(
        [
            f"## {found['task']}",
            "",
            f"Lissom chose `{choice}` in {seconds:.0f} s. {_promise(found)}".rstrip(),
            "",
            f"| model | {metric} | drop, points | size, times smaller | ms | speedup |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            _against_peers(models),
            "",
            _machine(found["environment"], found["date"]),
            "",
        ]
    )


def _promise(found: dict[str, Any]) -> str:
    said = found["promised"]
    if said["drop"] is None or said["speedup"] is None:
        return ""
    return (
        f"Before any label was seen it promised a drop of {100 * said['drop']:.2f} points "
        f"({said['drop_kind']}) and a speedup of {said['speedup']:.2f}."
    )


def _against_peers(models: dict[str, Any]) -> str:
    peers = {
        name: m
        for name, m in models.items()
        if name not in {"original", "lissom"} and m["drop"] <= _WITHIN
    }
    if not peers:
        return "No yardstick stays within one point."
    best = max(peers, key=lambda name: float(peers[name]["speedup"]))
    ratio = models["lissom"]["speedup"] / peers[best]["speedup"]
    return f"Against the fastest yardstick within one point, `{best}`: {ratio:.2f} times its speed."


def _wild(found: dict[str, Any]) -> str:
    rows = []
    for name, m in found["models"].items():
        if "failed" in m:
            rows.append(
                f"| {name} | {m['size_bytes'] / 1e6:.2f} | failed: {_plain(m['failed'])} | | | |"
            )
            continue
        low, high = m["speedup_interval"] or (1.0, 1.0)
        rows.append(
            f"| {name} | {m['size_bytes'] / 1e6:.2f} | {m['outcome']} "
            f"| {m['size_bytes'] / m['chosen_bytes']:.2f} | {low:.2f} to {high:.2f} "
            f"| {_plain(' '.join(m['reasons']))} |"
        )
    return "\n".join(
        [
            "## Models in the wild",
            "",
            "Files that real packages carry, without data: quality was not measured, so only what",
            "needs none was tried.",
            "",
            "| model | MB | chosen | size, times smaller | speedup interval | why |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            _machine(found["environment"], ""),
            "",
        ]
    )


def _machine(environment: dict[str, Any], date: str) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in environment["runtimes"].items())
    return (
        f"Machine: {environment['cpu']}, {environment['cores']} cores, {environment['system']}, "
        f"Python {environment['python']}, {versions}. {date}"
    ).rstrip()


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")[:160]


if __name__ == "__main__":
    main()
