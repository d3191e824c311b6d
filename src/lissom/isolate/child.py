"""Call one of Lissom's own functions in a fresh process with limits on time and memory.

Whatever reads or runs a stranger's model happens here: a crash there is an answer here, not the
end. JSON goes in and comes out; big arrays travel as files whose paths are arguments. The answer
comes back through a pipe of its own, so nothing that a library prints can be taken for it.
"""

import contextlib
import json
import math
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from lissom import errors
from lissom.errors import ChildFailed, LissomError
from lissom.isolate.temporary import private_folder

__all__ = ["ChildLimits", "call", "limit_processor_time", "most_memory", "report"]

_ENTRY = re.compile(r"lissom(\.[A-Za-z_]\w*)+:[A-Za-z_]\w*")
_POLL_SECONDS = 0.1
_WATCH_SECONDS = 0.02  # between two looks at the memory of a child that has a limit
_MEMORY_SHARE = 0.8
_LEAVE_SECONDS = 5.0  # what a child may take to end once it has answered or closed its pipe
_DETAIL_BYTES = 4000
_LONGEST_LOOK_SECONDS = 1.0  # of one look at a child; longer, and this process itself was halted
# How a child ends when something outside ended it: the file that it worked on is not to blame.
_FROM_OUTSIDE = frozenset({"SIGHUP", "SIGINT", "SIGKILL", "SIGQUIT", "SIGTERM"})

_Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What a child process may use.

    Attributes:
        seconds: Wall-clock time until it is killed. Time in which this process was halted (a
            suspended machine, a clock that jumped) does not count.
        memory_bytes: Resident memory, its own children's included, above which it is killed; None
            for most of what is free when it starts (its own children not counted, so that watching
            costs nothing). It is watched rather than reserved: runtimes reserve far more than they
            touch, so a limit on address space would refuse harmless models.
        cpus: The processors it is pinned to, where the system can; None for all.
    """

    seconds: float = 600.0
    memory_bytes: int | None = None
    cpus: tuple[int, ...] | None = None


_NO_LIMITS_GIVEN = ChildLimits()


def call(
    entry: str,
    arguments: Mapping[str, Any],
    *,
    limits: ChildLimits = _NO_LIMITS_GIVEN,
    on_report: Callable[[Any], None] | None = None,
) -> Any:
    """Run `entry` (as "lissom.room.module:function") with keyword arguments in a fresh process.

    The child has its own process group, no standard input, a folder for temporary files that goes
    with it, and dies with this process. Interrupted, or when `on_report` raises, the child is
    killed and the exception passed on.

    Args:
        entry: A function of this package, nothing else.
        arguments: JSON.
        limits: Time, memory and processors.
        on_report: Called, in this process, with each value that the child gives to `report`.

    Returns:
        What the function answered, as JSON reads it (tuples are lists).

    Raises:
        LissomError: The child raised it: the same class with the same message.
        ChildFailed: The child crashed, ran out of time or memory, or raised anything else.
        ValueError: `entry` is not a function of this package.
    """
    if not _ENTRY.fullmatch(entry):
        raise ValueError(f"{entry!r} is not a function of this package, as 'lissom.room.module:f'")
    request = {
        "entry": entry,
        "arguments": dict(arguments),
        "path": [os.path.abspath(folder) for folder in sys.path],
        "parent": os.getpid(),
        "cpus": list(limits.cpus) if limits.cpus is not None else None,
    }
    text = json.dumps(request)
    with private_folder() as folder:
        try:
            child = _Child(text, folder)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ChildFailed(f"{entry} could not be started: {reason}", "memory") from error
        try:
            return child.answer(entry, limits, on_report)
        finally:
            child.end()


def report(value: Any) -> None:
    """Send a JSON value to the parent's `on_report`; outside a child it does nothing."""
    if _channel is not None:
        send("report", value)


def most_memory() -> int:
    """Bytes that a child may use at most, so that this process and the machine go on living."""
    import psutil

    return int(_MEMORY_SHARE * psutil.virtual_memory().available)


def limit_processor_time(seconds: float) -> None:
    """In a child: end this process after so many more seconds of processor time; at least one.

    The parent hears of it as a `timeout`. Unlike wall-clock time it does not run out sooner on a
    busy machine. Windows has no such limit: there only the wall clock stops a child. Outside a
    child it does nothing.
    """
    if _channel is None or sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(time.process_time() + max(1.0, seconds))
    if hard == resource.RLIM_INFINITY or soft < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


_channel: IO[str] | None = None
_sending = threading.Lock()


def open_channel(stream: IO[str]) -> None:
    """Give this process, a child, the pipe to its parent. Called once, before the entry runs."""
    global _channel
    _channel = stream


def send(kind: str, value: Any) -> None:
    """Write one message to the parent: a line of JSON. Only in a child.

    Raises:
        TypeError: `value` is not JSON.
    """
    if _channel is None:
        raise RuntimeError("this process is not a child: it has nobody to send to")
    line = json.dumps({kind: value})
    with _sending:
        _channel.write(line + "\n")
        _channel.flush()


