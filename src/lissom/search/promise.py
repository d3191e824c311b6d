"""What arithmetic promises of a candidate, before the clock is asked.

The original's own profile, and for each part of it what would become of its time if the machine
kept its highest rates: a product on other numbers is faster by the ratio of the two ceilings, one
that only multiplies less or reads fewer bytes by the ratio of its rooflines, any other node saves
the time of the bytes that it no longer moves, and nodes put together take as long as the longest of
them. What is not touched takes as long as before (Amdahl's law). Where the machine keeps the
promise the prediction comes true; the difference is what `gaps` explains.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from lissom.graph.cost import Work
from lissom.measure import environment
from lissom.measure.ceilings import Ceilings, ceilings
from lissom.measure.kernels import PRODUCTS, family
from lissom.measure.profile import NodeTime, operator_times
from lissom.measure.roofline import Roof, roof_of
from lissom.runtime.target import Target
from lissom.search.arithmetic import BYTES, WHOLE, Arithmetic, Product, arithmetic_of
from lissom.search.candidate import Candidate
from lissom.search.counting import counted_work
from lissom.search.job import Opened
from lissom.store.hashing import sha256_arrays

__all__ = ["Basis", "Part", "Promise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One executed node of the original, and what a candidate promises of it.

    Attributes:
        family: what it computes.
        before_ms: its time in the original.
        promised_ms: its time if the promise is kept.
        roof: its least time in the candidate; None where its shapes are not known.
        macs: its multiply-accumulates in the candidate; 0 for what multiplies nothing.
        integer: the candidate computes it on integers.
        expanded: the candidate stores its weights narrower than it computes with them.
    """

    family: str
    before_ms: float
    promised_ms: float
    roof: Roof | None = None
    macs: int = 0
    integer: bool = False
    expanded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What arithmetic promises of one candidate.

    Attributes:
        parts: the original's executed nodes.
        ceilings: of the place where the candidate runs.
    """

    parts: tuple[Part, ...]
    ceilings: Ceilings

    @property
    def speedup(self) -> float | None:
        """The original's time over the promised one; None without a profile."""
        before = sum(part.before_ms for part in self.parts)
        after = sum(part.promised_ms for part in self.parts)
        return before / after if before > 0 and after > 0 else None


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What every promise of a run is computed from; each is measured once, then remembered.

    Attributes:
        opened: the original with its feed, target and store.
        kept: ceilings are taken as the store has them, if it has any.
        reached: the ceilings that were asked for so far, by place.

    Its attributes and methods raise:
        ChildFailed: a measurement did not come to an end.
        MeasurementError: the runtime refused it.
        ModelError: shapes or a file do not fit.
    """

    opened: Opened
    kept: bool = False
    reached: dict[Target, Ceilings] = field(default_factory=dict, compare=False)

    @cached_property
    def profile(self) -> tuple[NodeTime, ...]:
        """The original's executed nodes, each with the node of the file that it stands for."""
        return profile_of(self.opened)

    @cached_property
    def work(self) -> Mapping[str, Work]:
        """What each node of the original computes and moves."""
        return counted_work(self.opened)

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """The operator of each node of the original."""
        return {node.name: node.op_type for node in self.opened.model.nodes}

    def ceilings(self, target: Target) -> Ceilings:
        """What the machine reaches in a place; one answer for the whole run."""
        if target not in self.reached:
            opened = self.opened
            found = ceilings(target, opened.store, quiet=opened.quiet, kept=self.kept)
            self.reached[target] = found
        return self.reached[target]

    def promise(self, candidate: Candidate) -> Promise:
        """What arithmetic promises of a candidate."""
        opened = self.opened
        before, after = self.ceilings(opened.target), self.ceilings(candidate.target)
        known = arithmetic_of(candidate, opened)
        held = (opened.model.weight_bytes, candidate.size_bytes or opened.model.weight_bytes)
        terms = Terms(basis=self, before=before, after=after, arithmetic=known, held_bytes=held)
        timing = candidate.timing
        times = scaled(self.profile, None if timing is None else timing.original.median_ms)
        parts = [terms.part(one) for one in times]
        for count, names in known.joined:
            parts = joined(parts, times, count, set(names))
        return Promise(parts=tuple(parts), ceilings=after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one candidate's promise is computed with.

    Attributes:
        basis: of the run.
        before: ceilings where the original runs.
        after: ceilings where the candidate runs.
        arithmetic: how the candidate's graph differs.
        held_bytes: of all weights, before and after.
    """

    basis: Basis
    before: Ceilings
    after: Ceilings
    arithmetic: Arithmetic
    held_bytes: tuple[int, int]

    def part(self, one: NodeTime) -> Part:
        """What becomes of one executed node of the original."""
        name = one.stands_for or ""
        work = self.basis.work.get(name)
        if work is None:
            return Part(
                family=family(one.op_type),
                before_ms=one.milliseconds,
                promised_ms=one.milliseconds,
            )
        if family(one.op_type) in PRODUCTS:
            return self.product(one, name, work)
        left = self.arithmetic.left.get(name, WHOLE)
        return self.moved(one, work, self.arithmetic.narrowed.get(name, 1.0) * left.values)

    def product(self, one: NodeTime, name: str, work: Work) -> Part:
        """A product: other numbers, less of them, fewer bytes, or another place."""
        kind = self.basis.kinds[name]
        unchanged = Product(numbers="float32", weight_bytes=work.weight_bytes)
        new = self.arithmetic.products.get(name, unchanged)
        left = self.arithmetic.left.get(name, WHOLE)
        old_rate = self.before.gflops(kind, "float32")
        new_rate = self.after.gflops(kind, new.numbers)
        held_before, held_after = self.held_bytes
        lighter = Work(
            macs=round(left.macs * work.macs),
            weight_bytes=new.weight_bytes,
            activation_bytes=round(BYTES[new.numbers] * left.values * work.activation_bytes),
        )
        after = roof_of(lighter, kind, self.after, held_bytes=held_after, numbers=new.numbers)
        ratio = 1.0
        if old_rate and new_rate and new_rate != old_rate:
            ratio = left.macs * old_rate / new_rate
        elif left != WHOLE or new.weight_bytes < work.weight_bytes:
            before = roof_of(work, kind, self.before, held_bytes=held_before)
            ratio = after.least_ms / before.least_ms if before.least_ms > 0 else left.macs
            ratio = ratio if left != WHOLE else min(1.0, ratio)
        return Part(
            family=family(one.op_type),
            before_ms=one.milliseconds,
            promised_ms=one.milliseconds * ratio,
            roof=after,
            macs=lighter.macs,
            integer=new.numbers == "int8",
            expanded=new.expanded,
        )

    def moved(self, one: NodeTime, work: Work, share: float) -> Part:
        """Any other node: it saves the time of the bytes that it no longer moves."""
        saved = self.before.move_ms(work.bytes_moved) - self.before.move_ms(
            share * work.bytes_moved, work.bytes_moved
        )
        least = min(one.milliseconds, self.before.node_ms)
        return Part(
            family=family(one.op_type),
            before_ms=one.milliseconds,
            promised_ms=max(least, one.milliseconds - saved),
            roof=Roof(compute_ms=0.0, memory_ms=self.after.move_ms(share * work.bytes_moved)),
        )


def scaled(profile: Sequence[NodeTime], latency_ms: float | None) -> tuple[NodeTime, ...]:
    """A profile whose times add up to a latency.

    Two profiles are made at different times, on a machine that is now more and now less busy; the
    latencies of the original and of a candidate come from one interleaved run.
    """
    whole = sum(one.milliseconds for one in profile)
    factor = 1.0 if latency_ms is None or whole <= 0 else latency_ms / whole
    return tuple(replace(one, milliseconds=factor * one.milliseconds) for one in profile)


def joined(
    parts: list[Part], profile: Iterable[NodeTime], count: int, names: set[str]
) -> list[Part]:
    """Let the longest few of a group of nodes stand for all of them."""
    places = [place for place, one in enumerate(profile) if one.stands_for in names]
    places.sort(key=lambda place: -parts[place].promised_ms)
    for place in places[count:]:
        parts[place] = replace(parts[place], promised_ms=0.0)
    return parts


def profile_of(opened: Opened) -> tuple[NodeTime, ...]:
    """The original's profile with what each executed node stands for; remembered."""
    inputs = {
        "model": opened.facts.sha256,
        "feed": sha256_arrays(dict(opened.feed)),
        "target": opened.target.to_json(),
        "environment": environment.current().fingerprint,
    }

    def compute() -> list[dict[str, Any]]:
        found = operator_times(
            opened.path,
            opened.feed,
            opened.target,
            opened.store,
            attributed=True,
            quiet=opened.quiet,
        )
        return [one.to_json() for one in found]

    kept = opened.store.remember("profile of the original", inputs, compute)
    return tuple(NodeTime.from_json(one) for one in kept)
