"""Mixed precision: each operator in the number format that pays for the harm that it does.

Among the formats that have an integer kernel here, and float, one is chosen for every operator:
least time in all, with the harms of all operators adding up to a limit at most. Times and harms are
measured one by one (`sensitivity`), the choice is exact (`numerics.choice`), and an operator that
takes longer on integers stays float whatever the limit. How much harm an allowed drop is worth, is
learned from what was measured: the limit is halved or doubled, on a scale of logarithms, until the
next choice would be one that was tried.

Source: choice as an integer program as in HAWQ-V3 (Yao et al., 2021, arXiv:2011.10680, section
3.3), here with measured times and with harms at the model's outputs.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lissom.errors import ChildFailed, MeasurementError, MethodError
from lissom.graph.model import Model
from lissom.numerics.choice import cheapest
from lissom.recipe import Step
from lissom.runtime.facts import Facts
from lissom.search.build import context
from lissom.search.candidate import Candidate
from lissom.search.front import misses
from lissom.search.job import Job
from lissom.search.places import Place
from lissom.search.proposals import Proposal
from lissom.search.result import NotTried
from lissom.search.sensitivity import Format, Sensitivity, sensitivity

__all__ = ["Mixing", "chosen", "integer_formats"]

STATIC, DYNAMIC = "quantize.static", "quantize.dynamic"
WEIGHTS = "quantize.weight_only"
NAME = "mixed"
BYTES = frozenset({"size", "memory"})
"""Goals for which bytes are saved, and not time."""
ROUNDS = 4
"""How many choices are tried in one place."""
NARROW: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "int8 weights": (WEIGHTS, {"bits": 8}),
    "int4 weights": ("quantize.gptq", {"bits": 4}),
    "3-bit codebook": ("quantize.codebook", {"bits": 3, "granularity": "channel"}),
}
"""Ways to store weights, each with a method and its parameters."""
_STEP = 4.0  # a limit that says nothing yet is cut to its fourth
_CLOSE = 1.2  # limits nearer than this give the same model, or nearly


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """Mixed precision in one place.

    Attributes:
        job: what the run works on.
        facts: of the runtime there.
        place: where the models run; None for the run's first place.
        tried: the candidates so far; the run adds to it.
        made: the proposal that each candidate was made from, by its name.
        left_out: gets the reason where nothing can be mixed.
        told: called with a line of progress.
    """

    job: Job
    facts: Facts
    place: Place | None
    tried: Sequence[Candidate]
    made: Mapping[str, Proposal]
    left_out: Callable[[NotTried], None]
    told: Callable[[str], None] = lambda _: None

    @property
    def bytes(self) -> bool:
        """Bytes are to be saved, and not time."""
        return self.job.limits.goal in BYTES

    def rounds(self) -> Iterator[Proposal]:
        """One choice after another; each looks at what became of those before."""
        base = self.base()
        if base is None:
            return self.refuse("nothing that it would start from could be measured")
        if self.job.opened.samples is None:
            return self.refuse("harms are measured on samples (--data), and none were given")
        before, formats = self.formats(base)
        try:
            found = self.measured(before, formats)
        except (MethodError, MeasurementError, ChildFailed) as error:
            return self.refuse(f"harms could not be measured: {error}")
        yield from self.searched(base, found, before, formats)

    def refuse(self, reason: str) -> None:
        """Say why nothing is mixed."""
        label = "" if self.place is None else f"@{self.place.label}"
        self.left_out(NotTried(name=NAME + label, reason=reason))

    def searched(
        self,
        base: Proposal,
        found: Sensitivity,
        before: Sequence[Step],
        formats: Sequence[Format],
    ) -> Iterator[Proposal]:
        """The choices, from what all gains allow to what the limit on the drop allows."""
        holding, failing = 0.0, math.inf
        limit, seen = math.inf, set[tuple[int, ...]]()
        for number in range(1, ROUNDS + 1):
            choice = chosen(found, formats, limit, by_bytes=self.bytes)
            if choice is None or not choice.options.any():
                return self.refuse(_why_float(found, self.bytes)) if number == 1 else None
            if tuple(choice.options) not in seen:
                seen.add(tuple(choice.options))
                proposal = self.proposal(base, number, before, formats, choice)
                yield proposal
                held = self.held(proposal)
            elif number > 1:
                return
            if held:
                holding = max(holding, choice.harm)
            else:
                failing = min(failing, choice.harm)
            if failing / max(holding, 1e-300) < _CLOSE or (held and not math.isfinite(failing)):
                return
            limit = failing / _STEP if not holding else math.sqrt(holding * failing)

    def base(self) -> Proposal | None:
        """What mixing starts from: the fastest here that does nothing else but quantize."""
        last = WEIGHTS if self.bytes else STATIC
        best: tuple[float, Proposal] | None = None
        for one in self.tried:
            origin = self.made[one.name]
            if origin.place != self.place or one.failed is not None:
                continue
            steps = [step.method for step in origin.recipe.steps]
            plain = steps[-1:] == [last] and all(s.startswith("optimize.") for s in steps[:-1])
            if plain and one.speedup is not None and (best is None or one.speedup > best[0]):
                best = one.speedup, origin
        return None if best is None else best[1]

    def formats(self, base: Proposal) -> tuple[tuple[Step, ...], tuple[Format, ...]]:
        """The steps that come first, and the formats that operators choose from."""
        *before, last = base.recipe.steps
        if self.bytes:
            return tuple(before), tuple(
                Format(name=name, step=replace(last, method=method, parameters=dict(parameters)))
                for name, (method, parameters) in NARROW.items()
            )
        integers = integer_formats(self.job.opened.model, self.facts, last)
        return tuple(before), (*integers, *self.others())

    def others(self) -> Iterator[Format]:
        """What is faster than float by itself and rounds no activation: packed, half precision."""
        for one in self.tried:
            origin, interval = self.made[one.name], one.speedup_interval
            gains = interval is not None and interval[0] > 1.0
            if origin.place != self.place or not gains or len(origin.recipe.steps) != 1:
                continue
            (step,) = origin.recipe.steps
            packed = step.parameters.get("kernel") == "matmul_nbits"
            if packed or step.parameters.get("compute") == "float16":
                yield Format(name=origin.recipe.name, step=step)

    def measured(self, before: Sequence[Step], formats: Sequence[Format]) -> Sensitivity:
        """Time and harm of every operator in every format."""
        opened = self.job.opened
        target = opened.target if self.place is None else self.place.made_for
        around = context(opened, self.facts, target=target, seed=self.job.seed, told=self.told)
        return sensitivity(opened, around, before, formats, told=self.told)

    def proposal(
        self,
        base: Proposal,
        number: int,
        before: Sequence[Step],
        formats: Sequence[Format],
        choice: "Choice",
    ) -> Proposal:
        """A choice as a recipe."""
        steps = list(before)
        for place, one in enumerate(formats, 1):
            mine = {n for n, o in zip(choice.operators, choice.options, strict=True) if o == place}
            rest = [name for name in choice.operators if name not in mine]
            if mine:
                step = one.step
                steps.append(replace(step, exclude=(*step.exclude, *rest)))
        narrow = int(np.count_nonzero(choice.options))
        where = "" if self.place is None else self.place.words
        return Proposal(
            title=f"{'narrow weights' if self.bytes else 'integers'} in "
            f"{narrow} of {len(choice.operators)} operators, "
            f"chosen by what each costs and saves{where}",
            recipe=replace(base.recipe, name=f"{NAME}-{number}", steps=tuple(steps)),
            place=self.place,
        )

    def held(self, proposal: Proposal) -> bool:
        """Whether what became of a proposal holds the limit on the drop."""
        one = next((each for each in self.tried if each.name == proposal.name), None)
        if one is None or one.failed is not None:
            return False
        limits = replace(self.job.limits, certified=False)
        return "drop" not in {miss.limit for miss in misses(one, limits)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A format for every operator.

    Attributes:
        operators: nodes, by name.
        options: of each: 0 is float, then the formats in their order.
        harm: all harms together.
    """

    operators: tuple[str, ...]
    options: np.ndarray
    harm: float


