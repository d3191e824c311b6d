"""Weights of operators coded as tables and indices; runs in a child process.

An operator that can be seen as a linear map is coded for what it gives on calibration samples, and
its bias takes the mean of what is lost. Other weights are coded for their own sake: embeddings as
wide as asked for, the rest (grouped and transposed convolutions, recurrent cells, weights that
several nodes read) in 8 bits by k-means, since nothing makes good there what rounding loses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from lissom.graph.edit import (
    CodebookEncoding,
    Edit,
    EncodeWeight,
    ReplaceWeight,
    edit_from_json,
    edit_to_json,
)
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.site import Site, sites
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration
from lissom.methods.errand import Errand
from lissom.methods.naming import naming
from lissom.methods.protocol import Context
from lissom.methods.reading import Array, flat, readings, replaced
from lissom.methods.reconstruction import Seen, in_order, sums_within
from lissom.methods.weights import Reconstruction
from lissom.numerics.codebook import CodebookTensor, dequantize, stored_bytes
from lissom.numerics.coding import Scheme, code
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Coded", "coded"]

_ERRAND = Errand(entry="lissom.methods.coding:code_all", kind="quantize.codes", format=4)
_PLAIN = Scheme(table="kmeans", bits=8)
_MATRICES = frozenset({"Conv", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """Weights as codebooks.

    Attributes:
        edits: that put them in place, and correct biases.
        weights: how many numbers they stand for.
        size_bytes: what indices, tables and scales take.
        errors: by operator seen on samples, the squared error of what it gives, as a share of its
            variance.
        unseen: operators coded for their own sake, since nothing could be seen of them on the
            samples, and why.
    """

    edits: tuple[Edit, ...]
    weights: int
    size_bytes: int
    errors: Mapping[str, float]
    unseen: Mapping[str, str]


def coded(
    model: Model,
    weights: Mapping[str, Sequence[str]],
    scheme: Scheme,
    how: Reconstruction,
    context: Context,
) -> Coded:
    """Code weights.

    Args:
        model: the model.
        weights: by weight, the operators that are to read it coded.
        scheme: of the tables.
        how: what each operator reads, and is fitted towards.
        context: for its store, its progress and its calibration samples; without those, every
            weight is coded for its own sake.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    calibration, store = context.calibration, context.store

    def beside() -> dict[str, Json]:
        nodes = [] if calibration is None else list(_linear(model, weights))
        sums = sums_within(model, nodes, how, context)
        return {"sums": sums, "store": str(store.root.resolve())}

    settings = {
        "weights": {weight: list(nodes) for weight, nodes in weights.items()},
        "scheme": asdict(scheme),
        "how": how,
    }
    found = _ERRAND.run(
        {"path": model},
        calibration,
        store,
        settings,
        beside=beside,
        told=lambda done: context.progress(f"coded {done} of {len(weights)} weights"),
    )
    return Coded(
        edits=tuple(edit_from_json(one) for one in found["edits"]),
        weights=found["weights"],
        size_bytes=found["size_bytes"],
        errors=found["errors"],
        unseen=found["unseen"],
    )


def code_all(
    *,
    path: str,
    store: str,
    weights: Mapping[str, Sequence[str]],
    scheme: Mapping[str, Json],
    how: Reconstruction,
    sums: Mapping[str, Sequence[str]],
    calibration: Mapping[str, Json] | None,
) -> Json:
    """Child entry: code weight by weight; answers edits as JSON."""
    work = _Work(open_trusted(Path(path)), weights, Scheme(**scheme), Store(Path(store)))
    unseen = in_order(
        work.model,
        list(work.linear),
        work.one,
        None if calibration is None else Calibration.from_json(calibration),
        how=how,
        sums=sums,
        folder=Path(path).parent,
        store=work.store,
    )
    seen = {site.weight for site in work.linear.values()}
    for site in sites(work.model):
        if site.weight in weights and site.weight not in seen:
            with naming(site.node):
                work.one(site, None)
            seen.add(site.weight)
    return {
        "edits": [edit_to_json(one) for one in work.edits],
        "weights": work.count,
        "size_bytes": work.size_bytes,
        "errors": work.errors,
        "unseen": unseen,
    }


def _linear(model: Model, weights: Mapping[str, Sequence[str]]) -> dict[str, Site]:
    """The operators among those with these weights that can be seen as linear maps, by node."""
    return {
        node: site
        for node, (site, _) in readings(model).items()
        if node in weights.get(site.weight, ())
    }


class _Work:
    """The model, how it is coded, and what came of it so far."""

    def __init__(
        self, model: Model, weights: Mapping[str, Sequence[str]], scheme: Scheme, store: Store
    ) -> None:
        self.model = model
        self.store = store
        self.edits: list[Edit] = []
        self.errors: dict[str, float] = {}
        self.count = self.size_bytes = 0
        self._weights = weights
        self._scheme = scheme
        self.linear = _linear(model, weights)

    def one(self, site: Site, groups: Sequence[Seen] | None) -> list[ReplaceWeight]:
        """Code a weight; answers the float ones that say the same, if it is of a linear map."""
        before = rows_of(self.model, site)
        plain = site.node not in self.linear and site.op_type != "Gather"
        scheme = _PLAIN if plain else self._scheme
        later: list[ReplaceWeight] = []
        if groups is None:
            found = code(before, scheme)
        else:
            (seen,) = groups
            every = seen.every
            parts = seen.fitting.covariance, seen.held_out.covariance
            found = code(seen.anew(before), scheme, every.covariance, parts)
            after = dequantize(found).astype(np.float64)
            bias = every.bias_for(after)
            self.errors[site.node] = every.error(after, bias) / (every.variance or 1.0)
            later = replaced(self.model, site, after, bias if seen.centred else None, self.store)
        edit = EncodeWeight(
            weight=site.weight,
            encoding=CodebookEncoding.of(as_stored(site, found), self.store),
            kernel="fold",
            consumers=tuple(self._weights[site.weight]),
        )
        self.edits += [*later[1:], edit]
        self.count += before.size
        self.size_bytes += stored_bytes(found)
        report(sum(isinstance(one, EncodeWeight) for one in self.edits))
        return later


def rows_of(model: Model, site: Site) -> Array:
    """The weight as a matrix whose rows are channels; one row where those do not lie in order."""
    if site.op_type in _MATRICES:
        return flat(model, site)
    weight = np.asarray(model.weight(site.weight), np.float64)
    return weight if site.op_type == "Gather" else weight.reshape(1, -1)


def as_stored(site: Site, rows: CodebookTensor) -> CodebookTensor:
    """Codes of `rows_of`, with the elements in the order of the stored weight."""
    if site.op_type not in _MATRICES or site.out_axis == 0:
        return rows
    scale = rows.scale
    return replace(
        rows,
        indices=np.ascontiguousarray(rows.indices.T),
        scale=None if scale is None else np.ascontiguousarray(scale.T),
        axis=None if rows.axis is None else 1 - rows.axis,
    )
