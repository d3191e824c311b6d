"""Channel groups of many architectures, and the law of removal tried on each.

    python -m bench.architectures [--only NAME ...] [--models DIR] [--cache DIR]

The models: hand-written ones, those that real packages carry (`bench.wild`), the light ones of the
onnx package with seeded random numbers in place of their weights (which are constants that hold one
number each), and what `python -m bench.exported` wrote to DIR. For each, random units of all groups
that are exact leave together, with two seeds, and the outputs are held against those of the
original with zeros where these units are read; then random units of all groups leave, and it has
to load, run and keep its shapes, with numbers where the original has them. Where an exported model
has a feed of other sizes, the same is seen there. Every model has a process of its own. Writes
`bench/results/architectures.json`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from bench import wild
from bench.light import with_weights
from bench.stacks import STACKS, feed_for
from lissom.errors import LissomError
from lissom.graph.channels.groups import Channels
from lissom.graph.channels.removal import removal
from lissom.graph.load import load
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.measure.environment import current
from lissom.runtime.target import Target
from lissom.search.opening import open_model
from lissom.store.store import Store
from tests.graph.channels.law import TOLERANCE, alike, found_in, run, zeroing
from tests.graph.channels.nets import NETS

RESULT = Path(__file__).parent / "results" / "architectures.json"
SEEDS = (0, 1)
REASONS = 5
STEP = float(np.finfo(np.float32).eps)
Array = np.ndarray[Any, Any]
Feed = Mapping[str, Array]
Units = Mapping[str, tuple[int, ...]]


def main() -> None:
    """Go through the models and write what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.architectures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="*", default=(), help="parts of names")
    parser.add_argument("--models", type=Path, default=Path("build") / "bench" / "exported")
    parser.add_argument("--cache", type=Path, default=Path("build") / "bench")
    parser.add_argument("--seconds", type=float, default=600, help="most time for one model")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(judged(given.one)))
        return
    found: dict[str, Any] = {}
    if given.out.exists():
        found = json.loads(given.out.read_text(encoding="utf-8"))["models"]
    with tempfile.TemporaryDirectory() as folder:
        for name, (family, make) in models(given.models, given.cache, Path(folder)).items():
            if given.only and not any(part in name for part in given.only):
                continue
            found[name] = {"family": family, **isolated(make(), given.seconds)}
            print(name, in_words(found[name]), flush=True)
            written(given.out, found, given.models)


def written(out: Path, found: Mapping[str, Any], exported: Path) -> None:
    """Write what is known so far."""
    failed = exported / "failed.json"
    whole = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "tolerance": TOLERANCE,
        "seeds": list(SEEDS),
        "not_exported": json.loads(failed.read_text()) if failed.exists() else {},
        "models": dict(sorted(found.items())),
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def in_words(one: Mapping[str, Any]) -> str:
    if "failed" in one:
        return f"failed: {one['failed']}"
    law = "; ".join(one["wrong"]) or "held"
    return f"{100 * one['coverage']:.1f}%, {one['groups']} groups, {one['units']} units, {law}"


# -- the models ----------------------------------------------------------------------------------


def models(exported: Path, cache: Path, folder: Path) -> dict[str, tuple[str, Callable[[], Path]]]:
    """By name: family, and what gives the file, written to `folder` where there is none yet."""
    found: dict[str, tuple[str, Callable[[], Path]]] = {}
    for name, make in {**NETS, **STACKS}.items():
        found[f"by hand/{name}"] = "by hand", partial(saved, make, folder / f"{name}.onnx")
    families = exported / "families.json"
    known = json.loads(families.read_text()) if families.exists() else {}
    for path in sorted(exported.glob("*.onnx")):
        family = known[path.stem.split("-")[0]]
        found[f"transformers/{path.stem}"] = family, partial(Path, path)
    for name, path in wild.models(cache).items():
        short = name.removesuffix(".onnx")
        if name.startswith("onnx/"):
            found[short] = "light, random weights", partial(weighted, path, folder / "light.onnx")
        else:
            found[short] = "in the wild", partial(Path, path)
    return found


def weighted(light: Path, path: Path) -> Path:
    onnx.save(with_weights(onnx.load(light)), path)
    return path


def saved(make: Callable[[], onnx.ModelProto], path: Path) -> Path:
    proto = make()
    onnx.save(proto, path)
    np.savez(path.with_suffix(".npz"), **feed_for(proto))
    return path


def feeds_of(path: Path) -> list[Feed]:
    """What lies beside a model: a feed, and one of other sizes."""
    beside = (path.with_suffix(".npz"), path.with_suffix(".other.npz"))
    return [dict(np.load(each)) for each in beside if each.exists()]


# -- one model -----------------------------------------------------------------------------------


def isolated(path: Path, seconds: float) -> dict[str, Any]:
    """`judged` in a process of its own; how it died, if it died."""
    command = [sys.executable, "-m", "bench.architectures", "--one", str(path)]
    size = path.stat().st_size
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"size_bytes": size, "failed": f"more than {seconds:.0f} s"}
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [""])[-1].replace(str(path), path.name)
        return {"size_bytes": size, "failed": f"exit code {ended.returncode}: {last[:300]}"}
    answer: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return {"size_bytes": size, **answer}


