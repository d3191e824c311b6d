"""What a hostile case is: a kind, a name, how to write it, and who must survive reading it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

__all__ = ["Case", "as_bytes", "case_of", "model_case", "read_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One hostile input.

    Attributes:
        kind: what it tries.
        name: unique within its kind.
        write: makes it inside a folder, and answers the path that a user would give.
        read: reads it: the path, and a folder in which alone may be written.
        named: a refusal must name the file.
        refused: it must not be accepted; False where an answer is as good as a refusal.
        fast: it is part of the ordinary tests.
    """

    kind: str
    name: str
    write: Callable[[Path], Path]
    read: Callable[[Path, Path], object]
    named: bool = True
    refused: bool = False
    fast: bool = True

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def read_model(path: Path, aside: Path) -> object:
    """Load a model as the library does, and look at what it answers."""
    from lissom.graph.load import load
    from lissom.store.store import Store

    model = load(path, Store(aside / "store"))
    return model.nodes, model.op_counts, model.parameters, model.weight_bytes, repr(model)


def as_bytes(content: bytes | onnx.ModelProto) -> bytes:
    return content if isinstance(content, bytes) else content.SerializeToString()


def case_of(kind: str, name: str, content: Callable[[], bytes | onnx.ModelProto], **more) -> Case:
    """A model file with this content; `more` are fields of `Case`."""

    def write(folder: Path) -> Path:
        path = folder / "hostile.onnx"
        path.write_bytes(as_bytes(content()))
        return path

    return Case(kind=kind, name=name, write=write, read=more.pop("read", read_model), **more)


def model_case(kind: str, name: str, content: bytes | onnx.ModelProto, **more) -> Case:
    """As `case_of`, with content that is cheap to make at once."""
    return case_of(kind, name, lambda: content, **more)
