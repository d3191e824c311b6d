"""The one way in which a method is applied: plan, perform, check.

Every method gets the same promises kept here, so that none repeats them: the input model is as it
was, the result has the same inputs and outputs, its new weights are finite, and the runtime that
shall run it can load it. What fails says which method it was.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lissom.errors import (
    BrokenPromise,
    ChildFailed,
    LissomError,
    MeasurementError,
    MethodError,
)
from lissom.graph.fingerprint import fingerprint
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import save
from lissom.isolate.child import ChildLimits, call
from lissom.methods.protocol import Context, Method, Plan
from lissom.methods.registry import id_of
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.store.hashing import Json

__all__ = ["Outcome", "apply"]

_LOADING = ChildLimits(seconds=300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a method made of a model.

    Attributes:
        model: the result; the same model when the plan has no edits.
        plan: what was decided.
    """

    model: Model
    plan: Plan


def apply(method: Method, model: Model, context: Context) -> Outcome:
    """Plan, perform and check.

    Args:
        method: what to apply.
        model: what to apply it to; it stays as it is.
        context: what the method may ask for; evidence that it did not declare is refused.

    Raises:
        MethodError: the method could decide nothing, the model does not allow an edit, or the
            runtime cannot load the result.
        BrokenPromise: the method or an edit did not keep its contract.
    """
    name = id_of(method)
    try:
        return _applied(method, name, model, context)
    except MethodError as error:
        raise type(error)(f"{name}: {error}") from error
    except LissomError:
        raise
    except Exception as error:
        raise BrokenPromise(f"{name}: {type(error).__name__}: {error}") from error


def _applied(method: Method, name: str, model: Model, context: Context) -> Outcome:
    plan = method.plan(model, context.restricted(name, method.needs))
    if plan.method != name:
        raise BrokenPromise(f"its plan says that it is of {plan.method}")
    result = perform(model, plan.edits, context.store)
    if fingerprint(model.ir) != model.fingerprint:
        raise BrokenPromise("it changed the model that it was given")
    if result is not model:
        _check_ports(model, result)
        _check_weights(model, result)
        _check_loads(result, context)
    return Outcome(model=result, plan=plan)


def _check_ports(before: Model, after: Model) -> None:
    for what, old, new in (
        ("inputs", before.inputs, after.inputs),
        ("outputs", before.outputs, after.outputs),
    ):
        if [(p.name, p.dtype) for p in old] != [(p.name, p.dtype) for p in new]:
            raise BrokenPromise(f"it changed the model's {what}")


def _check_weights(before: Model, after: Model) -> None:
    """Refuse a new weight with NaN or infinity; those that the original has are its own."""
    for weight, info in after.weights.items():
        if not info.dtype.startswith("float"):
            continue
        new = after.weight(weight)
        if np.all(np.isfinite(new.astype(np.float32))):
            continue
        same = before.weights.get(weight) == info
        if not same or not np.array_equal(before.weight(weight), new, equal_nan=True):
            raise BrokenPromise(f"its weight {weight!r} is not finite")


def _check_loads(model: Model, context: Context) -> None:
    inputs = {
        "model": model.fingerprint,
        "target": context.target.to_json(),
        "version": registry.load(context.target.runtime).version(),
    }

    def compute() -> Json:
        with context.store.scratch() as folder:
            path = (folder / "model.onnx").resolve()
            save(model, path, metadata={})
            arguments = {"path": str(path), "target": context.target.to_json()}
            return call("lissom.methods.runner:load_only", arguments, limits=_LOADING)

    try:
        context.store.remember("loads", inputs, compute)
    except (ChildFailed, MeasurementError) as error:
        if isinstance(error, ChildFailed) and error.by_chance:
            raise
        raise MethodError(f"{context.target.runtime} cannot load the result: {error}") from error


def load_only(*, path: str, target: dict[str, Any]) -> Json:
    """Child entry: load a model as its target would."""
    from pathlib import Path

    wanted = Target.from_json(target)
    with registry.load(wanted.runtime).open(Path(path), wanted, lean=True) as session:
        return {"outputs": [port.name for port in session.outputs]}
