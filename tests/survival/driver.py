"""The command line with something happening to it; run as a script in a process of its own.

The environment variable `LISSOM_SURVIVAL` holds JSON:

    brief       time for a moment only, wait for no idle processor, imagine the runtime's facts
    under       folders in which the disk is watched; "events" counts what is done to it there
    signal, at  send this process a signal at that event; with `over`, after it
    full        from that event on nothing new can be opened for writing there
    slay        [entry, n]: kill the n-th child process of this entry, as a system without memory
    jumps       seconds by which the clocks jump, one after another, at each look
    log         a file that gets a line for each event, child process and record

Every opening for writing, renaming, removing and making of a folder is an event. Child processes
are not watched: what becomes of them when their parent dies is a part of what is tested.
"""

import contextlib
import errno
import json
import os
import sys
import time
from typing import Any

from lissom.runtime.facts import Facts

FACTS = Facts(
    activation="uint8",
    reduce_range=False,
    integer_operators=frozenset({"Conv", "Gemm", "MatMul"}),
    passthrough_operators=frozenset({"Flatten", "Reshape"}),
    weight_only=(),
    dynamic_operators=frozenset(),
    float16_compute=False,
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"}


class Watch:
    """Counts what is done to the disk, and does what is planned at one of these moments."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._under = tuple(os.path.abspath(folder) for folder in plan.get("under", ()))
        self._descriptor = -1
        if plan.get("log"):
            self._descriptor = os.open(plan["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._inside = False
        self.events = 0

    def tell(self, kind: str, what: object) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):  # where files may not grow, nor may this one
                os.write(self._descriptor, f"{kind} {what}\n".encode())

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._inside or not self._is_change(event, arguments):
            return
        self._inside = True
        try:
            self._happen(event, arguments)
        finally:
            self._inside = False

    def _is_change(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, str | bytes) or not (flags or 0) & WRITING:
                return False
        elif event in CHANGES:
            path = arguments[0]
        else:
            return False
        # A bare name is one in a folder that is held open: they are those of results.
        text = os.fsdecode(path)
        return os.sep not in text or os.path.abspath(text).startswith(self._under)

    def _happen(self, event: str, arguments: tuple[Any, ...]) -> None:
        self.events += 1
        self.tell("event", f"{self.events} {event} {arguments[0]}")
        if self.events == self._plan.get("at"):
            os.kill(os.getpid(), self._plan["signal"])
            time.sleep(60)  # until the signal arrives
        full = self._plan.get("full")
        if event in {"open", "os.mkdir"} and full is not None and self.events >= full:
            raise OSError(errno.ENOSPC, "No space left on device", str(arguments[0]))


def patch(plan: dict[str, Any], watch: Watch) -> None:
    """Make it brief, if that is wished, and tell of every child process."""
    from lissom.isolate import child
    from lissom.measure import pinning
    from lissom.runtime import onnxruntime
    from lissom.search import assess, run

    if plan.get("brief"):
        assess.SECONDS, assess.ATTEMPTS = 0.05, 1
        pinning.FIRST_SECONDS = run.FIRST_SECONDS = 0.0
        onnxruntime.Runtime.facts = lambda *_: FACTS  # type: ignore[method-assign]
    made = child._Child.__init__
    victim, left = plan.get("slay", ("", 0))

    def told(self: child._Child, request: str, *rest: Any) -> None:
        nonlocal left
        entry = json.loads(request)["entry"]
        watch.tell("child", entry)
        made(self, request, *rest)
        left -= entry == victim
        if entry == victim and left == 0:
            self.process.kill()

    child._Child.__init__ = told  # type: ignore[method-assign]


def main() -> None:
    plan = json.loads(os.environ.get("LISSOM_SURVIVAL", "{}"))
    watch = Watch(plan)
    patch(plan, watch)
    if plan.get("jumps"):
        jump(plan["jumps"])
    from lissom.cli.app import main as command

    sys.addaudithook(watch.hook)
    command()


def jump(seconds: list[float]) -> None:
    """Put every clock of this process forward, and that of the day back again, at each look."""
    now, monotonic = time.time, time.monotonic
    looks = 0

    def step() -> float:
        nonlocal looks
        looks += 1
        return seconds[looks % len(seconds)]

    ahead = 0.0

    def later() -> float:
        nonlocal ahead
        ahead += max(0.0, step())  # a monotonic clock never goes back
        return monotonic() + ahead

    time.time = lambda: now() + step()
    time.monotonic = later


if __name__ == "__main__":
    main()