class _Words(threading.Thread):
    """Reads what a child prints to its end and keeps the last of it, however much it is."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._kept = b""
        self.start()

    def run(self) -> None:
        """Read until nobody can write any more."""
        with self._stream:
            while chunk := os.read(self._stream.fileno(), 1 << 16):
                self._kept = (self._kept + chunk)[-_DETAIL_BYTES:]

    def last(self, *, dead: bool) -> str:
        """The end of what was printed so far; of a dead child, all that is still on its way."""
        if dead:
            self.join(_LEAVE_SECONDS)
        return self._kept.decode(errors="replace").strip()


class _Child:
    """A running child: its process, the messages that it sent, and what it printed."""

    def __init__(self, request: str, folder: Path | None) -> None:
        self._most_bytes = most_memory()
        self._messages: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        # -P: a module in the current folder must not be taken for a library. The script itself
        # takes over this process's search path.
        script = Path(__file__).with_name("__main__.py")
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=None if folder is None else {**os.environ, "TMPDIR": str(folder)},
        )
        if self.process.stderr is None:  # pragma: no cover - it was asked for
            raise RuntimeError("a child without pipes")
        self._words = _Words(self.process.stderr)
        self._reader = threading.Thread(target=self._read, args=(request,), daemon=True)
        self._reader.start()

    def _read(self, request: str) -> None:
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:  # pragma: no cover - both were asked for
            raise RuntimeError("a child without pipes")
        try:
            with stdin:
                stdin.write(request.encode())
        except OSError:
            pass  # It died before it read: the end of its pipe tells the rest.
        for line in stdout:
            try:
                self._messages.put(json.loads(line))
            except ValueError:
                break  # A line cut off by its death.
        self._messages.put(None)

    def answer(
        self, entry: str, limits: ChildLimits, on_report: Callable[[Any], None] | None
    ) -> Any:
        """Pass reports on until the answer is there; raise what the child raised."""
        for message in self._received(entry, limits):
            if "report" in message:
                if on_report is not None:
                    on_report(message["report"])
            elif "answer" in message:
                return message["answer"]
            elif "error" in message:
                _raise_again(message["error"])
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(_LEAVE_SECONDS)
                raise ChildFailed(f"{entry}: {message['failure']}", "error", self._last_words())
        raise self._crash(entry)

    def _received(self, entry: str, limits: ChildLimits) -> Iterator[_Message]:
        left = limits.seconds
        poll_seconds = _POLL_SECONDS if limits.memory_bytes is None else _WATCH_SECONDS
        looked = time.monotonic()
        while True:
            now = time.monotonic()
            left -= min(now - looked, _LONGEST_LOOK_SECONDS)
            looked = now
            try:
                message = self._messages.get(timeout=max(0.0, min(left, poll_seconds)))
            except queue.Empty:
                if left <= 0:
                    raise ChildFailed(
                        f"{entry} was stopped after {limits.seconds:g} s, its limit",
                        "timeout",
                        self._last_words(),
                    ) from None
                if not self._is_dead():
                    self._check_memory(entry, limits)
                    continue
                # Its last words may still be on their way; but if something that it started holds
                # the pipe, the end of the pipe never comes.
                try:
                    message = self._messages.get(timeout=_LEAVE_SECONDS)
                except queue.Empty:
                    return
            if message is None:
                return
            yield message

    def _is_dead(self) -> bool:
        import psutil

        try:
            return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return True

    def _check_memory(self, entry: str, limits: ChildLimits) -> None:
        import psutil

        most_bytes = limits.memory_bytes or self._most_bytes
        used_bytes = 0
        try:
            leader = psutil.Process(self.process.pid)
            others = leader.children(recursive=True) if limits.memory_bytes is not None else []
            for process in (leader, *others):
                used_bytes += process.memory_info().rss
        except psutil.Error:
            return  # Gone between two looks: the end of its pipe tells the rest.
        if used_bytes > most_bytes:
            raise ChildFailed(
                f"{entry} was stopped: it used {used_bytes / 2**20:.0f} MiB of memory, and "
                f"{most_bytes / 2**20:.0f} MiB is its limit",
                "memory",
                self._last_words(),
            )

    def _crash(self, entry: str) -> ChildFailed:
        try:
            code: int | None = self.process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        return _ended(entry, code, self._last_words())

    def _last_words(self) -> str:
        return self._words.last(dead=self.process.poll() is not None)

    def end(self) -> None:
        """Kill whatever is left of the child's group, and leave no zombie."""
        if sys.platform == "win32":
            import psutil

            with contextlib.suppress(psutil.Error):  # Already gone.
                for process in psutil.Process(self.process.pid).children(recursive=True):
                    process.kill()
            self.process.kill()
        else:
            import signal

            # Already gone; macOS answers the second for a group of zombies.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(_LEAVE_SECONDS)
        self._words.join(_LEAVE_SECONDS)
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()


def _ended(entry: str, code: int | None, words: str) -> ChildFailed:
    """What to raise for a child that gave no answer; without an exit code it still runs."""
    without = f"{entry} ended without an answer:"
    if code is None:
        return ChildFailed(f"{without} it closed its pipe", "crashed", words)
    if code >= 0:
        return ChildFailed(f"{without} exit code {code}", "crashed", words)
    import signal

    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGXCPU":
        return ChildFailed(f"{entry} was stopped: it used up its processor time", "timeout", words)
    told = f"{without} killed by {name}"
    if name in _FROM_OUTSIDE:
        hint = " (the system kills so when memory runs out)" if name == "SIGKILL" else ""
        return ChildFailed(told + hint, "memory", words)
    return ChildFailed(told, "crashed", words)


def _raise_again(error: Mapping[str, Any]) -> NoReturn:
    kind = getattr(errors, error["class"], None)
    if not (isinstance(kind, type) and issubclass(kind, LissomError)):
        raise ChildFailed(f"{error['class']}: {error['message']}", "error")
    if issubclass(kind, ChildFailed):
        raise kind(error["message"], error["kind"], error["detail"])
    raise kind(error["message"])
