"""What an ONNX file holds, read straight from its bytes before anything is allocated for it.

The file is walked field by field in plain Python (the protobuf wire format), weights are stepped
over. So a file that lies about its sizes, or nests without end, is refused before a parser written
in C sees it. Field numbers are those of `onnx.proto`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Final

from lissom.errors import ModelError
from lissom.graph.describe import is_quantized
from lissom.graph.growth import MAIN, called, expanded_nodes
from lissom.graph.window import Window
from lissom.store.small import open_regular

__all__ = ["Caps", "ExternalPiece", "Layout", "read_layout"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_BITS: Final = {
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((7, 11, 13, 14), 64),
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((25, 26), 2),
    **dict.fromkeys((27, 28), 6),
    15: 128,
}
"""Bits of an element, by the number of its type in `TensorProto.DataType`; strings have none."""

_STRING_TYPE = 8
_PROTOBUF_BYTES = (1 << 31) - 1
_WHOLE_BYTES = 64 << 20  # a file that is read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What a model file may ask for.

    Attributes:
        total_bytes: The file and its external data together.
        nodes: Nodes of the graph, its bodies and its functions.
        depth: Bodies inside bodies.
        rank: Axes of a constant tensor.
        fields: Entries of any kind, such as the numbers of a list that is not packed.
    """

    total_bytes: int = 64 << 30
    nodes: int = 500_000
    depth: int = 16
    rank: int = 32
    fields: int = 3_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalPiece:
    """One tensor that lies outside the model file, as the model file says.

    Attributes:
        tensor: Its name.
        location: The file, relative to the model's folder.
        offset: Where it begins, in bytes.
        length: Its stated length in bytes; None for the rest of the file.
        size_bytes: The bytes that its shape and type need.
    """

    tensor: str
    location: str
    offset: int
    length: int | None
    size_bytes: int

    @property
    def end(self) -> int:
        """Where it ends in its file, in bytes."""
        return self.offset + (self.size_bytes if self.length is None else self.length)


@dataclass(slots=True)
class Layout:
    """What was found in a file.

    Attributes:
        producer: Name and version of the program that wrote it.
        opset: The version of the standard operators; 0 if none is imported.
        nodes: How many nodes it has, bodies and functions included.
        functions: How many local functions.
        quantized: Whether an operator of a quantized model is among them.
        external: The tensors that lie in other files.
        has_graph: Whether there is a graph at all.
        ir_version: The version of the file format.
    """

    producer: str = ""
    opset: int = 0
    nodes: int = 0
    functions: int = 0
    quantized: bool = False
    external: list[ExternalPiece] = field(default_factory=list)
    has_graph: bool = False
    ir_version: int = 0


def read_layout(path: Path, caps: Caps) -> Layout:
    """Walk a model file.

    Raises:
        ModelError: It cannot be read, is no ONNX model, is damaged, or exceeds the caps.
    """
    try:
        size_bytes = path.stat().st_size
        if not path.is_file():
            raise ModelError(f"{path} is not a file; give the path of an .onnx file")
        if size_bytes == 0:
            raise ModelError(f"{path} is empty; it is not an ONNX model")
        if size_bytes > min(caps.total_bytes, _PROTOBUF_BYTES):
            raise ModelError(
                f"{path} has {size_bytes} bytes; an ONNX file may have "
                f"{min(caps.total_bytes, _PROTOBUF_BYTES)}, larger models keep their weights in "
                "external data"
            )
        with open_regular(path) as file:
            window = Window(file, size_bytes, str(path))
            data = window[:] if size_bytes <= _WHOLE_BYTES else window
            return _Walk(data, caps, str(path)).model()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error


