"""What tests of methods share: facts of an imagined processor, contexts, evidence in-process."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lissom.graph.expose import expose
from lissom.graph.model import Model
from lissom.measure.calibration import Calibration
from lissom.measure.evidence import Evidence, Need
from lissom.measure.observe import shapes
from lissom.measure.samples import Samples
from lissom.methods.protocol import Context, Observe
from lissom.numerics.histogram import Histogram
from lissom.numerics.smoothed import Smoothed
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests.graph.edited import run

Feeds = Sequence[Mapping[str, np.ndarray]]

FACTS = Facts(
    activation="uint8",
    reduce_range=False,
    integer_operators=frozenset(
        {"Add", "AveragePool", "Concat", "Conv", "Gemm", "GlobalAveragePool", "MatMul", "Mul"}
        | {"Sigmoid", "Softmax"}
    ),
    passthrough_operators=frozenset({"Flatten", "MaxPool", "Reshape", "Transpose"}),
    absorbed_operators=frozenset({"Relu", "Clip"}),
    weight_only=((4, 32), (8, 32)),
    dynamic_operators=frozenset({"MatMul", "Gemm"}),
    float16_compute=True,
)


def observer(feeds: Feeds) -> Observe:
    """Evidence from runs in this process; values that the model does not have are left out."""

    def answer(model: Model, needs: Mapping[Need, tuple[str, ...]]) -> Evidence:
        wanted = needs.get(Need.RANGES, ())
        inner = [name for name in wanted if name in model.producers]
        exposed = expose(model, inner)
        names = [port.name for port in exposed.outputs]
        seen = {name: Histogram() for name in wanted}
        averages = dict.fromkeys(wanted, Smoothed())
        for feed in feeds:
            found = {**feed, **dict(zip(names, run(exposed, feed), strict=True))}
            seen = {name: seen[name].added(found[name]) for name in wanted}
            averages = {name: averages[name].added(found[name]) for name in wanted}
        return Evidence(
            samples_fingerprint="lab", count=len(feeds), histograms=seen, averages=averages
        )

    return answer


def calibration(model: Model, store: Store, feeds: Feeds, *, limit: int = 512) -> Calibration:
    """All of these feeds, as methods stream through them."""
    samples = Samples.open(iter(feeds), model.inputs, store)
    return Calibration(samples=samples, part=samples.whole(), target=Target(), limit=limit)


def context(model: Model, store: Store, feeds: Feeds | None = None, **changes: Any) -> Context:
    """A context for a model; `facts` in changes are fields of the facts to replace."""
    facts = replace(FACTS, **changes.pop("facts", {}))
    if feeds is not None:
        if "calibration" not in changes:  # samples that no file may hold are refused there
            changes["calibration"] = calibration(model, store, feeds)
        changes.setdefault("shapes", lambda other: shapes(other, feeds[0], Target(), store))
    return Context(
        original=model,
        store=store,
        facts=facts,
        target=Target(),
        observe=None if feeds is None else observer(feeds),
        **changes,
    )
