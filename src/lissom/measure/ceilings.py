"""How fast this machine can be at best: arithmetic and memory, as the runtime itself reaches them.

Nothing is taken from data sheets. A large matrix product and a large convolution are run in each
number format, and values are moved in blocks from what fits the caches to what does not; the best
time of each, from the runtime's own profile, is a ceiling. Held against them, a layer's time says
what limits it (the roofline model: Williams, Waterman and Patterson, Communications of the ACM
52(4), 2009).
"""

import math
import statistics
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np

from lissom.errors import MeasurementError
from lissom.graph import probe_models
from lissom.isolate.child import ChildLimits, call
from lissom.measure import environment
from lissom.measure.kernels import CONVOLUTION, MATRIX, family, is_convolution, is_integer
from lissom.measure.load import Meter
from lissom.measure.pinning import Place, Quiet, place_now
from lissom.measure.profile import node_runs
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Ceiling", "Ceilings", "Movement", "Numbers", "ceilings", "probe"]

Numbers = Literal["float32", "float16", "int8"]
"""What a product's operands are: the format in the model, whatever the kernel makes of it."""
Key = TypeVar("Key", bound=Hashable)
Rated = TypeVar("Rated", "Ceiling", "Movement")

# (input, weight): large enough for every kernel, a second at most on a slow core.
_PRODUCTS: Final = (
    ("MatMul", (128, 1024), (1024, 1024)),
    ("Conv", (1, 128, 28, 28), (128, 128, 3, 3)),
)
_FAMILY: Final = {"MatMul": MATRIX, "Conv": CONVOLUTION}
_MOVED: Final = (2**16, 2**19, 2**22, 2**24)  # values; eight bytes each are read and written
_SECONDS: Final = 0.01  # of each look, beyond its first runs
_MOST_LOOKS: Final = 4  # other work comes and goes: looked at again until nothing rises
_STEADY: Final = 1.05
_GAIN: Final = 1.2  # in float16; less is no kernel of its own
_PROFILE_UNIT_MS: Final = 0.001
_QUIET: Final = 0.1  # share of the machine that others may use
_KIND: Final = "ceilings"
_FORMAT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The arithmetic of one kind of product in one number format.

    Attributes:
        operator: MatMul or Conv.
        numbers: the format of its operands in the model.
        gflops: thousand million operations a second; a multiply-accumulate is two.
        kernel: what the runtime calls the kernel that did it.
    """

    operator: str
    numbers: Numbers
    gflops: float
    kernel: str

    @property
    def rate(self) -> float:
        """What is to be as high as possible."""
        return self.gflops

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "operator": self.operator,
            "numbers": self.numbers,
            "gflops": self.gflops,
            "kernel": self.kernel,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How fast values move when this many bytes are read and written in turn.

    Attributes:
        size_bytes: of what is read and written together.
        gb_per_second: thousand million bytes a second, reading and writing counted.
    """

    size_bytes: int
    gb_per_second: float

    @property
    def rate(self) -> float:
        """What is to be as high as possible."""
        return self.gb_per_second

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {"size_bytes": self.size_bytes, "gb_per_second": self.gb_per_second}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What one runtime reaches on this machine at most, with a number of threads.

    Attributes:
        products: arithmetic; a format for which there is no kernel of its own is not listed.
        moves: memory, from small to large.
        node_ms: the time of a node that does next to nothing, in milliseconds.
        threads: that one run used.
        quiet: nothing else ran on the machine meanwhile; otherwise they may be too low.
    """

    products: tuple[Ceiling, ...]
    moves: tuple[Movement, ...]
    node_ms: float
    threads: int
    quiet: bool = True

    def gflops(self, op_type: str, numbers: Numbers) -> float | None:
        """The ceiling of a product; that of float32 where the format has no kernel of its own.

        Convolutions have their own ceiling, all other products count as MatMul; None where there
        is no measurement.
        """
        kind = "Conv" if is_convolution(op_type) else "MatMul"
        found = {one.numbers: one.gflops for one in self.products if one.operator == kind}
        return found.get(numbers, found.get("float32"))

    def move_ms(self, size_bytes: float, among_bytes: float | None = None) -> float:
        """Milliseconds that moving bytes takes.

        Args:
            size_bytes: what is moved.
            among_bytes: what is in use at the time, which decides on the cache that holds it; None
                for those bytes alone. Between the sizes that were measured, the bandwidth is
                interpolated on logarithmic scales.
        """
        points = [math.log(one.size_bytes) for one in self.moves]
        rates = [math.log(one.gb_per_second) for one in self.moves]
        among = math.log(max(1.0, size_bytes if among_bytes is None else among_bytes))
        return size_bytes / (1e6 * math.exp(float(np.interp(among, points, rates))))

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {
            "products": [one.to_json() for one in self.products],
            "moves": [one.to_json() for one in self.moves],
            "node_ms": self.node_ms,
            "threads": self.threads,
            "quiet": self.quiet,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Ceilings":
        """Read what `to_json` wrote."""
        return cls(
            products=tuple(Ceiling(**one) for one in value["products"]),
            moves=tuple(Movement(**one) for one in value["moves"]),
            node_ms=value["node_ms"],
            threads=value["threads"],
            quiet=value["quiet"],
        )


def ceilings(
    target: Target, store: Store, *, quiet: Quiet | None = None, kept: bool = False
) -> Ceilings:
    """Measure what a runtime reaches here, once a machine, runtime, options and threads.

    About a second; afterwards it comes from the store. What was measured while others worked is
    measured again when the machine is idle.

    Args:
        target: the runtime with its options and threads.
        store: keeps them.
        quiet: waits for idle processors first; None takes the least busy as they are.
        kept: take what is in the store however it was measured; so a run that goes on, or is asked
            for again, measures nothing twice.

    Raises:
        MeasurementError: the runtime cannot run the simplest of models.
        ChildFailed: it crashed, or took far too long.
    """
    inputs = {
        "runtime": target.runtime,
        "options": dict(target.options),
        "threads": target.threads,
        "environment": environment.current().fingerprint,
        "format": _FORMAT,
    }

    def compute() -> Json:
        place = place_now(target.threads) if quiet is None else quiet.processors(target.threads)
        return _measured(target, store, place)

    found = store.remember(_KIND, inputs, compute)
    if not kept and not found["quiet"] and (place := place_now(target.threads)).quiet:
        found = _measured(target, store, place)
        store.put_json(store.key(_KIND, inputs), found, kind=_KIND, inputs=inputs)
    return Ceilings.from_json(found)


def _measured(target: Target, store: Store, place: Place) -> Json:
    with store.scratch() as folder:
        found = call(
            "lissom.measure.ceilings:probe",
            {"folder": str(folder.resolve()), "target": target.to_json()},
            limits=ChildLimits(seconds=300.0, cpus=place.cpus),
        )
    return {**found, "quiet": found["quiet"] and place.quiet}


def probe(*, folder: str, target: Mapping[str, Json]) -> Json:
    """Child entry: measure everything, writing models into `folder`; answers as JSON."""
    place = Target.from_json(target)
    meter = Meter()
    bench = _Bench(Path(folder), place)
    products: dict[tuple[str, Numbers], Ceiling] = {}
    moves: dict[int, Movement] = {}
    for _ in range(_MOST_LOOKS):
        grown = _keep_best(
            products, (((one.operator, one.numbers), one) for one in bench.products())
        )
        grown |= _keep_best(moves, ((one.size_bytes, one) for one in bench.movements()))
        # A fast float16 would be news: it is looked at again, lest float32 was only disturbed.
        if not grown and not any(_is_half(one, products) for one in products.values()):
            break
    return Ceilings(
        products=tuple(
            one for one in products.values() if one.numbers != "float16" or _is_half(one, products)
        ),
        moves=tuple(moves.values()),
        node_ms=bench.node_ms(),
        threads=place.threads,
        quiet=meter.load().others < _QUIET,
    ).to_json()


def _keep_best(best: dict[Key, Rated], seen: Iterable[tuple[Key, Rated]]) -> bool:
    """Keep the highest rates; answer whether any was new, or higher by more than the noise."""
    grown = False
    for key, one in seen:
        before = best.get(key)
        if before is None or one.rate > before.rate:
            grown |= before is None or one.rate > _STEADY * before.rate
            best[key] = one
    return grown


def _is_half(one: Ceiling, best: Mapping[tuple[str, Numbers], Ceiling]) -> bool:
    """Whether float16 has a kernel of its own: it may just be float32 with casts around."""
    single = best[(one.operator, "float32")]
    return one.numbers == "float16" and one.gflops > _GAIN * single.gflops


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """One product in one format, ready to be run."""

    operator: str
    numbers: Numbers
    model: bytes
    shape: tuple[int, ...]
    macs: int


def _trials() -> Iterator[_Trial]:
    for operator, shape, weight in _PRODUCTS:
        models: tuple[tuple[Numbers, bytes], ...] = (
            ("float32", probe_models.float_product(shape, weight)),
            ("float16", probe_models.float_product(shape, weight, "float16")),
            ("int8", probe_models.integer_product(shape, weight, "uint8")),
            ("int8", probe_models.integer_product(shape, weight, "int8")),
        )
        macs = prod(weight) * (shape[0] if len(weight) == 2 else prod(shape[2:]))
        for numbers, model in models:
            yield _Trial(operator=operator, numbers=numbers, model=model, shape=shape, macs=macs)


class _Bench:
    """Writes probe models and times their nodes, at best."""

    def __init__(self, folder: Path, target: Target) -> None:
        self._path = folder / "probe.onnx"
        self._target = target
        self._trials = tuple(_trials())

    def best_ms(self, model: bytes, shape: tuple[int, ...]) -> dict[tuple[str, str], float]:
        """The shortest time of each node; other work can only have made a run longer."""
        self._path.write_bytes(model)
        feed = {"x": np.ones(shape, np.float32)}
        found = node_runs(self._path, feed, self._target, seconds=_SECONDS)
        return {node: 1e3 * min(seconds) for node, seconds in found.items()}

    def products(self) -> Iterator[Ceiling]:
        """Each kind of product in each format that runs; float16 with its casts, if it has any."""
        for trial in self._trials:
            try:
                times = self.best_ms(trial.model, trial.shape)
            except MeasurementError:
                if trial.numbers == "float32":
                    raise
                continue  # the runtime has no such product
            kernel, best = _product(times, trial.operator)
            if trial.numbers == "int8" and not is_integer(kernel):
                continue  # it computes in float what is stored in integers
            spent = sum(times.values()) if trial.numbers == "float16" else best
            yield Ceiling(
                operator=trial.operator,
                numbers=trial.numbers,
                gflops=2 * trial.macs / (1e6 * max(spent, _PROFILE_UNIT_MS)),
                kernel=kernel,
            )

    def movements(self) -> Iterator[Movement]:
        """Moving few values, and many."""
        for count in _MOVED:
            found = self.best_ms(probe_models.moving(count), (8, count // 8))
            size, longest = 8 * count, max(*found.values(), _PROFILE_UNIT_MS)
            yield Movement(size_bytes=size, gb_per_second=size / (1e6 * longest))

    def node_ms(self) -> float:
        """The time of a node on eight values, at least the microsecond that a profile counts in."""
        self._path.write_bytes(probe_models.moving(8))
        feed = {"x": np.ones((8, 1), np.float32)}
        found = node_runs(self._path, feed, self._target, seconds=_SECONDS)
        return max(_PROFILE_UNIT_MS, 1e3 * min(statistics.median(each) for each in found.values()))


def _product(times: Mapping[tuple[str, str], float], operator: str) -> tuple[str, float]:
    """The kernel that did the product, and its time."""
    own = [
        (op_type, best)
        for (_, op_type), best in times.items()
        if family(op_type) == _FAMILY[operator]
    ]
    if not own:
        ran = ", ".join(sorted({op_type for _, op_type in times}))
        raise MeasurementError(f"the runtime ran a {operator} as {ran}, which says no time for it")
    return max(own, key=lambda one: one[1])