class _Walk:
    """One walk over the bytes of one file; positions are offsets into it."""

    def __init__(self, data: bytes | Window, caps: Caps, where: str) -> None:
        self._data = data
        self._left = caps.fields
        self._caps = caps
        self._where = where
        self._layout = Layout()
        self._calls: Counter[str] = Counter()  # of the main graph, or of the function being walked

    def model(self) -> Layout:
        layout = self._layout
        version = ""
        calls: dict[str, Counter[str]] = {}
        for number, value, end in self._fields(0, len(self._data)):
            if number == 1:
                layout.ir_version = value
            elif number == 2:
                layout.producer = self._text(value, end)
            elif number == 3:
                version = self._text(value, end)
            elif number == 7:
                # A parser would merge two graphs into one; what is walked must be what is parsed.
                if layout.has_graph:
                    raise self._damaged(value)
                layout.has_graph = True
                self._calls = calls[MAIN] = Counter()
                self._graph(value, end, 0)
            elif number == 8:
                self._opset(value, end)
            elif number == 25:
                layout.functions += 1
                self._calls = Counter()
                calls.setdefault(self._function(value, end), Counter()).update(self._calls)
        if not layout.has_graph or not layout.ir_version:
            raise ModelError(f"{self._where} is not an ONNX model: it holds no graph")
        layout.producer = f"{layout.producer} {version}".strip()
        nodes = expanded_nodes(calls, self._where)
        if nodes > self._caps.nodes:
            raise ModelError(f"{self._where} grows to {nodes} nodes when its functions are inlined")
        return layout

    def _opset(self, start: int, end: int) -> None:
        domain, version = "", 0
        for number, value, stop in self._fields(start, end):
            if number == 1:
                domain = self._text(value, stop)
            elif number == 2:
                version = value
        if domain in {"", "ai.onnx"}:
            self._layout.opset = version

    def _graph(self, start: int, end: int, depth: int) -> None:
        if depth > self._caps.depth:
            raise ModelError(
                f"{self._where}: bodies are nested deeper than {self._caps.depth} levels"
            )
        for number, value, stop in self._fields(start, end):
            if number == 1:
                self._node(value, stop, depth)
            elif number == 5:
                self._tensor(value, stop)
            elif number == 15:
                self._sparse(value, stop)

    def _function(self, start: int, end: int) -> str:
        """Walk a function and answer the name by which nodes call it."""
        name = {1: "", 10: "", 13: ""}  # as `called` takes it
        for number, value, stop in self._fields(start, end):
            if number in name:
                name[number] = self._text(value, stop)
            elif number == 7:
                self._node(value, stop, 0)
            elif number == 11:
                self._attribute(value, stop, 0)
        return called(*name.values())

    def _node(self, start: int, end: int, depth: int) -> None:
        self._layout.nodes += 1
        if self._layout.nodes > self._caps.nodes:
            raise ModelError(f"{self._where} has more than {self._caps.nodes} nodes")
        name = {4: "", 7: "", 8: ""}  # as `called` takes it
        for number, value, stop in self._fields(start, end):
            if number in name:
                name[number] = self._text(value, stop)
            elif number == 5:
                self._attribute(value, stop, depth)
        self._calls[called(*name.values())] += 1
        if not self._layout.quantized and is_quantized(name[4]):
            self._layout.quantized = True

    def _attribute(self, start: int, end: int, depth: int) -> None:
        seen: set[int] = set()
        for number, value, stop in self._fields(start, end):
            if number in seen:
                raise self._damaged(value)  # merged by a parser: half of it would go unchecked
            if number in {5, 6, 22}:
                seen.add(number)
            if number in {5, 10}:
                self._tensor(value, stop)
            elif number in {6, 11}:
                self._graph(value, stop, depth + 1)
            elif number in {22, 23}:
                self._sparse(value, stop)

    def _sparse(self, start: int, end: int) -> None:
        dims: list[int] = []
        seen: set[int] = set()
        for number, value, stop in self._fields(start, end):
            if number in seen:
                raise self._damaged(value)
            if number in {1, 2}:
                seen.add(number)
                self._tensor(value, stop)
            elif number == 3:
                dims += [value] if stop < 0 else self._varints(value, stop)
        if prod(dims) > 1 << 28:
            raise ModelError(f"{self._where}: a sparse tensor of shape {dims} is too large")

    def _tensor(self, start: int, end: int) -> None:
        dims: list[int] = []
        kind, stored, numbers, name, is_external = 0, -1, 0, "", False
        entries: dict[str, str] = {}
        for number, value, stop in self._fields(start, end):
            if number == 1:
                dims += [value] if stop < 0 else self._varints(value, stop)
            elif number == 2:
                kind = self._number(value, stop)
            elif number == 8:
                name = self._text(value, stop)
            elif number == 9:
                stored = stop - value
            elif number == 13:
                self._entry(value, stop, entries)
            elif number == 14:
                is_external = self._number(value, stop) == 1
            elif number in {4, 5, 6, 7, 10, 11}:
                numbers += self._most_numbers(number, value, stop)
        self._check_shape(name, dims, kind)
        elements = prod(dims)
        needed = (elements * _BITS.get(kind, 0) + 7) // 8
        if is_external:
            self._external(name, entries, needed)
        elif stored >= 0 and stored != needed and kind != _STRING_TYPE:
            raise self._lie(name, dims, f"needs {needed} bytes, the file holds {stored}")
        elif stored < 0 and elements > numbers * (2 if _BITS.get(kind, 8) < 8 else 1):
            raise self._lie(name, dims, f"has {elements} elements, the file holds {numbers}")

    def _most_numbers(self, number: int, value: int, stop: int) -> int:
        """How many numbers a field can hold: one a byte if packed; strings come one a field."""
        if number == 6 and stop < 0:
            raise self._damaged(value)
        return stop - value if stop >= 0 and number != 6 else 1

    def _check_shape(self, name: str, dims: list[int], kind: int) -> None:
        if len(dims) > self._caps.rank:
            raise self._lie(name, dims[:8], f"has {len(dims)} axes")
        if any(dim < 0 or dim >= 1 << 48 for dim in dims):
            raise self._lie(name, dims, "has an impossible size")
        if kind != _STRING_TYPE and kind not in _BITS:
            raise self._lie(name, dims, f"has an unknown element type (number {kind})")

    def _entry(self, start: int, end: int, entries: dict[str, str]) -> None:
        texts = {n: self._text(value, stop) for n, value, stop in self._fields(start, end)}
        key = texts.get(1, "")
        if key in entries:
            raise ModelError(f"{self._where}: a tensor gives the {key!r} of its data twice")
        entries[key] = texts.get(2, "")

    def _external(self, name: str, entries: dict[str, str], needed: int) -> None:
        try:
            offset = int(entries.get("offset", "0") or 0)
            length = int(entries["length"]) if entries.get("length") else None
        except ValueError:
            raise ModelError(
                f"{self._where}: tensor {name!r} gives no number for its offset or length"
            ) from None
        if offset < 0 or (length is not None and length < needed):
            raise ModelError(
                f"{self._where}: tensor {name!r} needs {needed} bytes of external data, "
                f"its entry gives {length} at offset {offset}"
            )
        location = entries.get("location", "")
        self._layout.external.append(
            ExternalPiece(
                tensor=name, location=location, offset=offset, length=length, size_bytes=needed
            )
        )

    def _lie(self, name: str, dims: list[int], what: str) -> ModelError:
        return ModelError(
            f"{self._where}: tensor {name!r} of shape {dims} {what}; the file is damaged"
        )

    def _number(self, value: int, stop: int) -> int:
        """A 32-bit number or enumeration, cut as a parser cuts it."""
        if stop >= 0:
            raise self._damaged(value)
        value &= 0xFFFFFFFF
        return value - (1 << 32) if value >> 31 else value

    def _text(self, start: int, end: int) -> str:
        if end < 0 or end - start > 1 << 20:
            raise self._damaged(start)
        return self._data[start:end].decode("utf-8", "replace")

    def _varints(self, start: int, end: int) -> list[int]:
        if end - start > 10 * self._caps.rank:
            raise self._damaged(start)
        found: list[int] = []
        while start < end:
            value, start = self._varint(start, end)
            found.append(value)
        return found

    def _fields(self, position: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (field number, start, end) of bytes, or (field number, value, -1) of a number.

        Raises:
            ModelError: The bytes are cut off, or `end` says that a number stands for a message.
        """
        if end < 0:
            raise self._damaged(position)
        while position < end:
            self._left -= 1
            if self._left < 0:
                raise ModelError(f"{self._where} has more than {self._caps.fields} fields")
            tag, position = self._varint(position, end)
            if not 8 <= tag < 1 << 32:  # there is no field 0, and a tag has 32 bits
                raise self._damaged(position)
            wire = tag & 7
            if wire == _BYTES:
                length, position = self._varint(position, end)
                if length < 0 or length > end - position:
                    raise self._damaged(position)
                yield tag >> 3, position, position + length
                position += length
            elif wire == _VARINT:
                value, position = self._varint(position, end)
                yield tag >> 3, value, -1
            elif wire in {_FIXED32, _FIXED64}:
                position += 4 if wire == _FIXED32 else 8
                if position > end:
                    raise self._damaged(position)
                yield tag >> 3, 0, -1
            else:
                raise self._damaged(position)

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while position < end and shift < 70:
            byte = self._data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                # 64 bits, two's complement, as protobuf writes a negative int64
                return (value - (1 << 64) if value >> 63 else value), position
            shift += 7
        raise self._damaged(position)

    def _damaged(self, position: int) -> ModelError:
        return ModelError(
            f"{self._where} is not an ONNX model, or is damaged or cut off (at byte {position})"
        )
