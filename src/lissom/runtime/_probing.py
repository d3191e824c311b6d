"""What the probes of all runtimes share: the products that they time, and what they ask alike."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from lissom.errors import MeasurementError
from lissom.graph import probe_models
from lissom.graph.probe_weights import widened_product
from lissom.isolate.child import ChildLimits, call
from lissom.runtime import cores, processor, rounds
from lissom.runtime.facts import Facts
from lissom.runtime.protocol import Runtime, Session
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = [
    "CONVOLUTION",
    "ENCODER",
    "GAIN",
    "HEAVY",
    "PRODUCTS",
    "Bench",
    "asymmetric_weights",
    "best_first",
    "feeds_of",
    "folds_weights",
    "kept_facts",
    "named",
    "reduce_range",
    "weight_only",
]

# (input, weight, groups): an encoder's products, one of a single row, then a 3x3, a pointwise and a
# depthwise convolution of a small image network.
PRODUCTS: Final[tuple[tuple[tuple[int, ...], tuple[int, ...], int], ...]] = (
    ((1, 128, 384), (384, 384), 1),
    ((1, 128, 384), (384, 1536), 1),
    ((1, 512), (512, 1024), 1),
    ((1, 64, 28, 28), (64, 64, 3, 3), 1),
    ((1, 128, 14, 14), (256, 128, 1, 1), 1),
    ((1, 128, 28, 28), (128, 1, 3, 3), 128),
)
"""What is timed: shape of the input, shape of the weight, groups."""
ENCODER: Final = PRODUCTS[1]
CONVOLUTION: Final = PRODUCTS[3]
HEAVY: Final = ("Conv", "Gemm", "MatMul")
"""Operators whose integer kernels may be able to answer in float."""
GAIN: Final = 1.05
"""A probe's ratio below this is noise, not a gain."""

_WIDENED: Final = {
    "Conv": CONVOLUTION[:2],
    "GRU": ((32, 1, 128), (1, 384, 128)),
    "Gemm": ((16, 512), (1024, 512)),
    "LSTM": ((32, 1, 128), (1, 512, 128)),
    "MatMul": ENCODER[:2],
    "RNN": ((32, 1, 128), (1, 128, 128)),
}
_WEIGHT_ONLY = tuple((bits, block) for bits in (4, 8, 2) for block in (16, 32, 64, 128, 256))


class Bench:
    """Writes probe models, opens them, and compares their speed."""

    def __init__(self, folder: Path, runtime: Runtime, target: Target) -> None:
        """Prepare.

        Args:
            folder: where the models go.
            runtime: what is probed.
            target: where the models run unless told otherwise.
        """
        self.folder = folder
        self.runtime = runtime
        self._target = target
        self._written = 0

    def open(
        self, model: bytes, *, target: Target | None = None, profile: Path | None = None
    ) -> Session:
        """Open a model with one thread."""
        self._written += 1
        path = self.folder / f"{self._written}.onnx"
        path.write_bytes(model)
        return self.runtime.open(path, target or self._target, profile=profile)

    def gain(
        self,
        first: bytes,
        second: bytes,
        feeds: Mapping[str, np.ndarray],
        target: Target | None = None,
    ) -> float:
        """How many times faster the second model, opened for `target`, is than the first."""
        with self.open(first) as one, self.open(second, target=target) as other:
            return rounds.ratio(one, other, (feeds, feeds))


