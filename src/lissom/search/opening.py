"""Open a user's model with its samples: read, make canonical, and check that nothing changed.

Canonicalization is only trusted after the canonical model gave the file's own outputs, on the
samples or on generated inputs. Where it does not, less of it is done, down to none, and the
result says so.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lissom.errors import ChildFailed, MeasurementError, OptionError
from lissom.graph.load import Canonical, file_facts, load
from lissom.graph.model import Model
from lissom.graph.save import save
from lissom.measure.generated import latency_feed
from lissom.measure.parity import parity
from lissom.measure.samples import Samples
from lissom.recipe import plain_yaml
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.search.job import Opened
from lissom.store.hashing import sha256_arrays, sha256_file
from lissom.store.small import read_small
from lissom.store.store import Store

__all__ = ["Data", "default_store", "open_model"]

LEVELS: Final[tuple[Canonical, ...]] = ("full", "keep-opset", "none")
CHECKS: Final = 8  # feeds on which outputs are compared, beside the one that is timed


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Samples, and what belongs to them.

    Attributes:
        source: an `.npz` whose keys are input names (first axis: samples), an `.npy` for a model
            with one input, a folder of `.npz` files or of images, a mapping from names to arrays,
            an iterable of feeds, or an object with `get_next()`.
        labels: an `.npy` file or an array, one entry a sample; None takes a key `label` of the
            source, if it has one.
        preprocessing: how images become inputs: a YAML file or a mapping; None for arrays.
    """

    source: Any
    labels: Any = None
    preprocessing: Path | Mapping[str, Any] | None = None

    @classmethod
    def of(cls, given: Any) -> "Data | None":
        """Take whatever a caller gave as samples."""
        return given if given is None or isinstance(given, cls) else cls(source=given)

    def open(self, model: Model, store: Store) -> Samples:
        """Read the samples for a model.

        Raises:
            SamplesError: they cannot be read, or do not fit the model.
            OptionError: the preprocessing cannot be read.
        """
        preprocessing = self.preprocessing
        if isinstance(preprocessing, str | os.PathLike):
            preprocessing = read_mapping(Path(preprocessing))
        return Samples.open(
            self.source, model.inputs, store, labels=self.labels, preprocessing=preprocessing
        )


def default_store() -> Path:
    """Where results are remembered when nothing is said: the user's cache folder.

    Raises:
        OptionError: the system does not say where that is.
    """
    try:
        home = Path.home()
    except RuntimeError as error:
        raise OptionError("there is no home folder; give --store") from error
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "lissom"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "lissom"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "lissom"


def open_model(path: Path, data: Data | None, *, store: Store, target: Target) -> Opened:
    """Read a model and its samples, and check the canonical model against the file.

    Args:
        path: the `.onnx` file.
        data: samples; None without.
        store: where everything is remembered.
        target: the runtime and how it will run the model.

    Raises:
        ModelError: the file cannot be read, is not valid, or asks for too much.
        MeasurementError: the runtime cannot run the file.
        SamplesError: the samples do not fit, or none were given and none could be invented.
        OptionError: the target does not exist.
    """
    target = registry.stated(target)
    registry.load(target.runtime).version()
    facts = file_facts(path)
    first = load(path, store, canonical="full")
    samples = None if data is None else data.open(first, store)
    feed = latency_feed(samples, path, first.inputs, target, store)
    checks = (feed, *some_feeds(samples, target))
    model, notes = faithful(path, first, checks, target, store)
    return Opened(
        path=path,
        facts=facts,
        model=model,
        samples=samples,
        feed=feed,
        checks=checks,
        notes=notes,
        store=store,
        target=target,
    )


def some_feeds(samples: Samples | None, target: Target) -> tuple[Mapping[str, Any], ...]:
    """A few feeds of the calibration part, to compare outputs on."""
    if samples is None:
        return ()
    part = samples.part("calibration")
    found = samples.feeds(part, batch=target.batch, limit=CHECKS * target.batch)
    return tuple(feed.inputs for feed in found)


def faithful(
    path: Path,
    first: Model,
    checks: tuple[Mapping[str, Any], ...],
    target: Target,
    store: Store,
) -> tuple[Model, tuple[str, ...]]:
    """The canonical model, as much of it as keeps the file's outputs, and notes on the rest.

    Raises:
        MeasurementError: the runtime cannot run the file itself.
        ChildFailed: the file crashed the runtime, or time or memory ran out.
    """
    notes: list[str] = []
    for level in LEVELS:
        model = first if level == "full" else load(path, store, canonical=level)
        try:
            found = compared(path, model, checks, target, store)
        except (MeasurementError, ChildFailed) as error:
            if level == LEVELS[-1] or (isinstance(error, ChildFailed) and error.by_chance):
                raise
            notes.append(f"Canonicalization ({level}) was undone: {' '.join(str(error).split())}")
            continue
        if found["held"]:
            return model, tuple(notes)
        largest = found["max_relative_error"]
        size = "not comparable" if largest is None else f"relative difference {largest:.2g}"
        where = f"output {found['worst_output']!r} changed ({size})"
        if level == LEVELS[-1]:
            notes.append(f"The model's answers differ from run to run: {where}.")
        else:
            notes.append(f"Canonicalization ({level}) was undone: {where}.")
    return model, tuple(notes)


def compared(
    path: Path,
    model: Model,
    checks: tuple[Mapping[str, Any], ...],
    target: Target,
    store: Store,
) -> dict[str, Any]:
    """The parity of a file and its canonical model, remembered; as `Parity.to_json` writes it."""
    inputs = {
        "file": sha256_file(path),
        "model": model.fingerprint,
        "feeds": [sha256_arrays(dict(feed)) for feed in checks],
        "target": target.to_json(),
        "version": registry.load(target.runtime).version(),
    }

    def compute() -> dict[str, Any]:
        with store.scratch() as folder:
            save(model, folder / "model.onnx", metadata={})
            return parity(path, folder / "model.onnx", checks, target, store).to_json()

    found: dict[str, Any] = store.remember("parity of loading", inputs, compute)
    return found


def read_mapping(path: Path) -> Mapping[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        OptionError: it cannot be read, or holds something else.
    """
    try:
        found = plain_yaml(read_small(path).decode())
    except (OSError, ValueError) as error:
        told = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise OptionError(f"{path} cannot be read: {' '.join(told.split())}") from error
    if not isinstance(found, dict):
        raise OptionError(f"{path} holds no settings; write lines such as 'width: 224'")
    return found