def integer_formats(model: Model, facts: Facts, static: Step) -> tuple[Format, ...]:
    """The formats of arithmetic on integers that a model's operators have here.

    Args:
        model: the model.
        facts: of the runtime.
        static: the step with fixed ranges.
    """
    found = [Format(name="int8 static", step=static)]
    if {node.op_type for node in model.nodes} & facts.dynamic_operators:
        dynamic = replace(static, method=DYNAMIC, parameters={})
        found.append(Format(name="int8 dynamic", step=dynamic))
    return tuple(found)


def _why_float(found: Sensitivity, by_bytes: bool) -> str:  # noqa: FBT001
    """Why every operator stays float, however much harm is allowed."""
    errors = [harm.alone for harm in found.harms]
    if not errors:
        return "no operator fits any of the number formats"
    known = [error for error in errors if error is not None]
    if not known:
        return "the runtime refused every operator in every number format"
    if not any(map(math.isfinite, known)):
        return "in every number format the outputs become NaN or infinity where they were not"
    return f"no operator {'is smaller' if by_bytes else 'takes less time'} in any number format"


def chosen(
    found: Sensitivity, formats: Sequence[Format], limit: float, *, by_bytes: bool = False
) -> Choice | None:
    """The fastest, or smallest, choice whose harms add up to a limit at most.

    Args:
        found: times and harms.
        formats: in the order that the options have.
        limit: on all harms together; infinite for none.
        by_bytes: the bytes of weights are saved, and not time.

    Returns:
        None where nothing is known of any operator.
    """
    operators = tuple(dict.fromkeys(harm.operator for harm in found.harms))
    rows = {name: number for number, name in enumerate(operators)}
    places = {one.name: number for number, one in enumerate(formats, 1)}
    costs = np.full((len(operators), len(formats) + 1), np.inf)
    harms = np.zeros_like(costs)
    for name, row in rows.items():
        costs[row, 0] = found.float_bytes[name] if by_bytes else found.float_ms.get(name, 0.0)
    for harm in found.harms:
        spent = harm.weight_bytes if by_bytes else harm.milliseconds
        if harm.alone is not None and math.isfinite(harm.alone) and spent is not None:
            at = rows[harm.operator], places[harm.format]
            costs[at], harms[at] = spent, harm.alone
    if not operators:
        return None
    options = cheapest(costs, harms, limit)
    if options is None:
        return None
    harm_sum = float(harms[np.arange(len(operators)), options].sum())
    return Choice(operators=operators, options=options, harm=harm_sum)
