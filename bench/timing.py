"""Speed of several model files, interleaved in one process: an independent check of our own clock.

Ratios are taken within a round, so a slow drift of the machine cancels.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from bench.task import Feed, Outputs

_WARM_RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Time of one run, and how much faster than the reference.

    Attributes:
        median_ms: over all runs.
        p90_ms: over all runs.
        speedup: median over rounds of reference time / time.
        speedup_quartiles: first and third quartile over rounds.
    """

    median_ms: float
    p90_ms: float
    speedup: float
    speedup_quartiles: tuple[float, float]


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session on the processor, with no spinning between runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def outputs(path: Path, feeds: Sequence[Feed], threads: int) -> list[Outputs]:
    """Every output for every feed."""
    running = session(path, threads)
    return [[np.asarray(out) for out in running.run(None, feed)] for feed in feeds]


def speeds(
    files: Mapping[str, Path],
    reference: str,
    feed: Feed,
    *,
    threads: int = 1,
    rounds: int = 15,
    seconds: float = 40.0,
) -> dict[str, Speed]:
    """Time all files on one feed.

    Args:
        files: what to time, by name; `reference` is one of them.
        reference: the name that speedups refer to.
        feed: inputs of one run.
        threads: of the runtime.
        rounds: each round runs every file several times.
        seconds: for everything together.
    """
    running = {name: session(path, threads) for name, path in files.items()}
    for one in running.values():
        for _ in range(_WARM_RUNS):
            one.run(None, feed)
    each = max(_once(one, feed) for one in running.values())
    count = int(np.clip(seconds / rounds / len(running) / each, 3, 200))
    times: dict[str, list[list[float]]] = {name: [] for name in running}
    for _ in range(rounds):
        for name, one in running.items():
            one.run(None, feed)
            times[name].append([_once(one, feed) for _ in range(count)])
    base = np.median(times[reference], axis=1)
    return {name: _summary(np.array(found), base) for name, found in times.items()}


def _once(running: onnxruntime.InferenceSession, feed: Feed) -> float:
    started = time.perf_counter()
    running.run(None, feed)
    return time.perf_counter() - started


def _summary(times: np.ndarray, base: np.ndarray) -> Speed:
    """`times` [rounds, runs] in seconds; `base` [rounds], the reference's medians."""
    ratios = base / np.median(times, axis=1)
    low, high = np.percentile(ratios, [25, 75])
    return Speed(
        median_ms=float(np.median(times)) * 1e3,
        p90_ms=float(np.percentile(times, 90)) * 1e3,
        speedup=float(np.median(ratios)),
        speedup_quartiles=(float(low), float(high)),
    )
