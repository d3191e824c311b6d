"""What a method is: a frozen dataclass that looks at a model and at evidence and answers a plan.

The class is the configuration: its fields are validated by pydantic, read by the recipe, the
command line, the search and the documentation. `plan` decides and changes nothing; edits are done
by `lissom.graph.perform`, through `lissom.methods.runner.apply`. A method that must see its own
earlier decisions (sequential rounding, gradual removal) performs on the side and observes again
inside `plan`: models are cheap to build and share their weights. Methods that train answer with the
same edits from a `fit` of the same form.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

from pydantic import ConfigDict

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.edit import Cast, Edit, EncodeWeight, QuantizeActivation, edit_to_json
from lissom.graph.model import Model
from lissom.measure.calibration import Calibration
from lissom.measure.evidence import Evidence, Need
from lissom.measure.widths import Form, Table
from lissom.methods.scope import Scope
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = [
    "ALREADY",
    "NOT_FINITE",
    "NO_WEIGHTS",
    "SETTINGS",
    "Context",
    "Method",
    "Need",
    "Observe",
    "Plan",
    "Skip",
]

SETTINGS = ConfigDict(extra="forbid", strict=True)
"""How the dataclass of every method validates: no unknown fields, no silent conversions."""

ALREADY = "the model is already quantized"
"""The reason of every quantizer for leaving such a model alone."""

NO_WEIGHTS = "no operator of the main graph has constant weights that could be treated"
"""The reason where there is nothing to decide about (all is inside control flow, for example)."""

NOT_FINITE = "it reads NaN or infinity on the samples, or gives it"
"""The reason where that holds for all rows that a method could have gone by."""

Observe = Callable[[Model, Mapping[Need, tuple[str, ...]]], Evidence]
"""Answers the needs, each for some values of a model, from calibration samples."""


Shapes = Callable[[Model], Mapping[str, tuple[int, ...]]]
"""Answers the concrete shape of every value of a model that is no weight, from one run."""

Tables = Callable[[Sequence[Form]], Mapping[Form, Table]]
"""Answers how long operators take at which widths on the target, as measured on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Something that a method left as it was.

    Attributes:
        target: the node (or weight) by name.
        reason: why, in words for people.
    """

    target: str
    reason: str

    def to_json(self) -> dict[str, Json]:
        """Write as JSON."""
        return {"target": self.target, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a method decided: pure data, to be printed, compared, performed or dropped.

    Attributes:
        method: the method's id, such as `quantize.static`.
        edits: what is to be done, in order.
        skips: what is left alone, each with its reason.
        summary: one line for people.
    """

    method: str
    edits: tuple[Edit, ...]
    skips: tuple[Skip, ...]
    summary: str

    @property
    def rounds(self) -> bool:
        """Whether weights or activations are held in fewer bits from here on."""
        return any(isinstance(one, EncodeWeight | QuantizeActivation | Cast) for one in self.edits)

    @property
    def edit_counts(self) -> dict[str, int]:
        """How many edits of each kind, by the kind's name."""
        return dict(sorted(Counter(type(edit).__name__ for edit in self.edits).items()))

    def to_json(self) -> dict[str, Json]:
        """Write as JSON: the same plan always gives the same text."""
        return {
            "method": self.method,
            "summary": self.summary,
            "edits": [edit_to_json(edit) for edit in self.edits],
            "skips": [skip.to_json() for skip in self.skips],
        }


def _quiet(message: str) -> None:
    """Drop a progress message."""
    del message


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Context:
    """What a method may ask for.

    Attributes:
        original: the user's model: the teacher.
        reference: the model as it was before the first step that rounded anything, whose channels
            mean what those of a rounded one do; None: the original.
        store: where arrays and files of a plan are kept.
        facts: what the runtime does well on this machine.
        target: the runtime and how it will run the model.
        observe: runs a model on calibration samples; None when there are none.
        calibration: those samples, for methods that stream through them; None when there are none.
        shapes: the shapes of a model's values in one run; None where nothing can be run.
        tables: times of operators by width; None where nothing can be timed.
        seed: of every random choice.
        scope: the nodes that may be touched.
        deadline: seconds of `time.monotonic` after which a method should settle for what it has.
        progress: called with a short line now and then.
    """

    original: Model
    store: Store
    facts: Facts
    target: Target
    reference: Model | None = None
    observe: Observe | None = None
    calibration: Calibration | None = None
    shapes: Shapes | None = None
    tables: Tables | None = None
    seed: int = 0
    scope: Scope = field(default_factory=Scope)
    deadline: float | None = None
    progress: Callable[[str], None] = _quiet

    def evidence(self, model: Model, needs: Mapping[Need, tuple[str, ...]]) -> Evidence:
        """What was seen of these values of a model on the calibration samples.

        Raises:
            MethodError: there are no samples.
        """
        if self.observe is None:
            raise MethodError("calibration samples are needed, and none were given")
        return self.observe(model, needs)

    def shapes_of(self, model: Model) -> Mapping[str, tuple[int, ...]]:
        """The concrete shape of every value of a model that is no weight.

        Raises:
            MethodError: nothing can be run.
        """
        if self.shapes is None:
            raise MethodError("the model must be run once for its shapes, and cannot be")
        return self.shapes(model)

    def tables_of(self, forms: Sequence[Form]) -> Mapping[Form, Table]:
        """How long operators take at which widths on the target; none for some that are too large.

        Raises:
            MethodError: nothing can be timed.
        """
        if self.tables is None:
            raise MethodError("operators must be timed on the target, and cannot be here")
        return self.tables(forms)

    def restricted(self, method: str, needs: frozenset[Need]) -> "Context":
        """The same context, in which asking for anything but `needs` is a broken promise."""
        calibration = self.calibration if Need.ROWS in needs else None
        observe = self.observe
        if observe is None:
            return replace(self, calibration=calibration)

        def checked(model: Model, asked: Mapping[Need, tuple[str, ...]]) -> Evidence:
            undeclared = sorted(set(asked) - needs)
            if undeclared:
                raise BrokenPromise(f"{method} asked for {', '.join(undeclared)}, undeclared")
            return observe(model, asked)

        return replace(self, observe=checked, calibration=calibration)


class Method(Protocol):
    """A way to make a model smaller or faster; one final class in one file of this folder.

    A site that it cannot treat becomes a skip with a reason: never an exception, never silence.
    """

    needs: ClassVar[frozenset[Need]]
    """The kinds of evidence that `plan` asks for; empty means that it needs no samples."""

    def plan(self, model: Model, context: Context) -> Plan:
        """Decide what to do with a model; nothing is changed.

        Raises:
            MethodError: nothing at all can be decided (without samples where they are needed).
        """
        ...
