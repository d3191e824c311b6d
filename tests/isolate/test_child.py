"""Calls into fresh processes: answers, errors, limits, and that nothing is left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from lissom.errors import ChildFailed, LissomError, MissingExtra, ModelError, StoreError
from lissom.isolate import child
from lissom.isolate.child import ChildLimits, call, report

ENTRIES = """
import os, sys, time
from lissom import errors
from lissom.isolate.child import report

def add(a, b=1): return a + b
def pair(value): return (value, {"given": value})
def modules(): return sorted(sys.modules)
def refuse(name, message): raise getattr(errors, name)(message)
def fail_inside(): raise errors.ChildFailed("deeper", "memory", "words")
def stumble(): raise KeyError("no such thing\\nsecond line")
def unspeakable(): return object()
def abort(): os.abort()
def leave(): os._exit(3)
def nap(seconds): time.sleep(seconds); return "rested"
def eat(mebibytes):
    food = bytearray(mebibytes << 20)
    food[::4096] = b"x" * len(food[::4096])
    time.sleep(30)
def no_memory(): raise MemoryError
def count(to):
    for number in range(to):
        report({"n": number})
    return to
def shout():
    print('{"answer": "forged"}', flush=True)
    os.system("echo '{\\"answer\\": \\"forged\\"}'")
    print("to stderr", file=sys.stderr)
    return sys.stdin.read()
def cpus(): return sorted(os.sched_getaffinity(0))
def leave_a_child_behind():
    import subprocess
    sleeper = subprocess.Popen(["sleep", "60"])
    report(sleeper.pid)
    time.sleep(60)
def pid(): return os.getpid()
def spin(seconds):
    from lissom.isolate.child import limit_processor_time
    limit_processor_time(seconds)
    while True: pass
def likely_to_go(): return int(open("/proc/self/oom_score_adj").read())
def kill(number):
    os.kill(os.getpid(), number)
    time.sleep(30)
def no_room(): raise OSError(28, "No space left on device", "a file")
def endless_words():
    for _ in range(3000):
        sys.stderr.write("x" * 9999 + "\\n")
    sys.stderr.write("the last word")
    sys.stderr.flush()
    os.abort()
def leave_a_file():
    import tempfile
    place = tempfile.mkdtemp()
    report(place)
    os.kill(os.getpid(), 9)
def die_beside_a_child():
    if os.fork() == 0:
        time.sleep(30)
    os._exit(3)
"""


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of Lissom that exists for these tests only: the package, extended by a folder."""
    package = tmp_path / "lissom"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n"
    )
    (package / "strange_room.py").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "lissom.strange_room"


def test_answer_is_what_json_reads(entries: str) -> None:
    assert call(f"{entries}:add", {"a": 2, "b": 5}) == 7
    assert call(f"{entries}:pair", {"value": "é"}) == ["é", {"given": "é"}]


def test_a_child_imports_only_what_its_entry_needs(entries: str) -> None:
    loaded = set(call(f"{entries}:modules", {}))
    assert not loaded & {"psutil", "numpy", "onnx", "onnxruntime", "pydantic"}


@pytest.mark.parametrize(
    "entry",
    ["os:getcwd", "lissom:x", "lissomx.a:b", "lissom.a.b", "lissom.a:b.c", "lissom.a:b\n", ""],
)
def test_only_functions_of_this_package_are_called(entry: str) -> None:
    with pytest.raises(ValueError, match="not a function of this package"):
        call(entry, {})


@pytest.mark.parametrize("kind", [ModelError, MissingExtra, LissomError])
def test_our_errors_come_back_as_they_were(entries: str, kind: type[LissomError]) -> None:
    with pytest.raises(LissomError) as caught:
        call(f"{entries}:refuse", {"name": kind.__name__, "message": "what; where; do"})
    assert type(caught.value) is kind
    assert str(caught.value) == "what; where; do"


