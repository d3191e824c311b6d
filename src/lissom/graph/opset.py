"""Raising the version of the standard operators, with the converters of onnx and onnxscript.

Methods need opset 17 (per-channel quantization, LayerNormalization), some need 21 (4 bits, blocks).
Below 18 the converter of onnx does it (written in C++, so only in a child process), from 18 on that
of onnxscript (Python).
"""

import base64
from typing import TYPE_CHECKING, Final

from lissom.errors import ChildFailed, ModelError
from lissom.graph.constants import lift
from lissom.graph.model import Model
from lissom.isolate.child import ChildLimits, call

if TYPE_CHECKING:
    import onnx_ir

__all__ = ["CANONICAL_OPSET", "convert", "convert_text", "raise_opset"]

CANONICAL_OPSET: Final = 17
"""What `load` raises a model to when it has less."""

_PYTHON_FROM: Final = 18
_IR_VERSIONS: Final = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13}


def raise_opset(model: Model, opset: int) -> Model | None:
    """The same model with newer standard operators, or None where it cannot be converted.

    A model that has this version, or a higher one, is returned as it is. The conversion runs in a
    child process.

    Raises:
        ChildFailed: It ran out of time or memory, as it may not do again.
    """
    if model.opset >= opset:
        return model
    from lissom.graph.skeleton import Skeleton

    skeleton = Skeleton(model.ir)
    # Without its weights a model is small enough to travel in the request and in the answer.
    source = base64.b64encode(skeleton.proto.SerializeToString()).decode()
    limits = ChildLimits(seconds=300, memory_bytes=8 << 30)
    try:
        arguments = {"source": source, "opset": opset}
        result = call("lissom.graph.opset:convert_text", arguments, limits=limits)
    except ModelError:
        return None
    except ChildFailed as failure:
        if failure.by_chance:
            raise
        return None
    import onnx

    ir = skeleton.restore(onnx.load_model_from_string(base64.b64decode(result)))
    lift(ir)  # converters turn attributes into inputs from Constant nodes
    ir.metadata_props.update(model.ir.metadata_props)
    step = f"opset raised from {model.opset} to {opset}"
    return Model.build(ir, history=(*model.history, step), notes=model.notes)


def convert_text(source: str, opset: int) -> str:
    """Convert a skeleton, as base64 of its bytes, and answer it so; runs in a child process.

    Raises:
        ModelError: No converter can do it.
    """
    import onnx
    import onnx_ir

    proto = onnx.load_model_from_string(base64.b64decode(source))
    converted = convert(onnx_ir.from_proto(proto), opset)
    return base64.b64encode(onnx_ir.to_proto(converted).SerializeToString()).decode()


def convert(ir: "onnx_ir.Model", opset: int) -> "onnx_ir.Model":
    """The graph with newer standard operators; the given one is left as it is or used up.

    Raises:
        ModelError: No converter can do it; the message says why.
    """
    from lissom.graph.skeleton import check

    try:
        if ir.opset_imports.get("", 0) < _PYTHON_FROM:
            ir = _convert_native(ir, min(opset, _PYTHON_FROM))
        if ir.opset_imports.get("", 0) < opset:
            ir = _convert_python(ir, opset)
        check(ir)
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0]
        raise ModelError(f"the opset cannot be raised to {opset}: {first_line}") from error
    return ir


def _convert_native(ir: "onnx_ir.Model", opset: int) -> "onnx_ir.Model":
    import onnx.version_converter

    from lissom.graph.skeleton import Skeleton

    ir.ir_version = max(ir.ir_version, _IR_VERSIONS[opset])
    skeleton = Skeleton(ir)
    converted = skeleton.restore(onnx.version_converter.convert_version(skeleton.proto, opset))
    converted.opset_imports.update(
        {domain: version for domain, version in ir.opset_imports.items() if domain}
    )
    converted.metadata_props.update(ir.metadata_props)
    return converted


def _convert_python(ir: "onnx_ir.Model", opset: int) -> "onnx_ir.Model":
    from onnxscript import version_converter

    version_converter.convert_version(ir, opset, fallback=False)
    ir.ir_version = max(ir.ir_version, _IR_VERSIONS[opset])
    return ir
