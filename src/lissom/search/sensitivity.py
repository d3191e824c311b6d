"""What each operator costs in quality, and saves in time or bytes, in another number format.

Every operator is put into a format alone, all others staying float, and (where it is asked for)
left out alone, all others being in it. The harm is the error at the model's outputs on calibration
samples; the time is that of the runtime's own profile, conversions charged to the operator that
they are for. So the two sides of a choice are both measured, one by one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lissom.errors import MethodError
from lissom.graph.edit import Edit, EncodeWeight, ReplaceWeight
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import save
from lissom.graph.site import sites
from lissom.measure import environment
from lissom.measure.calibration import Calibration
from lissom.measure.evidence import Evidence, Need
from lissom.measure.kernels import CONVERSION, family
from lissom.measure.output_error import output_errors
from lissom.measure.profile import NodeTime, operator_times
from lissom.methods.protocol import Context, Observe
from lissom.methods.reading import bias_of
from lissom.methods.registry import create
from lissom.methods.scope import Scope
from lissom.recipe import Recipe, Step, rebuild
from lissom.search.job import Opened
from lissom.store.hashing import Json, sha256_arrays

__all__ = ["Format", "Harm", "Sensitivity", "sensitivity"]

_KIND = "sensitivity"
_FORMAT = 3
_INFINITY = "infinity"  # JSON has no such number
_FARTHEST = 4  # nodes between a conversion and the operator that it is for


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A number format that operators can be put into.

    Attributes:
        name: short, for people.
        step: the method that does it, with the nodes that it may touch.
    """

    name: str
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """One operator in one format.

    Attributes:
        operator: the node's name.
        format: the format's name.
        alone: the error at the outputs with this operator in the format and all others float; None
            where the runtime refused it, infinity where other outputs are then not finite.
        others: with all others in the format and this one float, likewise; None where that was not
            asked.
        milliseconds: its time in the format, with the conversions for it; None without a profile.
        weight_bytes: of its weight in the format, with scales and tables.
    """

    operator: str
    format: str
    alone: float | None
    others: float | None
    milliseconds: float | None
    weight_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What is known of all operators.

    Attributes:
        whole: by format that fits some operator, the error with every operator in it that can be,
            as those of `Harm`.
        float_ms: by operator, its time in float.
        float_bytes: by operator, those of its weight in float.
        harms: one entry for each operator and format that fit, in the graph's order.
    """

    whole: Mapping[str, float | None]
    float_ms: Mapping[str, float]
    float_bytes: Mapping[str, int]
    harms: tuple[Harm, ...]

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values, infinity as a word; `from_json` is the inverse."""
        return {
            "whole": {name: _written(error) for name, error in self.whole.items()},
            "float_ms": dict(self.float_ms),
            "float_bytes": dict(self.float_bytes),
            "harms": [
                {
                    "operator": one.operator,
                    "format": one.format,
                    "alone": _written(one.alone),
                    "others": _written(one.others),
                    "milliseconds": one.milliseconds,
                    "weight_bytes": one.weight_bytes,
                }
                for one in self.harms
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Sensitivity":
        """Read what `to_json` wrote."""
        harms = tuple(
            Harm(**{**one, "alone": _read(one["alone"]), "others": _read(one["others"])})
            for one in value["harms"]
        )
        return cls(
            whole={name: _read(error) for name, error in value["whole"].items()},
            float_ms=value["float_ms"],
            float_bytes=value["float_bytes"],
            harms=harms,
        )


def _written(error: float | None) -> float | str | None:
    return _INFINITY if error == math.inf else error


def _read(error: float | str | None) -> float | None:
    return None if error is None else float(error)


def sensitivity(
    opened: Opened,
    around: Context,
    before: Sequence[Step],
    formats: Sequence[Format],
    *,
    both: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Sensitivity:
    """Measure every operator in every format; remembered as a whole.

    Args:
        opened: the model, for its feed and store.
        around: what methods may ask for, with calibration samples; its target is what is timed.
        before: steps that come first, such as fusions.
        formats: what to try.
        both: also leave every operator out alone, which takes as long again.
        told: called with a line of progress now and then.

    Raises:
        MethodError: there are no samples, or a format fits nothing at all.
        MeasurementError: the runtime refused the model or the samples.
        ChildFailed: it crashed or did not come to an end.
    """
    held = around.calibration
    if held is None:
        raise MethodError("sensitivity is measured on calibration samples, and none were given")
    inputs: Json = {
        "format": _FORMAT,
        "model": opened.model.fingerprint,
        "before": Recipe(steps=tuple(before)).to_json(),
        "formats": [[one.name, Recipe(steps=(one.step,)).to_json()] for one in formats],
        "both": both,
        "calibration": held.identity(),
        "facts": around.facts.to_json(),
        "target": around.target.to_json(),
        "feed": sha256_arrays(dict(opened.feed)),
        "environment": environment.current().fingerprint,
    }

    def compute() -> Json:
        model, _ = rebuild(Recipe(steps=tuple(before)), opened.model, around)
        here = replace(around, observe=_remembering(around.observe))
        look = _Look(opened=opened, model=model, around=here, held=held, both=both, told=told)
        return look.at(formats).to_json()

    return Sensitivity.from_json(opened.store.remember(_KIND, inputs, compute))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One model, looked at format by format."""

    opened: Opened
    model: Model
    around: Context
    held: Calibration
    both: bool
    told: Callable[[str], None]

    def at(self, formats: Sequence[Format]) -> Sensitivity:
        """All operators in all formats."""
        whole: dict[str, float | None] = {}
        harms: list[Harm] = []
        places = {node.name: number for number, node in enumerate(self.model.nodes)}
        for one in formats:
            error, found = self.format(one)
            if found:
                whole[one.name] = error
            harms += found
        harms.sort(key=lambda harm: places[harm.operator])
        names = list(dict.fromkeys(harm.operator for harm in harms))
        held = {site.node: self.model.weights[site.weight].size_bytes for site in sites(self.model)}
        return Sensitivity(
            whole=whole,
            float_ms=self.times(self.model, names),
            float_bytes={name: held[name] for name in names},
            harms=tuple(harms),
        )

    def format(self, one: Format) -> tuple[float | None, list[Harm]]:
        """The error of a whole format, and every operator in it."""
        everything = self.planned(one, without=())
        encoded = _encoded(self.model, everything)
        names = list(encoded)
        if not names:
            return None, []
        variants: list[Sequence[Edit]] = [everything]
        variants += [
            self.reduced(one, everything, without=[n for n in names if n != name]) for name in names
        ]
        if self.both:
            variants += [self.reduced(one, everything, without=[name]) for name in names]
        total = len(variants)
        errors = output_errors(
            self.model,
            variants,
            self.held,
            self.opened.store,
            progress=lambda done: self.told(f"{one.name}: {done} of {total} variants"),
        )
        alone, others = errors[1 : 1 + len(names)], errors[1 + len(names) :]
        spent = self.times(perform(self.model, everything, self.opened.store), names)
        return errors[0], [
            Harm(
                operator=name,
                format=one.name,
                alone=alone[number],
                others=others[number] if self.both else None,
                milliseconds=spent.get(name),
                weight_bytes=encoded[name],
            )
            for number, name in enumerate(names)
        ]

    def planned(self, one: Format, *, without: Sequence[str]) -> tuple[Edit, ...]:
        """What a format's method would do, some operators left out."""
        step = one.step
        scope = Scope(include=step.include, exclude=(*step.exclude, *without))
        method = create(step.method, step.parameters)
        return method.plan(self.model, replace(self.around, scope=scope)).edits

    def reduced(
        self, one: Format, everything: Sequence[Edit], *, without: Sequence[str]
    ) -> tuple[Edit, ...]:
        """The same as `planned`; what only narrows weights, does so operator by operator."""
        if all(isinstance(edit, EncodeWeight | ReplaceWeight) for edit in everything):
            return _left(self.model, everything, frozenset(without))
        return self.planned(one, without=without)

    def times(self, model: Model, names: Sequence[str]) -> dict[str, float]:
        """Milliseconds of operators in a model, conversions charged to whom they serve."""
        opened = self.opened
        with opened.store.scratch() as folder:
            path = (folder / "model.onnx").resolve()
            save(model, path, metadata={})
            executed = operator_times(
                path,
                opened.feed,
                self.around.target,
                opened.store,
                attributed=True,
                quiet=opened.quiet,
            )
        return charged(model, executed, names)


def charged(model: Model, executed: Sequence[NodeTime], names: Sequence[str]) -> dict[str, float]:
    """Sum a profile by operator.

    Args:
        model: that was profiled.
        executed: its nodes, each with what it stands for.
        names: the operators.

    Returns:
        Milliseconds of each; of those that were executed.
    """
    wanted, spent = set(names), dict[str, float]()
    for one in executed:
        name = one.stands_for
        if name is not None and name not in wanted and family(one.op_type) == CONVERSION:
            name = _served(model, name, wanted)
        if name in wanted:
            spent[name] = spent.get(name, 0.0) + one.milliseconds
    return spent


def _served(model: Model, name: str, wanted: set[str]) -> str | None:
    """The operator that reads what a conversion gives, else the one that gives what it reads."""
    known = {node.name for node in model.nodes}
    for downstream in (True, False):
        level = [name] if name in known else []
        for _ in range(_FARTHEST):
            nodes = [model.node(each) for each in level]
            if downstream:
                level = [r for n in nodes for v in n.outputs for r in model.consumers.get(v, ())]
            else:
                makers = (model.producers.get(v) for n in nodes for v in n.inputs)
                level = [maker for maker in makers if maker is not None]
            found = next((each for each in level if each in wanted), None)
            if found is not None:
                return found
    return None


def _left(model: Model, edits: Sequence[Edit], without: frozenset[str]) -> tuple[Edit, ...]:
    """Edits of weights and biases that are of some other operator than those left out."""
    owners = {bias: site.node for site in sites(model) if (bias := bias_of(model, site))}
    found: list[Edit] = []
    for edit in edits:
        if isinstance(edit, EncodeWeight):
            readers = tuple(name for name in edit.consumers if name not in without)
            found += [replace(edit, consumers=readers)] if readers else []
        elif isinstance(edit, ReplaceWeight):
            found += [edit] if (edit.bias_of or owners.get(edit.weight)) not in without else []
    return tuple(found)


def _encoded(model: Model, edits: Sequence[Edit]) -> dict[str, int]:
    """The weighted operators whose weight is encoded, and its bytes with scales and tables."""
    weights = {site.node: site.weight for site in sites(model)}
    found: dict[str, int] = {}
    for edit in edits:
        if not isinstance(edit, EncodeWeight):
            continue
        count = math.prod(model.weights[edit.weight].shape)
        for name in edit.consumers:
            if weights.get(name) == edit.weight:
                found[name] = edit.encoding.size_bytes(count)
    order = {node.name: number for number, node in enumerate(model.nodes)}
    return dict(sorted(found.items(), key=lambda item: order[item[0]]))


def _remembering(observe: Observe | None) -> Observe | None:
    """The same answers, each value observed once: every variant asks for some of them again."""
    if observe is None:
        return None
    known: dict[str, Evidence] = {}

    def answer(model: Model, needs: Mapping[Need, tuple[str, ...]]) -> Evidence:
        asked = needs.get(Need.RANGES, ())
        before = known.get(model.fingerprint)
        new = tuple(v for v in asked if before is None or v not in before.histograms)
        if new or before is None:
            seen = observe(model, {Need.RANGES: new})
            if before is not None:
                seen = replace(
                    seen,
                    histograms={**before.histograms, **seen.histograms},
                    averages={**before.averages, **seen.averages},
                )
            known[model.fingerprint] = seen
        return known[model.fingerprint]

    return answer
