"""Models that real packages carry: each is inspected, measured and compressed without data.

    python -m bench.wild [--cache DIR] [--only WORD] [--seconds 900]

Every model runs in a process of its own, so that a crash is a result too. Writes
`bench/results/wild.json`; `python -m bench.table` makes the published table from it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

import lissom
from bench.wheels import unpacked
from lissom.measure.environment import current

RESULT = Path(__file__).parent / "results" / "wild.json"
PACKAGES = (
    "rapidocr",
    "silero-vad",
    "basic-pitch",
    "ddddocr",
    "speechmos",
    "arabic-name-romanizer",
)


def models(cache: Path) -> dict[str, Path]:
    """Every ONNX file of the packages, and onnx's own light models.

    Named `package/path`, from the folder that all of a package's models lie in.
    """
    found: dict[str, Path] = {}
    for package in PACKAGES:
        paths = sorted(unpacked(package, cache).rglob("*.onnx"))
        shared = Path(os.path.commonpath([path.parent for path in paths])) if paths else cache
        found |= {f"{package}/{path.relative_to(shared).as_posix()}": path for path in paths}
    light = Path(str(resources.files("onnx"))) / "backend" / "test" / "data" / "light"
    found |= {f"onnx/{path.name}": path for path in sorted(light.glob("*.onnx"))}
    return found


def main() -> None:
    """Go through the models and write the table of outcomes."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.wild",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--only", default="", help="only models whose name holds this")
    parser.add_argument("--seconds", type=float, default=900, help="most time for one model")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(outcome(given.one)))
        return
    before = json.loads(RESULT.read_text())["models"] if RESULT.exists() else {}
    found = {name: value for name, value in before.items() if given.only not in name}
    for name, path in models(given.cache).items():
        if given.only in name:
            found[name] = isolated(path, given.seconds)
            print(name, found[name].get("outcome") or found[name]["failed"], flush=True)
    whole = {"environment": current().to_json(), "models": dict(sorted(found.items()))}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def isolated(path: Path, seconds: float) -> dict[str, Any]:
    """`outcome` in a process of its own; how it died, if it died."""
    command = [sys.executable, "-m", "bench.wild", "--one", str(path)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"size_bytes": path.stat().st_size, "failed": f"more than {seconds:.0f} s"}
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [""])[-1].replace(str(path), path.name)
        return {
            "size_bytes": path.stat().st_size,
            "failed": f"exit code {ended.returncode}: {last[:200]}",
        }
    answer: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return answer


def outcome(path: Path) -> dict[str, Any]:
    """Inspect, measure and compress one model, on generated inputs and without a drop limit."""
    found: dict[str, Any] = {"size_bytes": path.stat().st_size}
    started = time.monotonic()
    lissom.inspect(path)
    found["inspect_seconds"] = time.monotonic() - started
    lissom.measure(path)
    with tempfile.TemporaryDirectory() as folder:
        result = lissom.compress(path, out=Path(folder) / "out")
    chosen = result.chosen
    found |= {
        "seconds": time.monotonic() - started,
        "outcome": result.choice.name,
        "reasons": list(result.choice.reasons),
        "latency_ms": result.original.latency_ms,
        "speedup": chosen.speedup,
        "speedup_interval": chosen.speedup_interval,
        "chosen_bytes": chosen.size_bytes,
        "tried": len(result.candidates),
        "errors": [f"{c.name}: {c.failed}" for c in result.candidates if c.failed],
    }
    return found


if __name__ == "__main__":
    main()
