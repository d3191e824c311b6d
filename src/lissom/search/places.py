"""Places where a candidate may run: which of them a run tries, and what each is called.

The first place is the reference: the original is measured there, and every speedup is against it.
Other runtimes, narrower arithmetic and more threads are places of their own. What is measured
in one of them competes as a candidate of its own, named after it: `static-mse@openvino-bf16`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from lissom.errors import OptionError
from lissom.runtime import cores, registry
from lissom.runtime.target import Target

__all__ = ["AUTO", "Place", "Places", "in_words"]

AUTO: Final = "auto"
"""In the place of a runtime's name or a number of threads: the measurement chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a candidate runs.

    Attributes:
        target: runtime, options, threads and batch.
        made_for: for which runtime and options the model is made; it differs from `target` in
            threads and precision only, which change nothing in the file.
        label: what tells it from the first place, such as `openvino-bf16`; empty for the first.
        precision: the narrower arithmetic that its options ask for; empty for float32.
    """

    target: Target
    made_for: Target
    label: str = ""
    precision: str = ""

    @property
    def words(self) -> str:
        """What to add to a title: `, on openvino-bf16`; nothing for the first place."""
        return f", on {self.label}" if self.label else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The places of a run.

    Attributes:
        first: the reference.
        others: one target for each other runtime to be tried.
        threads: other numbers of threads to be tried, rising.

    Raises:
        OptionError: a runtime does not exist.
    """

    first: Target
    others: tuple[Target, ...] = ()
    threads: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Write out what each runtime sets where nothing is said."""
        object.__setattr__(self, "first", registry.stated(self.first))
        object.__setattr__(self, "others", tuple(map(registry.stated, self.others)))

    @classmethod
    def find(cls, runtime: str, threads: int | None, batch: int = 1) -> "Places":
        """Say which places there are on this machine.

        Args:
            runtime: a name, or `auto` for all that are installed, ONNX Runtime first.
            threads: how many one run may use; None tries 1, 2, 4... up to the physical cores.
            batch: samples in one run.

        Raises:
            OptionError: a runtime that does not exist, or numbers under 1.
        """
        names = installed() if runtime == AUTO else (runtime,)
        one = 1 if threads is None else threads
        first, *others = (Target(runtime=name, threads=one, batch=batch) for name in names)
        counts = counts_up_to(cores.physical()) if threads is None else ()
        return cls(first=first, others=tuple(others), threads=counts)

    @classmethod
    def of(cls, given: "Target | Places") -> "Places":
        """Take one target as the only place."""
        return cls(first=given) if isinstance(given, Target) else given

    @property
    def runtimes(self) -> tuple[Place, ...]:
        """The first place, and one for each other runtime, in float32."""
        return tuple(self.place(target, target) for target in (self.first, *self.others))

    def base(self, runtime: str) -> Place:
        """The place of a runtime, as models are made for it."""
        return next(one for one in self.runtimes if one.target.runtime == runtime)

    def narrowed(self, place: Place, precision: str, options: Mapping[str, str]) -> Place:
        """The same place with a narrower arithmetic, which these options of the runtime give."""
        settings = tuple({**dict(place.target.options), **options}.items())
        return self.place(replace(place.target, options=settings), place.made_for, precision)

    def threaded(self, place: Place, threads: int) -> Place:
        """The same place with another number of threads."""
        target = replace(place.target, threads=threads)
        return self.place(target, place.made_for, place.precision)

    def place(self, target: Target, made_for: Target, precision: str = "") -> Place:
        """A place with its label."""
        words = [target.runtime] if target.runtime != self.first.runtime else []
        words += [precision] if precision else []
        words += [f"{target.threads}-threads"] if target.threads != self.first.threads else []
        return Place(target=target, made_for=made_for, label="-".join(words), precision=precision)

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "first": self.first.to_json(),
            "others": [other.to_json() for other in self.others],
            "threads": list(self.threads),
        }


def in_words(target: Target) -> str:
    """A target in words, with the options that are not the runtime's usual ones."""
    own = registry.load(target.runtime).defaults
    changed = [f"{name}={value}" for name, value in target.options if own.get(name) != value]
    threads = "1 thread" if target.threads == 1 else f"{target.threads} threads"
    return ", ".join([target.runtime, *changed, threads])


def installed() -> tuple[str, ...]:
    """The runtimes that are installed, the default one first.

    Raises:
        OptionError: there is none.
    """
    default = Target().runtime
    found = [name for name in registry.runtimes() if registry.load(name).available()]
    if not found:
        raise OptionError("no runtime is installed; install one: pip install onnxruntime")
    return tuple(sorted(found, key=lambda name: (name != default, name)))


def counts_up_to(most: int) -> tuple[int, ...]:
    """2, 4, 8... and `most` itself; nothing for a single core."""
    found = [1 << power for power in range(1, most.bit_length()) if 1 << power < most]
    return tuple([*found, most] if most > 1 else [])
