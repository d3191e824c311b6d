"""Reading a model file that a stranger may have made.

The file's bytes are walked in plain Python first (sizes, nesting, external data: `wire`,
`confine`). Then a child process with limits lets onnx check it and makes it canonical
(`canonical`); the result lies in the store under the hash of the file, so a second reading opens it
at once.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from lissom.errors import ChildFailed, ModelError, StoreError
from lissom.graph.canonical import VERSION
from lissom.graph.confine import confined_files
from lissom.graph.fingerprint import remember_hashes
from lissom.graph.model import Model
from lissom.graph.wire import Caps, read_layout
from lissom.isolate.child import ChildLimits, call
from lissom.store.hashing import sha256_file
from lissom.store.refs import FileRef
from lissom.store.store import Store

__all__ = ["Canonical", "Caps", "FileFacts", "file_facts", "load", "open_trusted"]

Canonical = Literal["full", "keep-opset", "none"]
"""How much is made canonical: all; all but the opset; only what every model needs."""

_WEAKER: Final[dict[str, Canonical | None]] = {
    "full": "keep-opset",
    "keep-opset": "none",
    "none": None,
}
_DEFAULT_CAPS: Final = Caps()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a model file says of itself, and its hash.

    Attributes:
        sha256: Of the model file's bytes.
        size_bytes: The file and its external data.
        producer: The program that wrote it, with its version.
        opset: The version of the standard operators.
        nodes: Nodes, those of bodies and local functions included.
        already_quantized: Whether it holds operators of a quantized model.
        external: Location and sha256 of each file of external data.
    """

    sha256: str
    size_bytes: int
    producer: str
    opset: int
    nodes: int
    already_quantized: bool
    external: tuple[tuple[str, str], ...]


def file_facts(path: Path, *, caps: Caps = _DEFAULT_CAPS) -> FileFacts:
    """Read what a model file says of itself, without parsing its graph.

    Raises:
        ModelError: It is no ONNX model, is damaged, exceeds the caps, or its external data is
            missing or not confined to its folder.
    """
    path = Path(path)
    if _not_text(path.absolute()):
        raise ModelError(f"the name of {path}, or of a folder on the way, is not UTF-8; rename it")
    try:
        before = _stamp(path)
        layout = read_layout(path, caps)
        size_bytes = path.stat().st_size
        try:
            room_bytes = caps.total_bytes - size_bytes
            files = confined_files(path.parent, layout.external, room_bytes=room_bytes)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        facts = FileFacts(
            sha256=sha256_file(path),
            size_bytes=size_bytes + sum(file.stat().st_size for file in files.values()),
            producer=layout.producer,
            opset=layout.opset,
            nodes=layout.nodes,
            already_quantized=layout.quantized,
            external=tuple((location, sha256_file(file)) for location, file in files.items()),
        )
        changed = _stamp(path) != before
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    if changed:
        raise ModelError(f"{path} changed while it was read; try again when it is complete")
    return facts


def load(
    path: Path,
    store: Store,
    *,
    canonical: Canonical = "full",
    caps: Caps = _DEFAULT_CAPS,
) -> Model:
    """Read, check and canonicalize a model; from the store if this file was read before.

    Args:
        path: The `.onnx` file; its external data lies beside it.
        store: Where the canonical model is kept; the answer's weights are read from there.
        canonical: `full`; `keep-opset`, the same but for the opset; `none`, only what the types of
            this package need (weights are no inputs, nodes have names, metadata stripped).
        caps: What the file may ask for.

    Raises:
        ModelError: The file cannot be read, is not a valid ONNX model, or asks for too much.
        StoreError: The store cannot be used.
    """
    path = Path(path)
    facts = file_facts(path, caps=caps)
    inputs = {
        "file": facts.sha256,
        "external": [list(pair) for pair in facts.external],
        "canonical": canonical,
        "version": VERSION,
    }
    try:
        record = store.remember(
            "graph.load", inputs, lambda: _canonicalize(path, store, canonical, facts, caps)
        )
    except _NotKept as lesser:
        record = lesser.record
    return _open_record(record, store, caps)


def _not_text(path: Path) -> bool:
    """Whether the runtimes, which take names as text, cannot open it."""
    return any("\ud800" <= character <= "\udfff" for character in str(path))


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001
    """Refuse a record of the store of which something does not hold."""
    if not holds:
        raise ModelError(otherwise)


