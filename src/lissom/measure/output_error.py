"""How far edited models are from the one that they come from, at its outputs, on samples.

One number a model: the mean squared difference of its floating-point outputs, as a share of their
variance. It needs no labels and, unlike a score, tells changes apart that turn no answer: the
small harm that one operator does, of which many add up. Where the model itself answers infinity, as
masked logits are, others must do so too; the rest of the answer is compared.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.errors import MeasurementError
from lissom.graph.edit import Edit, edit_from_json, edit_to_json
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import save, spill
from lissom.isolate.child import ChildLimits, call, report
from lissom.measure.calibration import Calibration, opened
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["ENDLESS", "SAMPLES", "Outputs", "output_errors"]

Array: TypeAlias = npt.NDArray[Any]

SAMPLES = 32
"""How many samples tell the error; it is a mean over all their outputs, so few are enough."""

ENDLESS = 1e30
"""Stands for an infinite error where a finite number is needed."""

_KIND = "output error"
_FORMAT = 2
_LIMITS = ChildLimits(seconds=3600.0)


class Outputs:
    """What a model answers to some samples, and how far another is from it."""

    def __init__(
        self,
        model: Model,
        calibration: Calibration,
        folder: Path,
        *,
        first: int = 0,
        step: int = 1,
        most: int = SAMPLES,
    ) -> None:
        """Run the model.

        Args:
            model: that others are held against.
            calibration: samples, and where models run.
            folder: for files.
            first: the first sample that is taken.
            step: then every so many-th.
            most: at most so many.
        """
        self._calibration, self._folder = calibration, folder
        self._taken = first, first + step * most, step
        self._names = [port.name for port in model.outputs if port.dtype.startswith("float")]
        self._answers = self._run(model)

    def error(self, model: Model) -> float:
        """The mean squared difference, as a share of the answers' variance, over all outputs.

        Infinite where one of both is finite and the other is not.
        """
        total = 0.0
        for name, theirs in self._run(model).items():
            ours = self._answers[name]
            if not ours:
                continue  # too few samples to take any
            flat = np.concatenate([one[np.isfinite(one)] for one in ours])
            spread = (float(flat.var()) * flat.size if flat.size else 0.0) or 1.0
            total += sum(map(_apart, ours, theirs)) / spread
        return total

    def _run(self, model: Model) -> dict[str, list[Array]]:
        path = self._folder / "judged.onnx"
        spill(model, path)
        found: dict[str, list[Array]] = {name: [] for name in self._names}
        with opened(path, self._calibration) as session:
            for inputs in islice(self._calibration.feeds(), *self._taken):
                for name, array in session.run(inputs, self._names).items():
                    found[name].append(array.astype(np.float64))
        return found


def _apart(one: Array, other: Array) -> float:
    """The squared difference of what is finite in both; infinite if the rest is not the same."""
    finite = np.isfinite(one)
    same = np.array_equal(finite, np.isfinite(other)) and np.array_equal(
        one[~finite], other[~finite], equal_nan=True
    )
    return float(((one[finite] - other[finite]) ** 2).sum()) if same else np.inf


def output_errors(
    model: Model,
    variants: Sequence[Sequence[Edit]],
    calibration: Calibration,
    store: Store,
    *,
    progress: Callable[[int], None] | None = None,
) -> tuple[float | None, ...]:
    """The error of each variant of a model; each is remembered by itself.

    Args:
        model: what they are variants of.
        variants: the edits that make each.
        calibration: samples, and where the models run.
        store: keeps the answers.
        progress: told how many variants were run.

    Returns:
        One error each; None for one that the runtime refused, infinity for one that answers NaN or
        infinity where the model does not, or the other way round.

    Raises:
        ChildFailed: the runtime crashed or did not come to an end.
        MeasurementError: the runtime refused the model itself, or the samples.
    """
    given: list[Json] = [
        {
            "format": _FORMAT,
            "model": model.fingerprint,
            "edits": [edit_to_json(edit) for edit in edits],
            "calibration": calibration.identity(),
        }
        for edits in variants
    ]
    keys = [store.key(_KIND, inputs) for inputs in given]
    unknown = [number for number, key in enumerate(keys) if store.get_json(key) is None]
    if unknown:
        with store.scratch() as folder:
            path = (folder / "model.onnx").resolve()
            save(model, path, metadata={})
            arguments = {
                "path": str(path),
                "calibration": calibration.to_json(),
                "variants": [given[number]["edits"] for number in unknown],
            }
            entry = "lissom.measure.output_error:errors_of"
            found = call(entry, arguments, limits=_LIMITS, on_report=progress)
        for number, answer in zip(unknown, found, strict=True):
            store.put_json(keys[number], answer, kind=_KIND, inputs=given[number])
    answers = [store.get_json(key) for key in keys]
    return tuple(None if answer is None else _read(answer) for answer in answers)


def _read(answer: Mapping[str, Json]) -> float | None:
    """An error as it is remembered: JSON has no infinity."""
    error: float | None = answer["error"]
    return np.inf if error is None and not answer["refusal"] else error


def errors_of(
    *, path: str, calibration: Mapping[str, Json], variants: Sequence[Sequence[Json]]
) -> list[Json]:
    """Child entry: the error of each variant; without one, why it was refused, or not finite."""
    held = Calibration.from_json(calibration)
    model = open_trusted(Path(path))
    judge = Outputs(model, held, Path(path).parent)
    found: list[Json] = []
    for edits in variants:
        variant = perform(model, [edit_from_json(edit) for edit in edits], held.samples.store)
        try:
            error = judge.error(variant)
        except MeasurementError as refusal:
            found.append({"error": None, "refusal": str(refusal)})
        else:
            finite = bool(np.isfinite(error))
            found.append({"error": error if finite else None, "refusal": ""})
        report(len(found))
    return found
