"""The other side of `isolate.child.call`: run by path as a script in the fresh process.

It reads one request from standard input, keeps the pipe to the parent for itself, and imports
nothing but what the entry needs. It ends without Python's own teardown: after the answer is sent
there is nothing left to lose, and runtimes have crashed there.
"""

import contextlib
import errno
import importlib
import json
import os
import sys
import traceback
from typing import Any

# What children write lies in the store's scratch and in their own folder for temporary files: that
# a disk is full is not the fault of the file that they work on.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_MAKE_ROOM = (
    "free some room on the disks of the store and of temporary files, "
    "and the same command goes on from here"
)


def _die_with_parent(parent: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes
    import signal

    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
    ctypes.CDLL(None).prctl(set_parent_death_signal, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)  # It died before the line above.


def _go_first() -> None:
    """Ask the system to end this process before any other when memory runs out (Linux)."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _take_pipes() -> tuple[Any, str]:
    """Keep the pipe to the parent; what any library prints goes to the captured errors."""
    request = sys.stdin.buffer.read().decode()
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return channel, request


def _run(request: dict[str, Any]) -> None:
    from lissom.errors import ChildFailed, LissomError
    from lissom.isolate import child

    module, _, function = request["entry"].partition(":")
    try:
        if not module.startswith("lissom."):
            raise ValueError(f"{module} is not of this package")  # noqa: TRY301
        entry = getattr(importlib.import_module(module), function)
        child.send("answer", entry(**request["arguments"]))
    except LissomError as error:
        told = {"class": type(error).__name__, "message": str(error)}
        if isinstance(error, ChildFailed):
            told |= {"kind": error.kind, "detail": error.detail}
        child.send("error", told)
    except MemoryError:
        traceback.print_exc()
        message = f"{request['entry']} could not get the memory that it asked for"
        child.send(
            "error", {"class": "ChildFailed", "message": message, "kind": "memory", "detail": ""}
        )
    except OSError as error:
        traceback.print_exc()
        reason = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        if error.errno in _NO_ROOM:
            message = f"a child process could not write ({reason}); {_MAKE_ROOM}"
            child.send("error", {"class": "StoreError", "message": message})
        else:
            child.send("failure", f"{type(error).__name__}: {reason}")
    except BaseException as error:  # noqa: BLE001 - the parent is told, and raises
        traceback.print_exc()
        first = str(error).partition("\n")[0]
        child.send("failure", f"{type(error).__name__}: {first}")


def main() -> None:
    """Do what the parent asks, once."""
    channel, text = _take_pipes()
    request = json.loads(text)
    _die_with_parent(request["parent"])
    _go_first()
    if request["cpus"] is not None and sys.platform == "linux":
        # A processor may have been taken from us since the parent looked: then run unpinned.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, request["cpus"])
    sys.path[:] = request["path"]

    from lissom.isolate import child

    child.open_channel(channel)
    _run(request)
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
