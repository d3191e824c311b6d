"""Work on models in a child process, whose answer is remembered.

What takes long or crashes with the runtime is done by a function in a process of its own, which
gets the paths of models, calibration samples and settings as JSON, and answers JSON. The answer is
kept in the store under all that it depends on, so it is computed once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lissom.graph.model import Model
from lissom.graph.save import spill
from lissom.isolate.child import ChildLimits, call
from lissom.measure.calibration import Calibration
from lissom.store.hashing import Json
from lissom.store.store import Store

__all__ = ["Errand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A kind of work.

    Attributes:
        entry: the function, as "lissom.room.module:function".
        kind: of the remembered answers.
        format: of the answers; another number forgets those of before.
        seconds: after which it is given up.
    """

    entry: str
    kind: str
    format: int
    seconds: float = 3600.0

    def run(
        self,
        models: Mapping[str, Model],
        calibration: Calibration | None,
        store: Store,
        settings: Mapping[str, Json],
        *,
        beside: Callable[[], Mapping[str, Json]] = dict,
        told: Callable[[Any], None] | None = None,
    ) -> Json:
        """Have it done, unless the answer is known.

        Args:
            models: by the argument that is told the path of their file.
            calibration: samples; what the argument `calibration` is told.
            store: keeps the answer.
            settings: other arguments, which the answer depends on.
            beside: answers arguments that follow from the models and settings; only asked for if
                the work is done.
            told: called with what the function reports.

        Raises:
            ChildFailed: the process crashed or did not come to an end.
            LissomError: the function raised it.
        """
        known: dict[str, Json] = {
            "format": self.format,
            **{name: model.fingerprint for name, model in models.items()},
            "calibration": None if calibration is None else calibration.identity(),
            **settings,
        }

        def compute() -> Json:
            with store.scratch() as folder:
                paths = {name: (folder / f"{name}.onnx").resolve() for name in models}
                for name, path in paths.items():
                    spill(models[name], path)
                arguments = {
                    **{name: str(path) for name, path in paths.items()},
                    "calibration": None if calibration is None else calibration.to_json(),
                    **settings,
                    **beside(),
                }
                limits = ChildLimits(seconds=self.seconds)
                return call(self.entry, arguments, limits=limits, on_report=told)

        return store.remember(self.kind, known, compute)