def _open_record(record: Any, store: Store, caps: Caps) -> Model:
    """Open what a record names. The store, too, may come from a stranger: nothing is believed."""
    try:
        _require(
            all(
                isinstance(text, str)
                for text in (record["fingerprint"], *record["history"], *record["notes"])
            ),
            "its history is no text",
        )
        named = record["weights"]
        weights = None if named is None else store.file(FileRef.from_json(named))
        model = store.file(FileRef.from_json(record["model"]))
        layout = read_layout(model, caps)
        size_bytes = 0 if weights is None else weights.stat().st_size
        inside = all(piece.end <= size_bytes for piece in layout.external)
        _require(inside, f"{model} names weights that are not in the store")
        return open_trusted(model, weights=weights, record=record)
    except (ModelError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise StoreError(
            f"the store at {store.root} holds a model that Lissom did not write ({error}); "
            "remove that folder"
        ) from error


def open_trusted(
    path: Path, *, weights: Path | None = None, record: dict[str, Any] | None = None
) -> Model:
    """Open a model file that this program wrote itself; nothing is checked or changed.

    Args:
        path: The file.
        weights: The file that holds its external data, wherever that lies now; None if it has none
            or keeps it under its own name in the same folder.
        record: What is known from writing it: `history`, `notes`, `fingerprint`, `hashes`.
    """
    import onnx
    import onnx_ir

    ir = onnx_ir.from_proto(onnx.load(path, load_external_data=False))
    onnx_ir.external_data.set_base_dir(ir.graph, path.parent)
    if weights is not None:
        for value in ir.graph.initializers.values():
            value.const_value = _moved(value.const_value, weights)
        for graph in ir.graph.subgraphs():
            for value in graph.initializers.values():
                value.const_value = _moved(value.const_value, weights)
    known = record or {}
    remember_hashes(ir, known.get("hashes", {}))
    return Model.build(
        ir,
        history=tuple(known.get("history", ())),
        notes=tuple(known.get("notes", ())),
        known_fingerprint=known.get("fingerprint"),
    )


def _moved(tensor: Any, weights: Path) -> Any:
    import onnx_ir

    if not isinstance(tensor, onnx_ir.ExternalTensor):
        return tensor
    return onnx_ir.ExternalTensor(
        weights.name,
        tensor.offset,
        tensor.length,
        tensor.dtype,
        shape=tensor.shape,
        name=tensor.name,
        base_dir=weights.parent,
    )


def _canonicalize(
    path: Path, store: Store, canonical: Canonical, facts: FileFacts, caps: Caps
) -> dict[str, Any]:
    before = _stamps(path, facts)
    limits = ChildLimits(
        seconds=240 + facts.size_bytes / 10e6,
        memory_bytes=(512 << 20) + 8 * facts.size_bytes,
    )
    effort = 4 + 0.02 * facts.nodes + 0.3e-6 * facts.size_bytes
    lost: list[str] = []
    level: Canonical | None = canonical
    with store.scratch() as folder:
        while True:
            arguments = {
                "source": str(path.resolve()),
                "folder": str(folder),
                "level": level,
                "effort": effort,
            }
            try:
                record = call("lissom.graph.canonical:convert_file", arguments, limits=limits)
                break
            except ChildFailed as failure:
                # What took too much at one level takes it at the next as well.
                effort /= 2
                spent = failure.kind in {"memory", "timeout"} and level != "none"
                level = "none" if spent else _WEAKER[level or "none"]
                lost.append(f"canonicalization ended early ({failure.kind}): {failure}"[:400])
                if level is None:
                    raise ModelError(f"{path} cannot be read safely: {failure}") from failure
        model = store.put_file(folder / "model.onnx", ".onnx")
        weights = store.put_file(folder / "weights.bin", ".bin") if record["weights"] else None
    # Confined and unchanged still, and the very same files all the time in between.
    if file_facts(path, caps=caps) != facts or _stamps(path, facts) != before:
        raise ModelError(f"{path} changed while it was read; try again when it is complete")
    answer = {
        **record,
        "notes": [*lost, *record["notes"]],
        "model": model.to_json(),
        "weights": None if weights is None else weights.to_json(),
    }
    if lost:
        raise _NotKept(answer)
    return answer


class _NotKept(Exception):
    """Carries an answer that a busy machine may have spoilt past the store: it is not kept."""

    def __init__(self, record: dict[str, Any]) -> None:
        super().__init__("an answer that is used once")
        self.record = record


def _stamp(path: Path) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _stamps(path: Path, facts: FileFacts) -> tuple[tuple[int, ...], ...]:
    """Tells whether a file, or one of its external data, was exchanged while it was read."""
    try:
        found = [os.lstat(path.parent / location) for location, _ in facts.external]
        return _stamp(path), *((f.st_ctime_ns, f.st_mtime_ns, f.st_size, f.st_ino) for f in found)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