def test_a_failed_child_of_a_child_keeps_its_kind(entries: str) -> None:
    with pytest.raises(ChildFailed, match="deeper") as caught:
        call(f"{entries}:fail_inside", {})
    assert (caught.value.kind, caught.value.detail) == ("memory", "words")


def test_other_exceptions_are_failures_with_the_traceback(entries: str) -> None:
    with pytest.raises(ChildFailed, match="KeyError") as caught:
        call(f"{entries}:stumble", {})
    assert caught.value.kind == "error"
    assert "in stumble" in caught.value.detail
    assert "second line" not in str(caught.value).splitlines()


def test_an_answer_that_is_not_json_is_a_failure(entries: str) -> None:
    with pytest.raises(ChildFailed, match="TypeError"):
        call(f"{entries}:unspeakable", {})


def test_crashes_say_how(entries: str) -> None:
    with pytest.raises(ChildFailed, match="SIGABRT") as caught:
        call(f"{entries}:abort", {})
    assert caught.value.kind == "crashed"
    with pytest.raises(ChildFailed, match="exit code 3"):
        call(f"{entries}:leave", {})


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_child_that_is_ended_from_outside_is_not_to_blame(entries: str) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        with pytest.raises(ChildFailed, match=f"killed by {number.name}") as caught:
            call(f"{entries}:kill", {"number": number})
        assert (caught.value.kind, caught.value.by_chance) == ("memory", True)
    with pytest.raises(ChildFailed, match="killed by SIGSEGV") as caught:
        call(f"{entries}:kill", {"number": signal.SIGSEGV})
    assert (caught.value.kind, caught.value.by_chance) == ("crashed", False)


def test_a_full_disk_is_not_the_files_fault(entries: str) -> None:
    with pytest.raises(StoreError, match=r"No space left on device: a file.*free some room"):
        call(f"{entries}:no_room", {})


def test_only_the_last_words_are_kept(entries: str) -> None:
    with pytest.raises(ChildFailed) as caught:
        call(f"{entries}:endless_words", {})
    assert caught.value.detail.endswith("the last word")
    assert len(caught.value.detail) <= 4000


