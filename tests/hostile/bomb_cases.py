"""Models of a few bytes that ask for terabytes or for centuries: when inferred, folded, or run."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.hostile.case import Case, case_of, model_case

__all__ = ["cases", "run_cases"]

HUGE = 10**12
node = helper.make_node
Weights = Mapping[str, np.ndarray]


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def graph_of(nodes, weights: Weights) -> onnx.ModelProto:
    """Nodes that make `y` of weights; `y` is reduced to one number and added to the input `x`."""
    tail = [
        node("Cast", ["y"], ["y_float"], to=TensorProto.FLOAT),
        node("ReduceMax", ["y_float"], ["most"], keepdims=0),
        node("Add", ["x", "most"], ["out"]),
    ]
    graph = helper.make_graph(
        [*nodes, *tail],
        "bomb",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def loop(trips: int, *, depth: int = 0) -> onnx.NodeProto:
    """A loop of so many trips, each of which is such a loop itself, to this depth."""
    step = (
        loop(trips, depth=depth - 1)
        if depth
        else node("Add", ["state_in0", "one"], ["state_out0"], name="step")
    )
    body = helper.make_graph(
        [step, node("Identity", [f"go_in{depth}"], [f"go_out{depth}"])],
        f"body{depth}",
        [
            helper.make_tensor_value_info(f"i{depth}", TensorProto.INT64, []),
            helper.make_tensor_value_info(f"go_in{depth}", TensorProto.BOOL, []),
            helper.make_tensor_value_info(f"state_in{depth}", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info(f"go_out{depth}", TensorProto.BOOL, []),
            helper.make_tensor_value_info(f"state_out{depth}", TensorProto.FLOAT, [1]),
        ],
    )
    start = "one" if depth == LOOPS else f"state_in{depth + 1}"
    out = "y" if depth == LOOPS else f"state_out{depth + 1}"
    return node("Loop", ["trips", "go", start], [out], body=body)


LOOPS = 0


def looping(trips: int) -> onnx.ModelProto:
    weights = {"trips": np.int64(trips), "go": np.bool_(1), "one": floats(1)}
    return graph_of([loop(trips)], weights)


def doubled(op_type: str, levels: int) -> onnx.ModelProto:
    """A value joined with itself, again and again: 2 ** levels numbers."""
    nodes = [
        node(op_type, [f"v{i}", f"v{i}"], [f"v{i + 1}" if i + 1 < levels else "y"], axis=0)
        for i in range(levels)
    ]
    return graph_of(nodes, {"v0": floats(1, 2)})


def growing(op_type: str, factor: int, levels: int) -> onnx.ModelProto:
    """A value tiled or padded again and again."""
    nodes = [
        node(op_type, [f"v{i}", "by"], [f"v{i + 1}" if i + 1 < levels else "y"])
        for i in range(levels)
    ]
    by = ints(factor) if op_type == "Tile" else ints(0, factor)
    return graph_of(nodes, {"v0": floats(1, 2), "by": by})


def one(op_type: str, names: str, weights: Weights, **attributes) -> onnx.ModelProto:
    return graph_of([node(op_type, names.split(), ["y"], **attributes)], weights)


def allocations() -> dict[str, onnx.ModelProto]:
    """Every way to ask for far too much from constants alone."""
    image = np.ones((1, 1, 2, 2), np.float32)
    return {
        "ConstantOfShape of 10^12": one("ConstantOfShape", "s", {"s": ints(HUGE)}),
        "ConstantOfShape of 2^62": one("ConstantOfShape", "s", {"s": ints(1 << 31, 1 << 31)}),
        "ConstantOfShape of 2 GB": one("ConstantOfShape", "s", {"s": ints(1 << 29)}),
        "ConstantOfShape below zero": one("ConstantOfShape", "s", {"s": ints(-5)}),
        "Expand to 10^12": one("Expand", "v s", {"v": floats(1), "s": ints(HUGE)}),
        "Expand to 2 GB": one("Expand", "v s", {"v": floats(1), "s": ints(1 << 29)}),
        "Tile by 10^12": one("Tile", "v s", {"v": floats(1), "s": ints(HUGE)}),
        "Tile by 2^29": one("Tile", "v s", {"v": floats(1), "s": ints(1 << 29)}),
        "Tile in steps": growing("Tile", 1 << 10, 5),
        "Pad by 10^12": one("Pad", "v s", {"v": floats(1), "s": ints(0, HUGE)}),
        "Pad in steps": growing("Pad", 1 << 27, 6),
        "Range to 10^12": one(
            "Range", "a b c", {"a": np.int64(0), "b": np.int64(HUGE), "c": np.int64(1)}
        ),
        "Range to 2^28": one(
            "Range", "a b c", {"a": np.int64(0), "b": np.int64(1 << 28), "c": np.int64(1)}
        ),
        "Range by a hair": one(
            "Range", "a b c", {"a": np.float32(0), "b": np.float32(1), "c": np.float32(1e-30)}
        ),
        "OneHot of 10^12": one(
            "OneHot", "i d v", {"i": ints(1), "d": np.int64(HUGE), "v": floats(0, 1)}
        ),
        "Resize by 10^6": one(
            "Resize", "v none s", {"v": image, "none": floats(), "s": floats(1, 1, 1e6, 1e6)}
        ),
        "Resize to 10^6": one(
            "Resize",
            "v none none2 s",
            {"v": image, "none": floats(), "none2": floats(), "s": ints(1, 1, 10**6, 10**6)},
        ),
        "RandomNormal of 10^12": one("RandomNormal", "", {}, shape=[HUGE]),
        "RandomUniform of 2 GB": one("RandomUniform", "", {}, shape=[1 << 29]),
        "EyeLike of 2^30": graph_of(
            [
                node("ConstantOfShape", ["s"], ["shape"]),
                node("EyeLike", ["shape"], ["y"]),
            ],
            {"s": ints(1 << 15, 1 << 15)},
        ),
        "MatMul of vectors": one(
            "MatMul",
            "a b",
            {"a": np.ones((30_000, 1), np.float32), "b": np.ones((1, 30_000), np.float32)},
        ),
        "Add of vectors": one(
            "Add",
            "a b",
            {"a": np.ones((30_000, 1), np.float32), "b": np.ones((1, 30_000), np.float32)},
        ),
        "Conv with large padding": one("Conv", "v w", {"v": image, "w": image}, pads=[1 << 20] * 4),
        "Concat doubled": doubled("Concat", 40),
        "Gather of everything": graph_of(
            [
                node("Gather", ["v", "i"], ["g0"]),
                node("Gather", ["g0", "i"], ["g1"]),
                node("Gather", ["g1", "i"], ["g2"]),
                node("Gather", ["g2", "i"], ["y"]),
            ],
            {"v": floats(*range(300)), "i": np.zeros((300, 300), np.int64)},
        ),
        "loop of 2^62": looping(1 << 62),
        "loop of 10^7": looping(10**7),
    }


def long_chain(count: int) -> onnx.ModelProto:
    nodes = [node("Relu", [f"v{i}"], [f"v{i + 1}"]) for i in range(count - 1)]
    first = node("Identity", ["x"], ["v0"])
    last = node("ReduceMax", [f"v{count - 1}"], ["y"], keepdims=0)
    return graph_of([first, *nodes, last], {})


def many_weights(count: int) -> onnx.ModelProto:
    return graph_of([node("Identity", ["w0"], ["y"])], {f"w{i}": floats(i) for i in range(count)})


def wide_concat(count: int) -> onnx.ModelProto:
    return graph_of([node("Concat", ["v"] * count, ["y"], axis=0)], {"v": floats(1)})


def cases() -> list[Case]:
    """Bombs for whoever only reads."""
    found = [
        model_case("asks for too much when folded", name, proto, fast=name in FAST)
        for name, proto in allocations().items()
    ]
    large = {
        "chain of 3000": lambda: long_chain(3000),
        "2000 weights": lambda: many_weights(2000),
        "Concat of 20000": lambda: wide_concat(20_000),
        "600000 nodes": many_nodes,
    }
    found += [case_of("very many parts", name, make, fast=False) for name, make in large.items()]
    return found


FAST = ("Expand to 2 GB", "loop of 2^62", "Range to 10^12")


def many_nodes() -> bytes:
    """More nodes than are read, without the memory that building them would take."""
    proto = graph_of([], {})
    one_node = node("Relu", ["x"], ["x1"]).SerializeToString()
    field = b"\x0a" + bytes([len(one_node)]) + one_node
    graph = proto.graph.SerializeToString() + field * 600_000
    del proto.graph.node[:]
    proto.ClearField("graph")
    return proto.SerializeToString() + b"\x3a" + varint(len(graph)) + graph


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def run(path: Path, aside: Path) -> object:
    """Invent an input and run the file itself, as `inspect` does, with limits of a few seconds."""
    from lissom.graph.load import load
    from lissom.isolate.child import ChildLimits
    from lissom.measure.generated import generated
    from lissom.runtime.target import Target
    from lissom.store.store import Store

    store = Store(aside / "store")
    model = load(path, store)
    limits = ChildLimits(seconds=4.0, memory_bytes=500 << 20)
    return generated(path, model.inputs, Target(), store, limits=limits)


def run_cases() -> list[Case]:
    """Bombs that go off at run time."""
    names = (
        "ConstantOfShape of 10^12",
        "ConstantOfShape of 2 GB",
        "Expand to 2 GB",
        "Tile by 2^29",
        "Range to 10^12",
        "RandomUniform of 2 GB",
        "loop of 2^62",
        "Concat doubled",
    )
    found = allocations()
    return [
        model_case(
            "asks for too much when run", name, found[name], read=run, named=False, fast=False
        )
        for name in names
    ]
