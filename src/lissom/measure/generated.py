"""Inputs for a model that came without data: invented, seeded, tried on the runtime until one runs.

Good for latency and for comparing two models' outputs; never for quality, since nothing is known of
what the model really meets.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lissom.errors import MeasurementError, SamplesError
from lissom.graph.model import Port
from lissom.isolate.child import ChildLimits, call, most_memory
from lissom.measure.fitting import Array
from lissom.measure.samples import Part, Samples
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.hashing import Json, sha256_file
from lissom.store.store import Store

__all__ = ["generated", "guesses", "latency_feed", "try_guesses"]

_MAX_ELEMENTS = 1 << 26
_SECONDS = 300.0
_BATCH_NAME = re.compile(r"batch|^n$|^bs$|^b$", re.IGNORECASE)
_STATE_NAME = re.compile(r"state|hidden|cell|past|cache|^[hc]n?_?\d*$", re.IGNORECASE)
_RATE_NAME = re.compile(r"^sr$|sample_?rate|sampling", re.IGNORECASE)
_ONES_NAME = re.compile(r"mask", re.IGNORECASE)
_LENGTH_NAME = re.compile(r"len", re.IGNORECASE)
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """One way to fill what the model leaves open."""

    side: int  # of an image both of whose sides are open
    length: int  # of a sequence, and of any other open size
    integers: int  # integers are below this
    truth: bool  # of boolean inputs


_SIZES = (
    (224, 128), (320, 512), (64, 64), (640, 16), (32, 576), (256, 8), (48, 1024),
    (512, 256), (299, 16000), (416, 1), (128, 2), (16, 4096),
)  # fmt: skip


def guesses(ports: Sequence[Port], *, batch: int = 1, seed: int = 0) -> Iterator[dict[str, Array]]:
    """Invent feeds, the likeliest to run first.

    Open sizes of one name are equal; a first axis that is open is the batch. Floats are standard
    normal, integers small and not negative, masks are ones.

    Raises:
        SamplesError: an input of a type that cannot be invented (a sequence, an optional).
    """
    for truth, integers in itertools.product((True, False), (100, 2, 1)):
        relevant = _relevant(ports)
        if (integers != 100 and "int" not in relevant) or (not truth and "bool" not in relevant):
            continue
        for side, length in _SIZES if "open" in relevant else _SIZES[:1]:
            guess = _Guess(side=side, length=length, integers=integers, truth=truth)
            shapes = _shapes(ports, guess, batch)
            if sum(math.prod(shape) for shape in shapes) > _MAX_ELEMENTS:
                continue
            rng = np.random.default_rng(seed)
            yield {
                port.name: _fill(port, shape, guess, rng)
                for port, shape in zip(ports, shapes, strict=True)
            }


def _relevant(ports: Sequence[Port]) -> set[str]:
    """What there is to guess: integers, booleans, open sizes."""
    found = {"int" for port in ports if "int" in port.dtype}
    found |= {"bool" for port in ports if port.dtype == "bool"}
    found |= {"open" for port in ports for size in port.shape[1:] if not isinstance(size, int)}
    return found


def _shapes(ports: Sequence[Port], guess: _Guess, batch: int) -> list[tuple[int, ...]]:
    named: dict[str, int] = {}
    for port in ports:  # what stands in front anywhere is the batch everywhere
        if port.shape and isinstance(port.shape[0], str):
            named[port.shape[0]] = batch
    return [_shape(port, guess, batch, named) for port in ports]


def _shape(port: Port, guess: _Guess, batch: int, named: dict[str, int]) -> tuple[int, ...]:
    shape: list[int] = []
    is_open = [axis for axis, size in enumerate(port.shape) if not isinstance(size, int)]
    image = len(port.shape) == 4 and (
        port.shape[1] in _CHANNELS or port.shape[3] in _CHANNELS or port.shape[1] is None
    )
    for axis, size in enumerate(port.shape):
        if isinstance(size, int):
            shape.append(size)
            continue
        known = named.get(size) if size is not None else None
        if known is None:
            open_inside = sum(1 for other in is_open if other > 0)
            if axis == 0 or (size and _BATCH_NAME.search(size)) or _STATE_NAME.search(port.name):
                known = batch
            elif image and open_inside >= 2:
                known = 3 if axis == 1 else guess.side
            elif image:
                known = max(guess.side, 320) if guess.side == _SIZES[0][0] else guess.side
            else:
                known = guess.length
            if size is not None and size not in ("?", ""):
                named[size] = known
        shape.append(known)
    return tuple(shape)


def _fill(port: Port, shape: tuple[int, ...], guess: _Guess, rng: np.random.Generator) -> Array:
    if port.dtype == "string":
        return np.full(shape, "a")
    try:
        dtype = np.dtype(port.dtype)
    except TypeError:
        raise SamplesError(
            f"input {port.name!r} is {port.dtype}: it cannot be invented; give --data"
        ) from None
    if dtype.kind == "f":
        return np.asarray(rng.standard_normal(shape)).astype(dtype)
    if dtype.kind == "b":
        return np.full(shape, guess.truth)
    if dtype.kind not in "iu":
        raise SamplesError(f"input {port.name!r} is {port.dtype}: give --data")
    if _RATE_NAME.search(port.name):
        return np.full(shape, 16000).astype(dtype)
    if _ONES_NAME.search(port.name):
        return np.ones(shape, dtype)
    if _LENGTH_NAME.search(port.name) and len(shape) < 2:
        return np.full(shape, guess.length).astype(dtype)
    high = min(guess.integers, int(np.iinfo(dtype).max))
    return rng.integers(0, max(1, high), shape).astype(dtype)


def generated(
    path: Path,
    ports: Sequence[Port],
    target: Target,
    store: Store,
    *,
    seed: int = 0,
    limits: ChildLimits | None = None,
) -> dict[str, Array]:
    """Invent a feed of the target's batch that the runtime runs; found in a child, then kept.

    A feed whose answers are finite is preferred. A stranger's file runs here first.

    Args:
        path: the model's file.
        ports: its inputs.
        target: where to run.
        store: where the answer is kept.
        seed: of the random numbers.
        limits: of the child; by default some minutes, and most of the memory that is free now.

    Raises:
        SamplesError: no guess runs; the message holds the runtime's last words.
        ChildFailed: the runtime crashed on a guess.
    """
    plain = [[p.name, p.dtype, list(p.shape), p.ranked] for p in ports]
    inputs = {
        "model": sha256_file(path),
        "ports": plain,
        "target": target.to_json(),
        "version": registry.load(target.runtime).version(),
        "seed": seed,
    }
    arguments = {"path": str(path), "ports": plain, "target": target.to_json(), "seed": seed}

    def compute() -> Json:
        room = limits or ChildLimits(seconds=_SECONDS, memory_bytes=most_memory())
        return call("lissom.measure.generated:try_guesses", arguments, limits=room)

    number = store.remember("generated input", inputs, compute)["guess"]
    return next(itertools.islice(guesses(ports, batch=target.batch, seed=seed), number, None))


def try_guesses(
    path: str, ports: Sequence[Any], target: Mapping[str, Json], seed: int
) -> dict[str, Json]:
    """In a child: the number of the first guess that runs with finite answers, or else that runs.

    Raises:
        SamplesError: none does.
    """
    aim = Target.from_json(target)
    inputs = [
        Port(name=name, dtype=dtype, shape=tuple(shape), ranked=ranked)
        for name, dtype, shape, ranked in ports
    ]
    runs: int | None = None
    words = "nothing was tried"
    with registry.load(aim.runtime).open(Path(path), aim, lean=True) as session:
        for number, feed in enumerate(guesses(inputs, batch=aim.batch, seed=seed)):
            try:
                answers = session.run(feed)
            except MeasurementError as error:
                words = str(error)
                continue
            runs = number if runs is None else runs
            if all(np.isfinite(a).all() for a in answers.values() if a.dtype.kind == "f"):
                return {"guess": number}
    if runs is None:
        described = ", ".join(f"{port.name} {port.dtype}{list(port.shape)}" for port in inputs)
        raise SamplesError(
            f"no input of batch {aim.batch} could be invented that this model runs ({described}); "
            "give --data. "
            f"The runtime's last words: {words[:400]}"
        )
    return {"guess": runs}


def latency_feed(
    samples: Samples | None,
    path: Path,
    ports: Sequence[Port],
    target: Target,
    store: Store,
) -> dict[str, Array]:
    """One feed of the target's batch to time a model with.

    From samples: those of the middle size (the median of the elements of all inputs), joined; a
    generated one without samples. Samples that cannot be joined are given one at a time.

    Raises:
        SamplesError: no samples, and nothing that was invented runs.
    """
    if samples is None:
        return generated(path, ports, target, store)
    part = samples.whole()
    sizes = samples.sizes()
    middle = sorted(part.indices, key=lambda i: sizes[i])[len(part.indices) // 2]
    alike = [i for i in part.indices if sizes[i] == sizes[middle] and i != middle]
    chosen = (middle, *alike)[: max(target.batch, samples.group)]
    chosen = tuple(itertools.islice(itertools.cycle(chosen), max(target.batch, samples.group)))
    few = Part(name=part.name, indices=chosen, fingerprint=part.fingerprint)
    return next(samples.feeds(few, batch=target.batch)).inputs