def judged(path: Path) -> dict[str, Any]:
    """The groups of one model, and whether the law held."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        if feeds := feeds_of(path):
            return examined(load(path, store, canonical="full"), feeds, store)
        opened = open_model(path, None, store=store, target=Target())
        return examined(opened.model, [opened.feed], store)


def examined(model: Model, feeds: list[Feed], store: Store) -> dict[str, Any]:
    """The groups of a model as the first feed shows them; the law on every feed that runs."""
    started = time.monotonic()
    found = found_in(model, feeds[0], store)
    seconds = time.monotonic() - started
    before = [run(model, feeds[0], store)]
    notes = []
    for feed in feeds[1:]:
        try:
            before.append(run(model, feed, store))
        except Exception as error:  # noqa: BLE001 - the original cannot do it either
            notes.append(f"fixed in fact: {str(error).splitlines()[0][:120]}")
    trials = [tried(found, seed, feeds, before, store) for seed in SEEDS]
    errors = [error for trial in trials for error in trial["errors"]]
    total = sum(one.parameters for one in found.kept)
    return {
        "parameters": model.parameters,
        "groups": len(found.groups),
        "inexact_groups": sum(bool(group.inexact) for group in found.groups),
        "units": sum(group.units for group in found.groups),
        "coverage": found.coverage,
        "kept": [
            {"reason": one.reason, "parameters": one.parameters, "share": one.parameters / total}
            for one in found.kept[:REASONS]
        ],
        "inexact": sorted({group.inexact for group in found.groups if group.inexact}),
        "seconds": seconds,
        "feeds": len(before),
        "largest_error": max(errors, default=None),
        "least_change": min((change for t in trials for change in t["changes"]), default=None),
        "wrong": [said for trial in trials for said in trial["wrong"]],
        "notes": notes,
    }


def tried(
    found: Channels, seed: int, feeds: list[Feed], before: list[dict[str, Array]], store: Store
) -> dict[str, Any]:
    """Take random units away: of the exact groups together, then of all groups."""
    rng = np.random.default_rng(seed)
    units = {
        group.name: tuple(
            rng.choice(group.units, rng.integers(1, group.units), replace=False).tolist()
        )
        for group in found.groups
    }
    exact = {name: some for name, some in units.items() if not found.group(name).inexact}
    seen: dict[str, Any] = {"errors": [], "changes": [], "wrong": []}

    def fits(what: str, some: Units) -> bool:
        try:
            errors, changes = differences(found, some, feeds, before, store)
        except (LissomError, ValueError) as error:
            seen["wrong"].append(f"{what}: {type(error).__name__}: {error}"[:400])
            return False
        seen["errors"] += errors
        seen["changes"] += changes
        if max(errors) > TOLERANCE:
            seen["wrong"].append(f"{what}: {max(errors):.2g}")
        return max(errors) <= TOLERANCE

    if exact and not fits("all exact groups", exact):
        for name, some in exact.items():
            fits(name, {name: some})
    if len(exact) < len(units):
        try:
            removed = perform(found.walk.model, [removal(found, units)], store)
            for feed, known in zip(feeds, before, strict=False):
                after = run(removed, feed, store)
                check_shapes(after, known)
                check_numbers(after, known)
        except (LissomError, ValueError) as error:
            seen["wrong"].append(f"all groups: {type(error).__name__}: {error}"[:400])
    return seen


def differences(
    found: Channels, units: Units, feeds: list[Feed], before: list[dict[str, Array]], store: Store
) -> tuple[list[float], list[float]]:
    """For each feed: removed against zeroed, and zeroed against the original."""
    model = found.walk.model
    groups = [found.group(name) for name in units]
    removed = perform(model, [removal(found, units)], store)
    zeroed = perform(model, zeroing(model, groups, units, found, store), store)
    errors, changes = [], []
    for feed, known in zip(feeds, before, strict=False):
        after, expected = run(removed, feed, store), run(zeroed, feed, store)
        check_shapes(after, known)
        errors.append(max(distance(after[name], expected[name]) for name in expected))
        changes.append(max(distance(known[name], expected[name]) for name in expected))
    return errors, changes


def check_shapes(after: Mapping[str, Array], known: Mapping[str, Array]) -> None:
    for name, array in known.items():
        if after[name].shape != array.shape:
            raise ValueError(f"{name} has shape {after[name].shape} and not {array.shape}")


def check_numbers(after: Mapping[str, Array], known: Mapping[str, Array]) -> None:
    for name, array in known.items():
        if not alike(after[name], array):
            raise ValueError(f"{name} holds what is no number, where the original holds numbers")


def distance(one: Array, other: Array) -> float:
    """The largest difference over the other's range; infinite where only one is a number.

    A difference within float32's step at 1 is none: the runtime's sigmoid is no finer near 0.
    """
    first, second = one.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(second)
    if not np.array_equal(finite, np.isfinite(first)):
        return float("inf")
    if not finite.any():
        return 0.0
    worst = float(np.abs(first[finite] - second[finite]).max())
    span = float(np.abs(second[finite]).max()) or 1.0
    return worst / span if worst > STEP else 0.0


if __name__ == "__main__":
    main()
