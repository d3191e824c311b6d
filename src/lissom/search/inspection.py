"""What a model holds, what it computes, and where its time goes on this machine."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lissom.errors import ChildFailed, MeasurementError, MethodError, ModelError, OptionError
from lissom.graph.channels.groups import channels
from lissom.graph.cost import Work
from lissom.graph.model import Model, Port
from lissom.graph.site import sites
from lissom.measure.ceilings import Ceilings
from lissom.measure.observe import shapes
from lissom.measure.profile import NodeTime
from lissom.recipe import Step
from lissom.runtime import registry
from lissom.search.build import context
from lissom.search.candidate import OperatorTime
from lissom.search.explain import by_operator
from lissom.search.grouping import Grouping, grouping
from lissom.search.job import Opened
from lissom.search.mixed import integer_formats
from lissom.search.promise import Basis
from lissom.search.record import operator_to_json
from lissom.search.roofs import Standing, standings
from lissom.search.sensitivity import Sensitivity
from lissom.search.sensitivity import sensitivity as measured
from lissom.search.view import FUSABLE

__all__ = ["Inspection", "OperatorShare", "SiteShare", "inspect_model"]

NOWHERE: Final = "(unused)"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorShare:
    """One type of operator in the canonical graph.

    Attributes:
        op_type: the operator, with its domain if it is not ONNX's own.
        count: how many nodes.
        macs: multiply-accumulates of one run, all together; None where they could not be counted.
        weight_bytes: of the constants that these nodes read (each counted at its first reader).
    """

    op_type: str
    count: int
    macs: int | None
    weight_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "op_type": self.op_type,
            "count": self.count,
            "macs": self.macs,
            "weight_bytes": self.weight_bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteShare:
    """One weighted operator.

    Attributes:
        name: of the node.
        op_type: Conv, MatMul, Gemm and so on.
        shape: of the weight as it is stored.
        macs: multiply-accumulates of one run; None where they could not be counted.
        weight_bytes: of the weight.
        standing: its time against this machine's ceilings; None where it could not be had.
    """

    name: str
    op_type: str
    shape: tuple[int, ...]
    macs: int | None
    weight_bytes: int
    standing: Standing | None = None

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "name": self.name,
            "op_type": self.op_type,
            "shape": list(self.shape),
            "macs": self.macs,
            "weight_bytes": self.weight_bytes,
            "standing": None if self.standing is None else self.standing.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What `inspect` answers.

    Attributes:
        file_name: without folders.
        sha256: of the file.
        size_bytes: with external data.
        producer: what wrote it.
        file_opset: of the file.
        opset: of the canonical graph.
        inputs: what must be fed.
        outputs: what is answered.
        parameters: number of trained constants.
        macs: multiply-accumulates of one run; None where they could not be counted.
        already_quantized: it holds quantized operators.
        operators: the canonical graph by type of operator, most arithmetic first.
        sites: the weighted operators, in the graph's order.
        times: time by operator on this machine as the runtime ran it; empty if it could not be had.
        total_ms: their sum, for one run of the feed (profiling costs a little).
        ceilings: what the runtime reaches on this machine; None if it could not be had.
        feed: the shape of each input in that run.
        generated: that feed was invented, since there were no samples.
        history: what loading did to the model.
        notes: what loading could not do, and what could not be measured.
        groups: channel groups, where they were asked for and could be had.
        sensitivity: what each operator costs and saves on integers, likewise.
    """

    file_name: str
    sha256: str
    size_bytes: int
    producer: str
    file_opset: int
    opset: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    parameters: int
    macs: int | None
    already_quantized: bool
    operators: tuple[OperatorShare, ...]
    sites: tuple[SiteShare, ...]
    times: tuple[OperatorTime, ...]
    total_ms: float | None
    ceilings: Ceilings | None
    feed: tuple[tuple[str, tuple[int, ...]], ...]
    generated: bool
    history: tuple[str, ...]
    notes: tuple[str, ...]
    groups: Grouping | None = None
    sensitivity: Sensitivity | None = None

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "file_name": self.file_name,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "producer": self.producer,
            "file_opset": self.file_opset,
            "opset": self.opset,
            "inputs": [port_to_json(port) for port in self.inputs],
            "outputs": [port_to_json(port) for port in self.outputs],
            "parameters": self.parameters,
            "macs": self.macs,
            "already_quantized": self.already_quantized,
            "operators": [one.to_json() for one in self.operators],
            "sites": [one.to_json() for one in self.sites],
            "times": [operator_to_json(one) for one in self.times],
            "total_ms": self.total_ms,
            "ceilings": None if self.ceilings is None else self.ceilings.to_json(),
            "feed": {name: list(shape) for name, shape in self.feed},
            "generated": self.generated,
            "history": list(self.history),
            "notes": list(self.notes),
            "groups": None if self.groups is None else self.groups.to_json(),
            "sensitivity": None if self.sensitivity is None else self.sensitivity.to_json(),
        }


