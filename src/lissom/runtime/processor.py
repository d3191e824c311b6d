"""The processor that this machine has: its name, and the instructions that decide on speed."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lissom.store.hashing import sha256_json

__all__ = ["Processor", "current", "unbound"]

# What integer and half-precision kernels choose by: x86 flags, then ARM features.
_FEATURES = (
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512bw",
    "avx512_vnni",
    "avx_vnni",
    "avx_vnni_int8",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "amx_bf16",
    "amx_fp16",
    "asimd",
    "asimdhp",
    "fphp",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
    "sve2",
    "sme",
    "sme2",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """A processor.

    Attributes:
        name: As the system tells it.
        architecture: As `platform.machine` tells it: x86_64, aarch64, arm64.
        features: The instruction sets that matter here, in a fixed order; empty where the system
            does not tell.
    """

    name: str
    architecture: str
    features: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """A hash of all of it: what was measured on one holds for its equals."""
        return sha256_json([self.name, self.architecture, list(self.features)])


@cache
def current() -> Processor:
    """Read this machine's processor. Where the system is silent, the name is its architecture."""
    architecture = platform.machine()
    name, flags = "", set[str]()
    if sys.platform == "linux":
        name, flags = _read_linux(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    elif sys.platform == "darwin":
        name, flags = _read_mac()
    return Processor(
        name=name or platform.processor() or architecture,
        architecture=architecture,
        features=tuple(feature for feature in _FEATURES if feature in flags),
    )


def _read_linux(text: str) -> tuple[str, set[str]]:
    """Take name and flags from the text of /proc/cpuinfo: x86 and ARM write different keys."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and value.strip():
            found.setdefault(key.strip().lower(), value.strip())
    flags = set(found.get("flags", found.get("features", "")).lower().split())
    name = found.get("model name", "")
    if not name and "cpu part" in found:
        name = f"ARM implementer {found.get('cpu implementer', '?')} part {found['cpu part']}"
    return name, flags


def _read_mac() -> tuple[str, set[str]]:
    """Ask sysctl, which knows ARM features as hw.optional.arm.FEAT_*."""
    text = subprocess.run(
        ["/usr/sbin/sysctl", "machdep.cpu", "hw.optional"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    said = dict(re.findall(r"^([\w.]+): (.*)$", text, re.MULTILINE))
    flags = set(said.get("machdep.cpu.features", "").lower().split())
    flags |= set(said.get("machdep.cpu.leaf7_features", "").lower().split())
    named = {"feat_dotprod": "asimddp", "feat_fp16": "asimdhp", "feat_i8mm": "i8mm"}
    for key, value in said.items():
        if value == "1":
            short = key.rpartition(".")[2].lower()
            flags.add(named.get(short, short.removeprefix("feat_")))
    return said.get("machdep.cpu.brand_string", ""), flags


@contextmanager
def unbound() -> Iterator[None]:
    """Let this process see every processor for a while.

    A runtime may look at the processors only once, when it is imported. If it sees a single one,
    ONNX Runtime leaves the matrix unit (AMX) unused, and integer kernels take 1.4 times as long
    as they will where nobody binds the process.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    bound = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, bound)
