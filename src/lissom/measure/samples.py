"""Samples: the inputs of a model, labels if any, split once into three disjoint parts.

Whatever they come from, they are copied into the store first and read back from there, one by one:
memory stays bounded however many there are, and a child process reads the very same files.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.measure.fitting import Array, label_key, pick
from lissom.measure.images import Preprocessing, decoded_once
from lissom.measure.labels import known, plain
from lissom.measure.readers import Source, feeds_of, read_npy
from lissom.measure.split import PartName, assign
from lissom.measure.spool import MAX_BYTES, Column, ColumnReader, ColumnWriter
from lissom.store.hashing import Json, sha256_arrays, sha256_json
from lissom.store.store import Store

__all__ = ["Feed", "Part", "PartName", "Samples"]

_HASH_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the samples, by number.

    Attributes:
        name: which of the three it is.
        indices: numbers of the samples, in a random order that is always the same.
        fingerprint: hash of the inputs in it (labels left out).
    """

    name: PartName
    indices: tuple[int, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.indices)

    def to_json(self) -> dict[str, Json]:
        """Write as JSON for a child process."""
        return {
            "name": self.name,
            "indices": list(self.indices),
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Part":
        """Read what `to_json` wrote."""
        return cls(
            name=value["name"],
            indices=tuple(value["indices"]),
            fingerprint=value["fingerprint"],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feed:
    """What one run of a model takes.

    Attributes:
        indices: the samples in it. Where a model wants a fixed batch, the last run is filled up
            with copies: only the first `len(indices)` samples count then.
        inputs: an array for each input.
        labels: [samples, ...], None without labels.
        batch: how many samples were joined along the first axis, copies included.
    """

    indices: tuple[int, ...]
    inputs: dict[str, Array]
    labels: Array | None
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """A handle on samples in a store. Equal fingerprints mean equal samples.

    Attributes:
        store: where they are.
        ports: the model's inputs, to which they fit.
        count: how many.
        fingerprint: hash of every input and label.
        columns: one for each input.
        label_column: the labels, None without.
        hashes: sha256 of the stored array of each sample's hash.
        group: the batch that the model's inputs are fixed to; 1 if they are not.
        preprocessing: how images became inputs, as JSON; None for arrays.
    """

    store: Store
    ports: tuple[Port, ...]
    count: int
    fingerprint: str
    columns: tuple[Column, ...]
    label_column: Column | None
    hashes: str
    group: int
    preprocessing: Json | None = None

    @classmethod
    def open(
        cls,
        source: Source,
        ports: Sequence[Port],
        store: Store,
        *,
        labels: Path | str | Array | Sequence[object] | None = None,
        preprocessing: Preprocessing | Mapping[str, Json] | None = None,
    ) -> "Samples":
        """Copy samples into the store and describe them.

        Args:
            source: an `.npz` whose keys are input names (first axis: samples), an `.npy` for a
                model with one input, a folder of `.npz` files (one feed each), a folder of images;
                a mapping from input names to such arrays; an iterable of feeds; an object with
                `get_next()`. An array of one rank more than the input holds whole inputs.
            ports: the model's inputs.
            store: where to keep them.
            labels: an `.npy`, an array or a list, one entry a sample; else a key `label` of the
                source. Those that are not known are -1, NaN or empty text (None in a list).
            preprocessing: for a folder of images.

        Raises:
            SamplesError: they cannot be read, or do not fit the model.
        """
        if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
            preprocessing = Preprocessing.from_json(preprocessing)
        how = preprocessing.to_json() if preprocessing else None
        with ExitStack() as stack:
            folder = stack.enter_context(store.scratch())
            told = _labels(labels, folder)

            def spooled() -> Samples:
                spooler = _Spooler(tuple(ports), told, folder)
                stack.callback(spooler.close)
                for where, arrays in feeds_of(source, ports, folder, preprocessing):
                    spooler.append(where, arrays)
                return spooler.finish(store, how)

            if how is None or not isinstance(source, str | Path) or not Path(source).is_dir():
                return spooled()
            given = {
                "preprocessing": how,
                "ports": [[p.name, p.dtype, list(p.shape), p.ranked] for p in ports],
                "labels": None if told is None else sha256_arrays({"labels": told}),
            }
            made = decoded_once(Path(source), store, given, lambda: spooled().to_json())
            return replace(cls.from_json({**made, "store": str(store.root)}), store=store)

    @property
    def labels(self) -> bool:
        """True if labels came with them; some may be unknown (see `labels.known`)."""
        return self.label_column is not None

    def part(self, name: PartName) -> Part:
        """One of the three disjoint parts; see `split.assign` for how samples get there."""
        keys = self.keys()
        indices = assign(keys)[name]
        digest = hashlib.sha256(b"".join(sorted(keys[i] for i in indices)))
        return Part(name=name, indices=indices, fingerprint=digest.hexdigest())

    def whole(self) -> Part:
        """All samples as one part, for comparing two given models; never for certifying."""
        return self.picked(range(self.count), "selection")

    def picked(self, indices: Iterable[int], name: PartName) -> Part:
        """These samples as a part, in the order of their hashes.

        Args:
            indices: numbers of samples.
            name: what the part is used as.
        """
        keys = self.keys()
        order = tuple(sorted(indices, key=keys.__getitem__))
        digest = hashlib.sha256(b"".join(keys[i] for i in order))
        return Part(name=name, indices=order, fingerprint=digest.hexdigest())

    def feeds(
        self, part: Part, batch: int | None = None, limit: int | None = None
    ) -> Iterator[Feed]:
        """Read a part feed by feed.

        Samples whose inputs all have a first axis of 1, and equal shapes, are joined `batch` at a
        time; others come one by one.

        Args:
            part: which samples.
            batch: how many to join; the model's fixed batch if it has one, else 1.
            limit: at most so many samples, the first of the part.
        """
        readers = [ColumnReader(column, self.store) for column in self.columns]
        label_reader = ColumnReader(self.label_column, self.store) if self.label_column else None
        size = self.group if self.group > 1 else (batch or 1)
        waiting: dict[tuple[object, ...], list[int]] = defaultdict(list)

        def feed(indices: Sequence[int]) -> Feed:
            filled = list(indices)
            if self.group > 1 and len(filled) < size and self._joins(readers, filled[0], size):
                filled += [filled[k % len(indices)] for k in range(size - len(indices))]
            values = [[reader.read(i) for i in filled] for reader in readers]
            inputs = {
                column.name: rows[0] if len(rows) == 1 else np.concatenate(rows)
                for column, rows in zip(self.columns, values, strict=True)
            }
            labels = np.stack([label_reader.read(i) for i in indices]) if label_reader else None
            return Feed(indices=tuple(indices), inputs=inputs, labels=labels, batch=len(filled))

        for i in part.indices[:limit]:
            if size == 1 or not self._joins(readers, i, size):
                yield feed([i])
                continue
            shapes = [reader.shape(i) for reader in readers]
            key = (*shapes, label_reader.shape(i) if label_reader else None)
            waiting[key].append(i)
            if len(waiting[key]) == size:
                yield feed(waiting.pop(key))
        for indices in waiting.values():
            yield feed(indices)

    def sizes(self) -> list[int]:
        """How many elements the inputs of each sample have together."""
        total = np.zeros(self.count, np.int64)
        for column in self.columns:
            shapes = ColumnReader(column, self.store).shapes
            total += shapes.prod(axis=1, dtype=np.int64)
        return [int(size) for size in total]

    def _joins(self, readers: Sequence[ColumnReader], index: int, size: int) -> bool:
        """True if this sample's inputs can be joined with others along the first axis."""
        for port, reader in zip(self.ports, readers, strict=True):
            shape = reader.shape(index)
            wanted = port.shape[0] if port.shape else None
            if not shape or shape[0] != 1 or (isinstance(wanted, int) and wanted != size):
                return False
        return True

    def keys(self) -> list[bytes]:
        """The hash of what each sample holds, its label left out."""
        return [row.tobytes() for row in self.store.arrays(self.hashes)["hashes"]]

    def to_json(self) -> dict[str, Json]:
        """Write as JSON for a child process: names of stored files, no arrays."""
        return {
            "store": str(self.store.root.absolute()),
            "ports": [[p.name, p.dtype, list(p.shape), p.ranked] for p in self.ports],
            "count": self.count,
            "fingerprint": self.fingerprint,
            "columns": [column.to_json() for column in self.columns],
            "labels": self.label_column.to_json() if self.label_column else None,
            "hashes": {"object": self.hashes},
            "group": self.group,
            "preprocessing": self.preprocessing,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Samples":
        """Read what `to_json` wrote; the store must still be there."""
        ports = [
            Port(name=name, dtype=dtype, shape=tuple(shape), ranked=ranked)
            for name, dtype, shape, ranked in value["ports"]
        ]
        return cls(
            store=Store(Path(value["store"])),
            ports=tuple(ports),
            count=value["count"],
            fingerprint=value["fingerprint"],
            columns=tuple(Column.from_json(column) for column in value["columns"]),
            label_column=Column.from_json(value["labels"]) if value["labels"] else None,
            hashes=value["hashes"]["object"],
            group=value["group"],
            preprocessing=value["preprocessing"],
        )


def _labels(labels: Path | str | Array | Sequence[object] | None, scratch: Path) -> Array | None:
    if labels is None:
        return None
    if isinstance(labels, str | Path):
        path = Path(labels)
        if path.suffix.lower() != ".npy" or not path.is_file():
            raise SamplesError(f"labels: {path} is not an .npy file; save them with numpy.save")
        array, where = read_npy(path, scratch), f"labels: {path}"
    else:
        array, where = np.asarray(labels), "labels"
    return plain(array, where)


class _Spooler:
    """Writes samples into columns, hashing each."""

    def __init__(self, ports: tuple[Port, ...], labels: Array | None, folder: Path) -> None:
        self._ports = ports
        self._labels = labels
        self._writers = [
            ColumnWriter(port.name, folder / f"column{i}.bin") for i, port in enumerate(ports)
        ]
        self._label_writer = ColumnWriter("label", folder / "labels.bin")
        self._hashes: list[bytes] = []
        self._label_digest = hashlib.sha256()
        self._labelled = 0
        self._known = 0
        self._bytes = 0
        self._group = 1

    def append(self, where: str, arrays: Mapping[str, Array]) -> None:
        inputs = pick(arrays, self._ports, where)
        self._check_group(inputs, where)
        digest = hashlib.sha256()
        for writer, (name, value) in zip(self._writers, inputs.items(), strict=True):
            digest.update(repr((name, value.dtype.kind, value.shape)).encode())
            data = writer.append(value, where)
            digest.update(data)
            self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise SamplesError(f"{where}: more than {MAX_BYTES} bytes of samples; give fewer")
        self._hashes.append(digest.digest()[:_HASH_BYTES])
        self._append_label(where, arrays)

    def _append_label(self, where: str, arrays: Mapping[str, Array]) -> None:
        index = len(self._hashes) - 1
        key = label_key(arrays, self._ports)
        if self._labels is not None:
            if index >= len(self._labels):
                raise SamplesError(f"{len(self._labels)} labels for more samples: {where} has none")
            label = np.asarray(self._labels[index])
        elif key is not None:
            label = np.asarray(arrays[key])
        else:
            return
        if label.dtype.kind not in "biufU":
            raise SamplesError(f"{where}: labels are {label.dtype}, give numbers or strings")
        self._labelled += 1
        self._known += known(label)
        self._label_digest.update(repr((label.dtype.kind, label.shape)).encode())
        self._label_digest.update(self._label_writer.append(label, where))

    def _check_group(self, inputs: Mapping[str, Array], where: str) -> None:
        """A fixed batch B: samples with a first axis of 1 are joined B at a time, all inputs."""
        for port in self._ports:
            wanted = port.shape[0] if port.shape else None
            if isinstance(wanted, int) and wanted > 1 and inputs[port.name].shape[0] == 1:
                self._group = wanted
        if self._group == 1:
            return
        for port in self._ports:
            shape = inputs[port.name].shape
            wanted = port.shape[0] if port.shape else None
            fits = wanted == self._group or not isinstance(wanted, int)
            if not (fits and shape and shape[0] == 1):
                raise SamplesError(
                    f"{where}: the model's batch is fixed to {self._group}, and input "
                    f"{port.name!r} of shape {list(shape)} cannot be joined along its first axis; "
                    "give whole inputs (one axis more, in front)"
                )

    def close(self) -> None:
        for writer in (*self._writers, self._label_writer):
            writer.close()

    def finish(self, store: Store, preprocessing: Json | None) -> Samples:
        count = len(self._hashes)
        if count == 0:
            raise SamplesError("no samples were given")
        if self._labelled not in (0, count) or (
            self._labels is not None and len(self._labels) != count
        ):
            given = self._labelled if self._labels is None else len(self._labels)
            raise SamplesError(f"{given} labels for {count} samples; give one each, or none")
        hashes = np.frombuffer(b"".join(self._hashes), np.uint8).reshape(count, _HASH_BYTES)
        columns = tuple(writer.finish(store) for writer in self._writers)
        digest = hashlib.sha256(hashes.tobytes() + self._label_digest.digest())
        ports = [[p.name, p.dtype, list(p.shape)] for p in self._ports]
        return Samples(
            store=store,
            ports=self._ports,
            count=count,
            fingerprint=sha256_json([digest.hexdigest(), ports]),
            columns=columns,
            label_column=self._label_writer.finish(store) if self._known else None,
            hashes=store.put_arrays({"hashes": hashes}),
            group=self._group,
            preprocessing=preprocessing,
        )
