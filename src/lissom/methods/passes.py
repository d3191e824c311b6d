"""Passes of samples through a network, each of which may begin where the last one ended.

What an operator deep in a network reads is known only once all before it has run. Looked at one
after another, each from the start, operators take a time that grows with the square of their
number, and a network larger than memory is read from disk as often. So a pass leaves on disk, for
every sample, what later passes need of it: then each part of the network runs once.
"""

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from lissom.graph.extract import extract
from lissom.graph.model import Model
from lissom.graph.save import spill
from lissom.measure.calibration import Calibration, opened
from lissom.methods.reading import Array

__all__ = ["Passes", "Spool", "runs"]

KEPT_BYTES = 4 << 30
"""What may be left on disk between passes; where it would be more, a pass begins earlier."""
_FREE = 2
"""At most one part in so many of what is free on the disk is taken."""


class Spool:
    """Arrays on disk by name and run, written in order and read back one by one."""

    def __init__(self, folder: Path, name: str = "rows") -> None:
        """Prepare.

        Args:
            folder: where files are written.
            name: with which they begin: of several spools in a folder, each needs its own.
        """
        self._folder, self._name, self._numbers = folder, name, count()
        self._paths: dict[str, Path] = {}
        self._places: dict[str, list[tuple[int, tuple[int, ...], np.dtype[Any]]]] = {}

    def append(self, name: str, values: Array) -> None:
        """Add what one more run gave."""
        if name not in self._paths:
            self._paths[name] = self._folder / f"{self._name}-{next(self._numbers)}"
            self._places[name] = []
        with self._paths[name].open("ab") as stream:
            self._places[name].append((stream.tell(), values.shape, values.dtype))
            stream.write(np.ascontiguousarray(values).tobytes())

    def read(self, name: str, number: int) -> Array:
        """What a run gave."""
        start, shape, dtype = self._places[name][number]
        size = int(np.prod(shape))
        found = np.fromfile(self._paths[name], dtype, count=size, offset=start)
        return found.reshape(shape)

    def find(self, name: str, number: int) -> Array | None:
        """What a run gave; None if nothing was added under that name."""
        return self.read(name, number) if name in self._paths else None

    def drop(self, name: str) -> None:
        """Free the disk of what is not read any more, if there is any."""
        if name in self._paths:
            self._paths.pop(name).unlink()
            del self._places[name]


class Passes:
    """Runs every calibration sample through a network, again and again, a part at a time."""

    def __init__(self, calibration: Calibration, folder: Path, name: str = "part") -> None:
        """Prepare.

        Args:
            calibration: the samples.
            folder: a scratch folder, as for `spill`.
            name: of files there: of several series of passes in a folder, each needs its own.
        """
        self._calibration = calibration
        self._path = folder / f"{name}.onnx"
        self._spool = Spool(folder, name)
        self._kept: dict[str, np.dtype[Any]] = {}

    def runs(
        self,
        model: Model,
        values: Iterable[str],
        later: Collection[str] = (),
        changing: Collection[str] = (),
    ) -> Iterator[tuple[int, dict[str, Array]]]:
        """Every run's number, and some values of it; only if all are taken, later ones gain.

        Args:
            model: what runs; from one pass to the next only operators may differ that were
                announced as changing.
            values: of its main graph; computed ones and inputs.
            later: values of later passes; one that is not named takes longer then.
            changing: operators that may differ in later passes.
        """
        wanted = list(dict.fromkeys(values))
        if not wanted:
            return
        ahead = _ahead(model, wanted, later, changing, self._kept)
        fresh, types = sorted(ahead.difference(self._kept)), dict[str, np.dtype[Any]]()
        inner = [n for n in dict.fromkeys((*wanted, *fresh)) if n in model.producers]
        inner = [name for name in inner if name not in self._kept]
        past = set(self._kept).intersection(wanted)
        if inner:
            part = extract(model, inner, self._kept)
            spill(part, self._path)
            past.update(port.name for port in part.inputs if port.name in self._kept)
        for name in fresh:
            self._spool.drop(name)  # what a pass that was not finished left
        with opened(self._path, self._calibration) if inner else nullcontext() as session:
            for number, inputs in enumerate(self._calibration.feeds()):
                found = {**inputs, **{name: self._spool.read(name, number) for name in past}}
                if session is not None:
                    ports = [port.name for port in session.inputs if port.name in found]
                    found |= session.run({name: found[name] for name in ports}, inner)
                if number == 0 and self._fits(found, ahead):
                    types = {name: found[name].dtype for name in fresh}
                elif number == 0:
                    ahead = frozenset(self._kept)
                for name in types:
                    self._spool.append(name, found[name])
                yield number, {name: found[name] for name in wanted}
        for name in set(self._kept).difference(ahead):
            self._spool.drop(name)
            del self._kept[name]
        self._kept |= types

    def _fits(self, found: Mapping[str, Array], ahead: Collection[str]) -> bool:
        """Whether what is to be left of every run has room, going by the first."""
        size = 0
        for name in ahead:
            array = found[name] if name in found else self._spool.read(name, 0)
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
                return False  # a sequence, text
            size += array.nbytes * self._calibration.count
        free = shutil.disk_usage(self._path.parent).free
        return size <= min(KEPT_BYTES, free // _FREE)


def runs(
    model: Model, values: Iterable[str], calibration: Calibration, folder: Path
) -> Iterator[tuple[int, dict[str, Array]]]:
    """A single pass: every run's number, and some values of it. As `Passes.runs`."""
    yield from Passes(calibration, folder).runs(model, values)


def _ahead(
    model: Model,
    wanted: Collection[str],
    later: Collection[str],
    changing: Collection[str],
    kept: Collection[str],
) -> frozenset[str]:
    """The values that later passes can begin with, those included that are there already.

    They are what is read of the nodes that this pass runs, less those that may yet change. What
    depends on no input is no such value: it is the same in every run, and often a large weight.
    """
    if not later:
        return frozenset()
    moving = _behind(model, {port.name for port in model.inputs}, ())
    done = _running(model, wanted, kept) & moving - _behind(model, (), changing)
    needed, found = set(later), set[str]()
    for node in reversed(model.nodes):
        asked = needed.intersection(node.outputs)
        there = asked if node.name in done else asked.intersection(kept)
        found |= there
        if asked - there:
            needed.update(name for name in (*node.inputs, *node.captured) if name)
    return frozenset(found)


def _running(model: Model, wanted: Collection[str], kept: Collection[str]) -> set[str]:
    """The nodes that run for some values, beginning with others."""
    needed, found = set(wanted).difference(kept), set[str]()
    for node in reversed(model.nodes):
        if not needed.isdisjoint(node.outputs):
            found.add(node.name)
            needed.update(n for n in (*node.inputs, *node.captured) if n and n not in kept)
    return found


def _behind(model: Model, values: Collection[str], nodes: Collection[str]) -> set[str]:
    """These nodes, and all that read what they give or one of these values, however far behind."""
    reached, found = set(values), set[str]()
    for node in model.nodes:
        if node.name in nodes or not reached.isdisjoint((*node.inputs, *node.captured)):
            found.add(node.name)
            reached.update(name for name in node.outputs if name)
    return found