def test_temporary_files_go_with_a_child_that_was_killed(
    entries: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    seen: list[str] = []
    with pytest.raises(ChildFailed, match="SIGKILL"):
        call(f"{entries}:leave_a_file", {}, on_report=seen.append)
    assert Path(seen[0]).is_relative_to(own)
    assert not list(own.iterdir())


def test_time_in_which_this_process_was_halted_does_not_count(
    entries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ahead = time.monotonic, 0.0

    def jumping() -> float:
        nonlocal ahead
        ahead += 1000.0
        return real() + ahead

    monkeypatch.setattr(child.time, "monotonic", jumping)
    assert call(f"{entries}:nap", {"seconds": 0.5}, limits=ChildLimits(seconds=60)) == "rested"


def test_a_child_that_cannot_be_started_is_told(
    entries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(child.subprocess, "Popen", refused)
    with pytest.raises(ChildFailed, match="could not be started: Resource") as caught:
        call(f"{entries}:add", {"a": 1})
    assert caught.value.by_chance


def test_time_is_limited(entries: str) -> None:
    started = time.monotonic()
    with pytest.raises(ChildFailed, match=r"after 0\.3 s") as caught:
        call(f"{entries}:nap", {"seconds": 60}, limits=ChildLimits(seconds=0.3))
    assert caught.value.kind == "timeout"
    assert time.monotonic() - started < 30


def test_memory_is_limited(entries: str) -> None:
    with pytest.raises(ChildFailed, match="100 MiB is its limit") as caught:
        call(f"{entries}:eat", {"mebibytes": 300}, limits=ChildLimits(memory_bytes=100 << 20))
    assert caught.value.kind == "memory"
    with pytest.raises(ChildFailed) as caught:
        call(f"{entries}:no_memory", {})
    assert caught.value.kind == "memory"


def test_reports_arrive_in_order_before_the_answer(entries: str) -> None:
    seen: list[object] = []
    assert call(f"{entries}:count", {"to": 50}, on_report=seen.append) == 50
    assert seen == [{"n": number} for number in range(50)]
    assert call(f"{entries}:count", {"to": 3}) == 3


def test_report_outside_a_child_does_nothing() -> None:
    report({"n": 1})
    with pytest.raises(RuntimeError, match="not a child"):
        child.send("report", 1)


def test_prints_cannot_forge_the_answer(entries: str) -> None:
    assert call(f"{entries}:shout", {}) == ""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no pinning on this system")
def test_pinning(entries: str) -> None:
    one = min(os.sched_getaffinity(0))
    assert call(f"{entries}:cpus", {}, limits=ChildLimits(cpus=(one,))) == [one]


def test_an_interrupt_kills_the_whole_group(entries: str) -> None:
    started: list[int] = []

    def interrupt(pid: int) -> None:
        started.append(pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(f"{entries}:leave_a_child_behind", {}, on_report=interrupt)
    for _ in range(100):
        gone = not psutil.pid_exists(started[0]) or (
            psutil.Process(started[0]).status() == psutil.STATUS_ZOMBIE
        )
        if gone:
            break
        time.sleep(0.05)
    assert gone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_death_is_seen_while_a_grandchild_holds_the_pipe(
    entries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_LEAVE_SECONDS", 0.2)
    with pytest.raises(ChildFailed, match="exit code 3"):
        call(f"{entries}:die_beside_a_child", {}, limits=ChildLimits(seconds=20))


def test_an_answer_is_not_lost_when_the_child_is_already_gone(
    entries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = child._Child._read

    def late(self: child._Child, request: str) -> None:
        assert self.process.stdin is not None
        with self.process.stdin as stdin:
            stdin.write(request.encode())
        while not self._is_dead():
            time.sleep(0.01)
        time.sleep(0.3)  # the parent has looked at the dead child by now
        monkeypatch.setattr(self.process, "stdin", open(os.devnull, "wb"))  # noqa: SIM115
        read(self, request)

    monkeypatch.setattr(child._Child, "_read", late)
    assert call(f"{entries}:add", {"a": 1}) == 2


def test_no_zombie_is_left(entries: str) -> None:
    pids = [call(f"{entries}:pid", {}) for _ in range(2)]
    children = {process.pid for process in psutil.Process().children()}
    assert not children & set(pids)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal on a parent's death")
def test_a_child_dies_with_its_parent(entries: str, tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        from lissom.isolate.child import call
        call("{entries}:leave_a_child_behind", dict(), on_report=lambda pid: print(pid, flush=True))
        """
    )
    source = Path(child.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{source}"}
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    sleeper = psutil.Process(int(parent.stdout.readline()))
    running = sleeper.parent()
    assert running is not None
    parent.kill()
    parent.wait()
    parent.stdout.close()
    psutil.wait_procs([running], timeout=10)
    sleeper.kill()
    assert not running.is_running() or running.status() == psutil.STATUS_ZOMBIE


def test_processor_time_can_be_limited(entries: str) -> None:
    with pytest.raises(ChildFailed, match="used up its processor time") as caught:
        call(f"{entries}:spin", {"seconds": 1})
    assert caught.value.kind == "timeout"
    child.limit_processor_time(1)  # outside a child it does nothing
    assert call(f"{entries}:add", {"a": 1}) == 2


def test_a_child_may_use_most_of_the_memory_that_is_free() -> None:
    assert 0 < child.most_memory() < psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform != "linux", reason="a file of Linux")
def test_a_child_is_ended_first_when_memory_runs_out(entries: str) -> None:
    assert call(f"{entries}:likely_to_go", {}) == 1000


def test_without_a_limit_most_of_the_free_memory_is_one(
    entries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "most_memory", lambda: 100 << 20)
    with pytest.raises(ChildFailed, match="100 MiB is its limit") as caught:
        call(f"{entries}:eat", {"mebibytes": 300})
    assert caught.value.kind == "memory"
