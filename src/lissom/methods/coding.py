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

from lissom.graph.edit import CodebookEncoding, Edit, EncodeWeight, edit_from_json, edit_to_json
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.site import Site, sites
from lissom.isolate.child import report
from lissom.measure.calibration import Calibration
from lissom.methods.errand import Errand
from lissom.methods.gathering import gathered
from lissom.methods.protocol import Context
from lissom.methods.reading import Array, bias_of, flat, readings, rebiased
from lissom.numerics.codebook import CodebookTensor, dequantize, stored_bytes
from lissom.numerics.coding import Scheme, code, output_error
from lissom.numerics.moments import Moments
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Coded", "coded"]

_ERRAND = Errand(entry="lissom.methods.coding:code_all", kind="quantize.codes", format=2)
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
    """

    edits: tuple[Edit, ...]
    weights: int
    size_bytes: int
    errors: Mapping[str, float]


def coded(
    model: Model,
    weights: Mapping[str, Sequence[str]],
    scheme: Scheme,
    context: Context,
) -> Coded:
    """Code weights.

    Args:
        model: the model.
        weights: by weight, the operators that are to read it coded.
        scheme: of the tables.
        context: for its store, its progress and its calibration samples; without those, every
            weight is coded for its own sake.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples.
    """
    calibration, store = context.calibration, context.store
    settings = {
        "weights": {weight: list(nodes) for weight, nodes in weights.items()},
        "scheme": asdict(scheme),
    }
    found = _ERRAND.run(
        {"path": model},
        calibration,
        store,
        settings,
        beside=lambda: {"store": str(store.root.resolve())},
        told=lambda done: context.progress(f"coded {done} of {len(weights)} weights"),
    )
    return Coded(
        edits=tuple(edit_from_json(one) for one in found["edits"]),
        weights=found["weights"],
        size_bytes=found["size_bytes"],
        errors=found["errors"],
    )


def code_all(
    *,
    path: str,
    store: str,
    weights: Mapping[str, Sequence[str]],
    scheme: Mapping[str, Json],
    calibration: Mapping[str, Json] | None,
) -> Json:
    """Child entry: code weight by weight; answers edits as JSON."""
    model, kept, wanted = open_trusted(Path(path)), Store(Path(store)), Scheme(**scheme)
    seen = _seen(model, weights, calibration, Path(path).parent)
    linear = readings(model)
    edits: list[Json] = []
    errors: dict[str, float] = {}
    count = size = 0
    for weight, nodes in weights.items():
        site = next(site for site in sites(model) if site.weight == weight)
        before, pair = rows_of(model, site), seen.get(site.node)
        hessian, parts = (None, None) if pair is None else _hessians(model, site, pair)
        plain = site.node not in linear and site.op_type != "Gather"
        found = code(before, _PLAIN if plain else wanted, hessian, parts)
        if pair is not None and hessian is not None:
            whole = pair[0].joined(pair[1])
            after = dequantize(found).astype(np.float64)
            errors[site.node] = output_error(before, after, hessian) / (whole.variance or 1.0)
            edits += [edit_to_json(one) for one in _rebiased(model, site, after, whole, kept)]
        edit = EncodeWeight(
            weight=weight,
            encoding=CodebookEncoding.of(as_stored(site, found), kept),
            kernel="fold",
            consumers=tuple(nodes),
        )
        edits.append(edit_to_json(edit))
        count, size = count + before.size, size + stored_bytes(found)
        report(weight)
    return {"edits": edits, "weights": count, "size_bytes": size, "errors": errors}


def _seen(
    model: Model,
    weights: Mapping[str, Sequence[str]],
    calibration: Mapping[str, Json] | None,
    folder: Path,
) -> Mapping[str, tuple[Moments, Moments]]:
    if calibration is None:
        return {}
    wanted = [
        reading
        for node, (site, reading) in readings(model).items()
        if node in weights.get(site.weight, ())
    ]
    found = gathered(model, wanted, Calibration.from_json(calibration), folder) if wanted else {}
    # Where the square matrix is too large, rows are kept instead: such a weight is coded for its
    # own sake, since nothing tells which of its inputs matter together.
    return {
        node: (fitting, held_out)
        for node, (fitting, held_out) in found.items()
        if isinstance(fitting, Moments) and isinstance(held_out, Moments)
    }


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


def _centred(model: Model, site: Site) -> bool:
    """Whether a bias can take the mean of the error at no cost."""
    return site.op_type != "MatMul" or bias_of(model, site) is not None


def _hessians(
    model: Model, site: Site, pair: tuple[Moments, Moments]
) -> tuple[Array, tuple[Array, Array]]:
    """Covariances where a bias takes the mean, second moments elsewhere."""
    centred = _centred(model, site)
    fitting, held_out, whole = (
        one.covariance if centred else one.xx / (one.rows or 1.0)
        for one in (*pair, pair[0].joined(pair[1]))
    )
    return whole, (fitting, held_out)


def _rebiased(model: Model, site: Site, after: Array, seen: Moments, store: Store) -> list[Edit]:
    """The bias with which the mean of what the operator gives stays."""
    if not _centred(model, site):
        return []
    count = seen.rows or 1.0
    return [rebiased(model, site, seen.y / count - after @ (seen.x / count), store)]
