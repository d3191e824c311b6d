"""From a stranger's file to a canonical model; runs in a child process (see `lissom.graph.load`).

Canonical means: opset 17 at least, no local functions, constants as weights and never inputs, what
depends on constants alone computed, no identities, per-channel scales and shifts (batch norm) and
the factors of a Gemm folded where exact, nothing unused, every node named; input and output names
and order as they were; no build metadata. A step that fails, or after which the checker objects, is
undone and noted: it never stops the loading.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lissom.errors import ModelError
from lissom.graph import affine, constants, opset, simplify
from lissom.graph.describe import is_quantized
from lissom.graph.fingerprint import fingerprint, known_hashes
from lissom.graph.naming import name_nodes, name_proto_nodes
from lissom.graph.opset import raise_opset
from lissom.graph.skeleton import check, in_memory
from lissom.isolate.child import limit_processor_time

if TYPE_CHECKING:
    import onnx
    import onnx_ir

__all__ = ["VERSION", "canonicalize", "convert_file", "raise_opset"]

VERSION: Final = 2
"""Changes with what canonicalization does; part of the key under which results are stored."""

_INLINE_BYTES = 1024
_LEAST_IR_VERSION = 8  # before 4, weights had to be inputs; every runtime of today reads 8

Step = Callable[["onnx_ir.Model"], "onnx_ir.Model | None"]


@dataclass(slots=True)
class _Run:
    """One run over the steps: the graph as it is, what was done, what failed."""

    ir: "onnx_ir.Model"
    check_each: bool
    history: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, name: str, step: Step) -> None:
        """Perform a step on a copy and keep the copy if it holds."""
        attempt = self.ir.clone()
        before = _size(attempt)
        try:
            attempt = step(attempt) or attempt
            if self.check_each:
                check(attempt)
        except Exception as error:  # noqa: BLE001 - a step is third-party code on a stranger's graph
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            self.notes.append(f"{name} was not done: {reason}"[:400])
            return
        after = _size(attempt)
        if after != before:
            self.history.append(f"{name}: {before} to {after} nodes")
        self.ir = attempt


def canonicalize(
    ir: "onnx_ir.Model", *, level: str
) -> "tuple[onnx_ir.Model, tuple[str, ...], tuple[str, ...]]":
    """Perform the steps of a level (`full`, `keep-opset`, `none`).

    Returns:
        The graph, what was done, and notes on what could not be.
    """
    run = _perform(ir, level, check_each=False)
    try:
        check(run.ir)
    except Exception:  # noqa: BLE001 - whatever the checker says: find the step that did it
        run = _perform(ir, level, check_each=True)
    name_nodes(run.ir)
    return run.ir, tuple(run.history), tuple(run.notes)


def convert_file(source: str, folder: str, level: str, effort: float = 1000.0) -> dict[str, Any]:
    """Read a model file, make it canonical, write it into a folder; runs in a child process.

    Writes `model.onnx`, and `weights.bin` if a weight is larger than a kilobyte.

    Args:
        source: the file.
        folder: where to write.
        level: see `canonicalize`.
        effort: how much processor time it may take, in units of the time that it took to start
            and to import the libraries: so a limit means the same on slow and on busy machines.

    Returns:
        JSON: `history`, `notes`, `fingerprint`, `hashes` of the weights, whether there are
        `weights`.

    Raises:
        ModelError: The file is no valid ONNX model.
    """
    import onnx
    import onnx_ir
    import onnxscript.optimizer  # noqa: F401 - imported before the clock starts

    limit_processor_time(effort * time.process_time())
    path = Path(source)
    _check_file(path)
    try:
        proto = onnx.load(path, load_external_data=False)
        notes = _strip(proto)
        ir = onnx_ir.from_proto(proto)
    except Exception as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error
    onnx_ir.external_data.set_base_dir(ir.graph, path.parent)
    _own_attributes(ir)
    if "ai.onnx" in ir.opset_imports:
        ir.opset_imports[""] = ir.opset_imports.pop("ai.onnx")
    if level != "none" and any(is_quantized(node.op_type) for node in ir.graph.all_nodes()):
        level = "none"
        notes.append("the model is quantized already, so its graph is kept as it is")
    ir, history, more_notes = canonicalize(ir, level=level)
    out = Path(folder) / "model.onnx"
    onnx_ir.save(ir, out, external_data="weights.bin", size_threshold_bytes=_INLINE_BYTES)
    return {
        "history": list(history),
        "notes": [*notes, *more_notes],
        "fingerprint": fingerprint(ir),
        "hashes": known_hashes(ir),
        "weights": (Path(folder) / "weights.bin").exists(),
    }


def _own_attributes(ir: "onnx_ir.Model") -> None:
    """Take tensors that attributes keep in other files into memory; weights stay where they are."""
    import onnx_ir

    for graph in (ir.graph, *ir.graph.subgraphs()):
        for node in graph:
            for name, attribute in node.attributes.items():
                if not attribute.is_ref() and attribute.type == onnx_ir.AttributeType.TENSOR:
                    tensor = in_memory(attribute.as_tensor())
                    if tensor is not attribute.value:
                        node.attributes[name] = onnx_ir.AttrTensor(name, tensor)


def _perform(ir: "onnx_ir.Model", level: str, *, check_each: bool) -> _Run:
    run = _Run(ir=ir, check_each=check_each)
    for name, step in _steps(ir, level):
        run.take(name, step)
    return run


def _steps(ir: "onnx_ir.Model", level: str) -> Iterator[tuple[str, Step]]:
    yield "weights taken out of the inputs", _constants_only
    if level == "none":
        yield "shape inference", partial(simplify.infer_shapes, data=False)
        return
    yield "local functions inlined", simplify.inline
    yield "constants made weights", constants.lift
    yield "unused parts removed", simplify.drop_unused
    if level == "full" and 0 < ir.opset_imports.get("", 0) < opset.CANONICAL_OPSET:
        yield (
            f"opset raised to {opset.CANONICAL_OPSET}",
            partial(opset.convert, opset=opset.CANONICAL_OPSET),
        )
    yield "shape inference", simplify.infer_shapes
    yield "constants computed", constants.fold
    yield "identities removed", simplify.drop_identities
    yield "constants made weights", constants.lift
    yield "unused parts removed", simplify.drop_unused
    yield "scales and shifts folded", affine.fuse_affine
    yield "factors folded", affine.fold_factors
    yield "equal weights merged", constants.merge_twins
    yield "shared vectors parted", constants.part_vectors
    yield "unused parts removed", simplify.drop_unused
    yield "shape inference", simplify.infer_shapes


def _constants_only(ir: "onnx_ir.Model") -> None:
    from onnx_ir.passes.common import RemoveInitializersFromInputsPass

    ir.ir_version = max(ir.ir_version, _LEAST_IR_VERSION)
    RemoveInitializersFromInputsPass()(ir)


def _size(ir: "onnx_ir.Model") -> int:
    return sum(1 for _ in ir.graph.all_nodes())


def _check_file(path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except Exception as error:
        what = str(error).strip()[:600]
        raise ModelError(f"{path.name} is not a valid ONNX model: {what}") from error


def _strip(proto: "onnx.ModelProto") -> list[str]:
    """Take out what says where and how the model was built, and shapes that may be wrong."""
    notes: list[str] = []
    proto.doc_string = ""
    if proto.graph.sparse_initializer:
        raise ModelError("sparse weights are not supported; store them as dense tensors")
    if proto.training_info:
        del proto.training_info[:]
        notes.append("training information was left out")
    _strip_graph(proto.graph)
    for function in proto.functions:
        function.doc_string = ""
        del function.metadata_props[:]
        del function.value_info[:]
        _strip_nodes(function.node)
    name_proto_nodes(proto.graph.node, set())
    return notes


def _strip_graph(graph: "onnx.GraphProto") -> None:
    graph.doc_string = ""
    for group in (graph.value_info, graph.metadata_props, graph.quantization_annotation):
        del group[:]
    for item in (*graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    _strip_nodes(graph.node)


def _strip_nodes(nodes: Any) -> None:
    for node in nodes:
        node.doc_string = ""
        del node.metadata_props[:]
        for attribute in node.attribute:
            attribute.doc_string = ""
            if attribute.HasField("g"):
                _strip_graph(attribute.g)
            for graph in attribute.graphs:
                _strip_graph(graph)