def inspect_model(opened: Opened, *, groups: bool = False, sensitivity: bool = False) -> Inspection:
    """Look at an opened model: count on one feed, and let the runtime profile it.

    Args:
        opened: the model.
        groups: find its channel groups, too.
        sensitivity: measure what each operator costs and saves on integers, too.

    Raises:
        OptionError: sensitivity was asked for without samples.
    """
    if sensitivity and opened.samples is None:
        raise OptionError("sensitivity needs samples: errors are measured on them; give some")
    model, notes = opened.model, list(opened.notes) + list(opened.model.notes)
    basis = Basis(opened=opened)
    work = counted(basis, notes)
    profile = profiled(basis, notes)
    times = by_operator(profile)
    here = reached(basis, notes)
    found = grouped(opened, notes) if groups else None
    held = None if work is None else {name: one.macs for name, one in work.items()}
    standing = {}
    if work is not None and here is not None:
        standing = standings(model, profile, work, here)
    return Inspection(
        file_name=opened.path.name,
        sha256=opened.facts.sha256,
        size_bytes=opened.facts.size_bytes,
        producer=opened.facts.producer,
        file_opset=opened.facts.opset,
        opset=model.opset,
        inputs=model.inputs,
        outputs=model.outputs,
        parameters=model.parameters,
        macs=None if held is None else sum(held.values()),
        already_quantized=opened.facts.already_quantized,
        operators=by_type(model, held),
        sites=by_site(model, held, standing),
        times=times,
        total_ms=sum(one.milliseconds for one in times) if times else None,
        ceilings=here,
        feed=tuple((name, array.shape) for name, array in opened.feed.items()),
        generated=opened.samples is None,
        history=model.history,
        groups=found,
        sensitivity=sensitive(opened, notes) if sensitivity else None,
        notes=tuple(notes),
    )


def sensitive(opened: Opened, notes: list[str]) -> Sensitivity | None:
    """What each operator costs and saves on integers; None, with a note, where it cannot be had."""
    model, target = opened.model, opened.target
    facts = registry.load(target.runtime).facts(opened.store)
    kinds = {node.op_type for node in model.nodes}
    before = (Step(method="optimize.fusion"),) if kinds & FUSABLE else ()
    static = Step(method="quantize.static", parameters={"ranges": "mse"})
    try:
        return measured(
            opened,
            context(opened, facts, target=target, seed=0),
            before,
            integer_formats(model, facts, static),
            both=True,
        )
    except (ChildFailed, MeasurementError, MethodError) as error:
        notes.append(f"Sensitivity could not be measured: {error}")
        return None


def grouped(opened: Opened, notes: list[str]) -> Grouping | None:
    """The channel groups; None, with a note, where the shapes cannot be had."""
    try:
        known = shapes(opened.model, opened.feed, opened.target, opened.store)
    except (ChildFailed, MeasurementError, ModelError) as error:
        notes.append(f"Channel groups could not be found: {error}")
        return None
    return grouping(channels(opened.model, known))


def counted(basis: Basis, notes: list[str]) -> Mapping[str, Work] | None:
    """What each node computes and moves; None, with a note, where the shapes cannot be had."""
    try:
        return basis.work
    except (ChildFailed, MeasurementError, ModelError) as error:
        notes.append(f"Multiply-accumulates could not be counted: {error}")
        return None


def profiled(basis: Basis, notes: list[str]) -> tuple[NodeTime, ...]:
    """The profile of the user's own file; empty, with a note, where it cannot be had."""
    try:
        return basis.profile
    except (ChildFailed, MeasurementError, ModelError) as error:
        notes.append(f"Time by operator could not be had: {error}")
        return ()


def reached(basis: Basis, notes: list[str]) -> Ceilings | None:
    """What the runtime reaches on this machine; None, with a note, where it cannot be had."""
    try:
        return basis.ceilings(basis.opened.target)
    except (ChildFailed, MeasurementError) as error:
        notes.append(f"This machine's ceilings could not be measured: {error}")
        return None


def by_type(model: Model, counted: dict[str, int] | None) -> tuple[OperatorShare, ...]:
    """The graph by type of operator, most arithmetic first, then most bytes."""
    count: Counter[str] = Counter()
    arithmetic: Counter[str] = Counter()
    held: Counter[str] = Counter()
    names = {}
    for node in model.nodes:
        kind = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        names[node.name] = kind
        count[kind] += 1
        arithmetic[kind] += 0 if counted is None else counted.get(node.name, 0)
    for weight, info in model.weights.items():
        readers = model.consumers.get(weight, ())
        held[names.get(readers[0], NOWHERE) if readers else NOWHERE] += info.size_bytes
    shares = [
        OperatorShare(
            op_type=kind,
            count=count[kind],
            macs=None if counted is None else arithmetic[kind],
            weight_bytes=held[kind],
        )
        for kind in count
    ]
    return tuple(sorted(shares, key=lambda one: (-(one.macs or 0), -one.weight_bytes, one.op_type)))


def by_site(
    model: Model, counted: dict[str, int] | None, standing: Mapping[str, Standing]
) -> tuple[SiteShare, ...]:
    """The weighted operators, in the graph's order."""
    return tuple(
        SiteShare(
            name=site.name,
            op_type=site.op_type,
            shape=site.shape,
            macs=None if counted is None else counted.get(site.node),
            weight_bytes=model.weights[site.weight].size_bytes,
            standing=standing.get(site.node),
        )
        for site in sites(model)
    )


def port_to_json(port: Port) -> dict[str, Any]:
    """Write an input or output as JSON values."""
    return {"name": port.name, "dtype": port.dtype, "shape": list(port.shape)}
