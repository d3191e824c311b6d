"""Writing a model: the same bytes for the same model, all or nothing, free of build paths."""

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lissom.errors import OutputError
from lissom.graph.model import Model
from lissom.store.disk import write_refusal

if TYPE_CHECKING:
    import onnx
    import onnx_ir

__all__ = ["METADATA_PREFIX", "save", "spill", "to_bytes"]

METADATA_PREFIX: Final = "lissom."
"""Begins every key that this program writes into a model's metadata."""

_EXTERNAL_ABOVE_BYTES: Final = 1_800_000_000
_SMALL_BYTES: Final = 1024


def to_bytes(model: Model) -> bytes:
    """The model as one ONNX file, deterministic, with the author's metadata only.

    Raises:
        OutputError: It is too large for one file (1.8 GB).
    """
    if model.weight_bytes > _EXTERNAL_ABOVE_BYTES:
        raise OutputError(
            f"a model of {model.weight_bytes} bytes does not fit into one ONNX file; "
            "save it to a path, with its weights beside it"
        )
    data: bytes = _to_proto(model, {}, None).SerializeToString(deterministic=True)
    return data


def save(model: Model, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Write a model: aside, flushed, then renamed; an existing file is replaced.

    Doc strings and metadata of nodes and values are left out. Weights go into `<name>.data` beside
    the file only when the model has more than 1.8 GB.

    Args:
        model: The model.
        path: The file; its folder must exist.
        metadata: How it was made (recipe, hashes, versions); keys get the prefix `lissom.` unless
            they have it. Replaces what an earlier run wrote there.

    Raises:
        OutputError: The folder cannot be written.
    """
    large = model.weight_bytes > _EXTERNAL_ABOVE_BYTES
    data_name = f"{path.name}.data" if large else None
    proto = _to_proto(model, metadata, data_name)
    if data_name is not None:
        _write_aside(path.with_name(data_name), _external_chunks(model, proto, data_name))
    _write_aside(path, [proto.SerializeToString(deterministic=True)])


def spill(model: Model, path: Path) -> None:
    """Write a model for now, for a session or a child that works in the same scratch folder.

    Quick, and in little memory: weights lie in `<name>.data` beside the file, whatever their size;
    those that were read from a file of this folder stay where they are. Nothing is flushed.

    Args:
        model: The model.
        path: The file; nothing that is still open may have been read from it.

    Raises:
        OutputError: The folder cannot be written.
    """
    data_name = f"{path.name}.data"
    proto = _to_proto(model, {}, data_name, stay_in=path.parent)
    _write_aside(
        path.with_name(data_name), _external_chunks(model, proto, data_name), lasting=False
    )
    _write_aside(path, [proto.SerializeToString(deterministic=True)], lasting=False)


def _to_proto(
    model: Model,
    metadata: Mapping[str, str],
    data_name: str | None,
    *,
    stay_in: Path | None = None,
) -> "onnx.ModelProto":
    import onnx_ir

    ir = model.copy_ir()
    own = {key: value for key, value in ir.metadata_props.items() if not _is_ours(key)}
    ours = {key if _is_ours(key) else METADATA_PREFIX + key: text for key, text in metadata.items()}
    ir.metadata_props.clear()
    ir.metadata_props.update(dict(sorted({**own, **ours}.items())))
    ir.producer_name, ir.producer_version, ir.doc_string = "lissom", "", None
    offset = 0
    for graph in (ir.graph, *ir.graph.subgraphs()):
        _strip(graph)
        for name, value in graph.initializers.items():
            tensor = value.const_value
            if tensor is None:
                continue
            if data_name is None or graph is not ir.graph or tensor.nbytes <= _SMALL_BYTES:
                value.const_value = _plain(tensor, name)
                continue
            place = _place_in(stay_in, tensor)
            if place is None:
                place, offset = (data_name, offset), offset + tensor.nbytes
            value.const_value = onnx_ir.ExternalTensor(
                *place,
                tensor.nbytes,
                tensor.dtype,
                shape=onnx_ir.Shape(tensor.shape.numpy()),
                name=name,
            )
    return onnx_ir.to_proto(ir)


def _place_in(folder: Path | None, tensor: "onnx_ir.TensorProtocol") -> tuple[str, int] | None:
    """The file and offset of a tensor that was read from a file of this folder."""
    import onnx_ir

    if folder is None or not isinstance(tensor, onnx_ir.ExternalTensor):
        return None
    if Path(tensor.path).parent != folder:
        return None
    return str(tensor.location), tensor.offset or 0


def _strip(graph: "onnx_ir.Graph") -> None:
    """Leave of a graph what runs: no texts, no notes, no inferred shapes (runtimes infer them)."""
    graph.doc_string = None
    graph.metadata_props.clear()
    for node in graph:
        node.doc_string = None
        node.metadata_props.clear()
        for output in node.outputs:
            output.doc_string = None
            output.metadata_props.clear()
            if not output.is_graph_output():
                output.type, output.shape = None, None
    for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
        value.doc_string = None
        value.metadata_props.clear()


def _plain(tensor: "onnx_ir.TensorProtocol", name: str) -> "onnx_ir.TensorProtocol":
    """The same numbers held in the plainest way, under the name that the graph gives them."""
    import onnx_ir

    if tensor.dtype.name == "STRING":
        texts = [bytes(text) for text in tensor.numpy().ravel().tolist()]
        return onnx_ir.StringTensor(texts, shape=onnx_ir.Shape(tensor.shape.numpy()), name=name)
    return onnx_ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=name)


def _external_chunks(model: Model, proto: "onnx.ModelProto", name: str) -> Iterator[bytes]:
    """The bytes of the weights that lie in a new file, in the order in which they were laid out."""
    for initializer in proto.graph.initializer:
        if any((one.key, one.value) == ("location", name) for one in initializer.external_data):
            tensor = model.ir.graph.initializers[initializer.name].const_value
            if tensor is not None:
                yield tensor.tobytes()


def _is_ours(key: str) -> bool:
    return key.startswith(METADATA_PREFIX)


def _write_aside(path: Path, chunks: Iterable[bytes], *, lasting: bool = True) -> None:
    """Write beside the final place, flush to the disk, rename; leave nothing behind on failure.

    What need not last is not flushed.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            with aside.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {write_refusal(error)}") from error