def feeds_of(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """A feed for a product: random, always the same."""
    return {"x": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}


def named(shape: tuple[int, ...], weight: tuple[int, ...]) -> str:
    """A product in words: `MatMul 1x512 * 512x1024`."""
    kind = "MatMul" if len(weight) == 2 else "Conv"
    return f"{kind} {'x'.join(map(str, shape))} * {'x'.join(map(str, weight))}"


def reduce_range(bench: Bench, notes: list[str]) -> bool:
    """See whether sums of pairs of 8-bit products leave 16 bits and are cut off."""
    model, feeds, exact = probe_models.saturating_product()
    with bench.open(model) as session:
        found = session.run(feeds)["y"]
    wrong = bool(np.any(found != exact))
    if wrong:
        notes.append("8-bit products saturate here: weights are kept in 7 bits")
    return wrong


def weight_only(bench: Bench, notes: list[str]) -> tuple[tuple[int, int], ...]:
    """The widths and block sizes of packed weights that run, by width the best one first.

    That is the smallest block, whose scales follow the weights best, among those that are as fast
    as the fastest; behind them the slower ones.
    """
    shape, (inner, features), _ = ENCODER
    usable: list[tuple[int, int]] = []
    for bits, block_size in _WEIGHT_ONLY:
        model = probe_models.packed_product(shape, features, bits, block_size)
        try:
            with bench.open(model) as session:
                finite = bool(np.isfinite(session.run(feeds_of(shape))["y"]).all())
        except MeasurementError:
            continue
        if finite:
            usable.append((bits, block_size))
    found: list[tuple[int, int]] = []
    for bits in sorted({bits for bits, _ in usable}):
        gains: dict[int, float] = {}
        for block_size in (block for width, block in usable if width == bits):
            both = []
            for rows in (shape, (1, inner)):
                gain = bench.gain(
                    probe_models.float_product(rows, (inner, features)),
                    probe_models.packed_product(rows, features, bits, block_size),
                    feeds_of(rows),
                )
                both.append(gain)
                notes.append(
                    f"weights packed in {bits} bits, blocks of {block_size}, "
                    f"{named(rows, (inner, features))}: {gain:.2f} x as fast as float32"
                )
            gains[block_size] = math.sqrt(math.prod(both))
        found += [(bits, block) for block in best_first(gains)]
    return tuple(found)


def best_first(gains: Mapping[int, float]) -> list[int]:
    """Block sizes in order: as fast as the fastest and small, then the slower ones.

    Args:
        gains: how fast each is.
    """
    fast = max(gains.values()) / GAIN
    near = sorted(block for block, gain in gains.items() if gain >= fast)
    return near + sorted((b for b in gains if b not in near), key=lambda block: -gains[block])


def asymmetric_weights(bench: Bench, notes: list[str]) -> bool:
    """See whether a convolution on integers is faster with zero points in its weights.

    Processors differ: some then run a faster kernel, others need a quarter or half as much time
    again, and some runtimes compute in float.
    """
    shape, weight, _ = CONVOLUTION
    gain = bench.gain(
        probe_models.integer_product(shape, weight, "uint8"),
        probe_models.integer_product(shape, weight, "uint8", zero=3),
        feeds_of(shape),
    )
    notes.append(
        f"{named(shape, weight)} on integers: {gain:.2f} x as fast with zero points in the weights"
    )
    return gain > GAIN


def folds_weights(bench: Bench, notes: list[str]) -> frozenset[str]:
    """Operators whose integer weights are faster behind plain operators than DequantizeLinear.

    A runtime that computes constants at load has then nothing left to do in a run. One that fuses
    DequantizeLinear with the operator multiplies narrow weights, which is faster still.
    """
    found = set[str]()
    for name, (shape, weight) in _WIDENED.items():
        gain = bench.gain(
            widened_product(shape, weight, "dequantize", name),
            widened_product(shape, weight, "fold", name),
            feeds_of(shape),
        )
        notes.append(
            f"integer weights of a {name} widened at load: {gain:.2f} x as fast as behind "
            "DequantizeLinear"
        )
        if gain > GAIN:
            found.add(name)
    return frozenset(found)


def kept_facts(runtime: Runtime, entry: str, store: Store, *, probe: int, seconds: float) -> Facts:
    """The facts of a runtime on this processor: from the store, or probed in a child and kept.

    Args:
        runtime: what is probed.
        entry: the probe, a child entry that takes a folder.
        store: where the facts are kept.
        probe: a number that changes with what is asked.
        seconds: how long the probe may take.

    Raises:
        ChildFailed: the probe did not come to an end.
    """
    here = processor.current().fingerprint
    inputs = {"version": runtime.version(), "processor": here, "probe": probe}

    def compute() -> Json:
        limits = ChildLimits(seconds=seconds, cpus=(max(cores.logical()),))
        with store.scratch() as folder:
            return call(entry, {"folder": str(folder.resolve())}, limits=limits)

    return Facts.from_json(store.remember(f"{runtime.name} facts", inputs, compute))
