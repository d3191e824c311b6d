"""Watch a model's values while it runs on samples: ranges now, other evidence later.

The model runs in a child process with its inner values as extra outputs. Values stream into small
accumulators, a few outputs at a time, so memory is bounded by the largest of them and not by the
number of samples or values. What was seen is kept in the store under a hash of the model, the
samples and the runtime, and never computed twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lissom.errors import MeasurementError
from lissom.graph.expose import expose, intermediate_values
from lissom.graph.model import Model
from lissom.graph.save import save
from lissom.isolate.child import ChildLimits, call, report
from lissom.measure.evidence import Evidence, Need
from lissom.measure.samples import Part, Samples
from lissom.numerics.histogram import Histogram
from lissom.numerics.smoothed import Smoothed
from lissom.runtime import registry
from lissom.runtime.protocol import Session
from lissom.runtime.target import Target
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["LIMIT", "observe", "shapes"]

LIMIT = 512
"""How many calibration samples are run at most: ranges have settled long before."""

_GROUP_BYTES = 128 * 2**20  # outputs that are fetched together
_FIRST_GROUP = 32  # how many are fetched together while their sizes are unknown
_LIMITS = ChildLimits(seconds=3600.0)
_KIND = "evidence"
_FORMAT = 2


def observe(
    model: Model,
    samples: Samples,
    part: Part,
    needs: Mapping[Need, tuple[str, ...]],
    target: Target,
    *,
    limit: int = LIMIT,
    progress: Callable[[int], None] | None = None,
) -> Evidence:
    """Run a model on a part of the samples and gather what is needed of its values.

    Values that cannot be watched (of another type than a tensor, inside bodies) are left out.

    Args:
        model: what to run.
        samples: where the part comes from; evidence is kept in their store.
        part: the samples to run, the first `limit` of them.
        needs: for each kind of evidence the names of the values.
        target: the runtime.
        limit: at most so many samples.
        progress: called now and then with the number of samples that were run.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the samples, or gradients were asked for.
    """
    _no_gradients(needs, target)
    wanted = _watchable(model, needs.get(Need.RANGES, ()))
    count, store = min(limit, len(part)), samples.store
    inputs: Json = {
        "format": _FORMAT,
        "model": model.fingerprint,
        "part": part.fingerprint,
        "limit": count,
        "ranges": wanted,
        "runtime": [target.runtime, registry.load(target.runtime).version()],
        "options": [list(option) for option in target.options],
    }

    def compute() -> Json:
        with store.scratch() as folder:
            path = _exposed(model, wanted, folder)
            arguments = {
                "path": str(path),
                "samples": samples.to_json(),
                "indices": list(part.indices[:count]),
                "values": wanted,
                "target": target.to_json(),
            }
            entry = "lissom.measure.observe:gather_ranges"
            return call(entry, arguments, limits=_LIMITS, on_report=progress)

    arrays = store.arrays(store.remember(_KIND, inputs, compute)["ranges"]["object"])
    return Evidence(
        samples_fingerprint=part.fingerprint,
        count=count,
        histograms={name: _unpacked(arrays, index) for index, name in enumerate(wanted)},
        averages={name: _average(arrays, index) for index, name in enumerate(wanted)},
    )


def shapes(
    model: Model, feed: Mapping[str, np.ndarray[Any, Any]], target: Target, store: Store
) -> dict[str, tuple[int, ...]]:
    """The concrete shape of every watchable value of the main graph, from one run on one feed.

    Weights are not among them; inputs and outputs are.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model or the feed.
    """
    values = list(intermediate_values(model))
    with store.scratch() as folder:
        path = _exposed(model, values, folder)
        np.savez(
            folder / "feed.npz",
            allow_pickle=False,
            **{str(index): feed[port.name] for index, port in enumerate(model.inputs)},
        )
        arguments = {
            "path": str(path),
            "feed": str((folder / "feed.npz").resolve()),
            "inputs": [port.name for port in model.inputs],
            "target": target.to_json(),
        }
        found = call("lissom.measure.observe:gather_shapes", arguments, limits=_LIMITS)
    return {name: tuple(shape) for name, shape in found.items()}


def _no_gradients(needs: Mapping[Need, tuple[str, ...]], target: Target) -> None:
    if Need.GRADIENTS in needs:
        raise MeasurementError(
            f"gradients are needed, and {target.runtime} takes none: it only runs models forward"
        )


def _watchable(model: Model, values: Iterable[str]) -> list[str]:
    """The values that a run can answer with, sorted."""
    possible = set(intermediate_values(model))
    possible.update(port.name for port in (*model.inputs, *model.outputs))
    return sorted(set(values) & possible)


def _exposed(model: Model, values: Sequence[str], folder: Path) -> Path:
    known = {port.name for port in (*model.inputs, *model.outputs)}
    path = (folder / "model.onnx").resolve()
    save(expose(model, [name for name in values if name not in known]), path, metadata={})
    return path


def _unpacked(arrays: Mapping[str, np.ndarray[Any, Any]], index: int) -> Histogram:
    keys = ("counts", "bins", "limits")
    return Histogram.from_arrays({key: arrays[f"{index}/{key}"] for key in keys})


def _average(arrays: Mapping[str, np.ndarray[Any, Any]], index: int) -> Smoothed:
    return Smoothed.from_array(arrays[f"{index}/average"])


def gather_ranges(
    *, path: str, samples: Json, indices: list[int], values: list[str], target: Json
) -> Json:
    """Child entry: what was seen of every value over the samples; answers where that is stored."""
    source = Samples.from_json(samples)
    part = Part(name="calibration", indices=tuple(indices), fingerprint="")
    seen = {name: Histogram() for name in values}
    averages = dict.fromkeys(values, Smoothed())
    done = 0
    with _open(path, target) as session:
        fetcher = _Fetcher(session, values)
        for feed in source.feeds(part):
            for name, array in fetcher.run(feed.inputs):
                seen[name] = seen[name].added(array)
                averages[name] = averages[name].added(array)
            done += len(feed.indices)
            report(done)
    arrays = {
        f"{index}/{key}": array
        for index, name in enumerate(values)
        for key, array in (
            *seen[name].to_arrays().items(),
            ("average", averages[name].to_array()),
        )
    }
    return {"ranges": {"object": source.store.put_arrays(arrays)}}


def gather_shapes(*, path: str, feed: str, inputs: list[str], target: Json) -> Json:
    """Child entry: the shape of every input and output of a model on one feed."""
    with np.load(feed, allow_pickle=False) as loaded:
        arrays = {name: loaded[str(index)] for index, name in enumerate(inputs)}
    with _open(path, target) as session:
        names = [*inputs, *(port.name for port in session.outputs)]
        fetcher = _Fetcher(session, list(dict.fromkeys(names)))
        return {name: list(array.shape) for name, array in fetcher.run(arrays)}


def _open(path: str, target: Json) -> Session:
    wanted = Target.from_json(target)
    return registry.load(wanted.runtime).open(Path(path), wanted, lean=True)


class _Fetcher:
    """Runs a model several times on one feed, each time for as many outputs as memory allows."""

    def __init__(self, session: Session, values: Sequence[str]) -> None:
        self._session = session
        given = {port.name for port in session.inputs}
        self._fed = [name for name in values if name in given]
        outputs = [name for name in values if name not in given]
        self._groups = [
            outputs[start : start + _FIRST_GROUP] for start in range(0, len(outputs), _FIRST_GROUP)
        ]
        self._known = False

    def run(
        self, inputs: Mapping[str, np.ndarray[Any, Any]]
    ) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        """Every value on this feed, by name, one after another."""
        for name in self._fed:
            yield name, inputs[name]
        sizes: dict[str, int] = {}
        for group in self._groups:
            found = self._session.run(inputs, group)
            for name in group:
                array = found.pop(name)
                sizes[name] = array.nbytes
                yield name, array
        if not self._known:
            self._groups, self._known = _grouped(sizes), True


def _grouped(sizes: Mapping[str, int]) -> list[list[str]]:
    """Names in order, as many together as fit the limit, at least one."""
    groups: list[list[str]] = []
    room = 0
    for name, size in sizes.items():
        if not groups or size > room:
            groups.append([])
            room = _GROUP_BYTES
        groups[-1].append(name)
        room -= size
    return groups
