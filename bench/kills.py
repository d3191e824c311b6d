"""Kill runs at random moments and see that nothing is lost, repeated or left behind.

    python -m bench.kills [--kills 100] [--seed 0] [--folder DIR]

One run of the demonstration's network is left in peace. Then the same command is started in a new
place, killed after a random time (three times in four at once, else by a request to end) and
started again, until it ends by itself; then in the next new place, until there were as many kills.
Every ended run is held against the undisturbed one: the same candidates, byte for byte, with the
same answers on the samples. Times differ, as they do between any two runs, and with them what is
chosen among candidates that are equally fast. No record of a finished step may have been written a
second time, and no temporary file may be left. Raw results go to `bench/results/kills.json`.
"""

import argparse
import json
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lissom.demo.files import paths
from lissom.measure.environment import current
from tests.survival.scene import Scene, compared, fixed, records

RESULTS = Path(__file__).parent / "results"
LONGEST_SECONDS = 20.0  # until a kill; a step that takes longer must be let through now and then
TIMED = {"chosen", "finished"}
# Steps whose answer is the same whenever they are made; the others measure time or memory.
EXACT = {"answers", "evidence", "graph.load", "loads", "macs", "parity", "parity of loading"}


@dataclass(slots=True)
class Tally:
    """What was seen so far.

    Attributes:
        kills: moments of the kills, in seconds after the start, and how.
        runs: one entry for each run that ended.
        problems: everything that should not be, in words.
    """

    kills: list[tuple[float, str]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def main() -> None:
    """Run, and write what was seen; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.kills",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for the runs; a temporary one otherwise")
    parser.add_argument("--out", type=Path, default=RESULTS / "kills.json")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="lissom-kills-"))
    started = time.monotonic()
    try:
        found = trial(folder, given.kills, random.Random(given.seed))
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    found |= {"seed": given.seed, "seconds": round(time.monotonic() - started, 1)}
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{len(found['kills'])} kills in {len(found['runs'])} runs: {found['verdict']}")
    raise SystemExit(1 if found["problems"] else 0)


def trial(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill until there were so many; answer what `kills.json` holds."""
    peace = scene_in(folder / "undisturbed")
    code, told = peace.run()
    if code != 0:
        raise RuntimeError(f"the undisturbed run failed: {told}")
    tally = Tally()
    while len(tally.kills) < kills:
        scene = scene_in(folder / f"run{len(tally.runs)}")
        sittings = disturbed(scene, kills, rng, tally)
        judge(scene, peace, sittings, tally)
        shutil.rmtree(scene.folder)
        print(f"{len(tally.kills)} kills, {len(tally.problems)} problems", flush=True)
    problems = tally.problems
    fine = "the same results, no step repeated, nothing left behind"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "environment": current().to_json(),
        "kills": [{"after_seconds": round(after, 2), "how": how} for after, how in tally.kills],
        "runs": tally.runs,
        "undisturbed": {"children": len(peace.told("child")), "steps": len(records(peace.store))},
        "problems": problems,
        "verdict": "; ".join(problems) or fine,
    }


def scene_in(folder: Path) -> Scene:
    """A new place for the demonstration's run, without a limit on its time."""
    folder.mkdir(parents=True)
    files = paths()
    options = (str(files.model), "--data", str(files.samples))
    return Scene(folder=folder, options=options, brief=False)


def disturbed(scene: Scene, kills: int, rng: random.Random, tally: Tally) -> int:
    """Run in one place, killed again and again, until it ends by itself; answers the sittings."""
    sittings = 0
    before: dict[str, tuple[str, str, int]] = {}
    while True:
        sittings += 1
        started = time.monotonic()
        running = scene.started()
        if len(tally.kills) < kills:
            time.sleep(rng.uniform(0.0, LONGEST_SECONDS))
            how = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
            if running.poll() is None:
                tally.kills.append((time.monotonic() - started, how.name))
                running.send_signal(how)
        told = running.communicate()[1]
        after = records(scene.store)
        gone, again = compared(before, after)
        for what, count in (("lost", gone), ("written again", again)):
            if count:
                tally.problems.append(f"{what} after kill {len(tally.kills)}: {dict(count)}")
        before = after
        if running.returncode == 0:
            return sittings
        if running.returncode not in {-signal.SIGKILL, -signal.SIGTERM, 130}:
            tally.problems.append(f"exit code {running.returncode}: {told[-300:]}")
            return sittings


def judge(scene: Scene, peace: Scene, sittings: int, tally: Tally) -> None:
    """Hold a run that has ended against the undisturbed one."""
    ours, theirs = fixed(scene.document()), fixed(peace.document())
    other = [key for key in ours if key not in TIMED and ours[key] != theirs[key]]
    if other:
        tally.problems.append(f"another result than undisturbed: {', '.join(other)}")
    kept, made = records(scene.store), records(peace.store)
    both = [key for key in kept if key in made and made[key][0] in EXACT]
    changed = Counter(made[key][0] for key in both if kept[key][1] != made[key][1])
    if changed:
        tally.problems.append(f"other answers than undisturbed: {dict(changed)}")
    left = scene.left_behind()
    if left:
        tally.problems.append(f"left behind: {', '.join(left)}")
    tally.runs.append(
        {
            "sittings": sittings,
            "chosen": ours["chosen"],
            "chosen_undisturbed": theirs["chosen"],
            "children": len(scene.told("child")),
            "steps": len(kept),
            "equal_answers": len(both) - sum(changed.values()),
        }
    )


if __name__ == "__main__":
    main()
