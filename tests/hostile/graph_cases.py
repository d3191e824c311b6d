"""Well-formed files of graphs that cannot be: cycles, doubled names, recursion, odd attributes."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from tests import tiny
from tests.hostile.case import Case, case_of, model_case

__all__ = ["NAMES", "cases"]

node = helper.make_node
Change = Callable[[onnx.ModelProto], object]

NAMES = {
    "markup": '"><script>alert(1)</script><img src=x onerror=alert(1)>',
    "terminal escapes": "\x1b[2J\x1b]0;owned\x07\x9b31m\x08\r",
    "path separators": "../../../../etc/cron.d/x",
    "zero characters": "a\0b",
    "200000 letters": "a" * 200_000,
    "reversed text": "\u202egnp.exe\u2066",
    "newlines": "a\nlissom: done\n\n",
    "format strings": "%s%n{0.__class__}{x!r}",
    "spaces": "   ",
    "a formula": "=cmd|' /C calc'!A0",
}


def changed(change: Change, make: Callable[[], onnx.ModelProto] = tiny.mlp) -> onnx.ModelProto:
    proto = make()
    change(proto)
    return proto


def add(*nodes: onnx.NodeProto) -> Change:
    return lambda proto: proto.graph.node.extend(nodes)


def cyclic() -> dict[str, Change]:
    body = helper.make_graph([node("Add", ["b", "b"], ["b"])], "body", [], [])
    return {
        "a node that feeds itself": add(node("Relu", ["z"], ["z"])),
        "two nodes": add(node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["a"])),
        "inside a body": add(node("If", ["x"], ["z"], then_branch=body, else_branch=body)),
        "through a body": add(
            node(
                "If",
                ["x"],
                ["z"],
                then_branch=helper.make_graph([node("Relu", ["z"], ["i"])], "body", [], []),
            )
        ),
        "before its source": lambda proto: proto.graph.node.insert(0, proto.graph.node.pop()),
    }


def doubled() -> dict[str, Change]:
    def same_weight(proto: onnx.ModelProto) -> None:
        proto.graph.initializer.append(proto.graph.initializer[0])

    def same_opset(proto: onnx.ModelProto) -> None:
        proto.opset_import.append(helper.make_opsetid("", 3))

    def same_function(proto: onnx.ModelProto) -> None:
        one = helper.make_function("d", "F", [], [], [], [helper.make_opsetid("", 17)])
        proto.functions.extend([one, one])

    def same_node(proto: onnx.ModelProto) -> None:
        for one in proto.graph.node:
            one.name = "same"

    return {
        "a value of two nodes": add(node("Relu", ["x"], ["y"])),
        "two nodes": same_node,
        "two inputs": lambda proto: proto.graph.input.append(proto.graph.input[0]),
        "two outputs": lambda proto: proto.graph.output.append(proto.graph.output[0]),
        "two weights": same_weight,
        "an input that is an output": lambda proto: proto.graph.output.append(proto.graph.input[0]),
        "a weight that is computed": add(node("Relu", ["x"], ["fc0.weight"])),
        "an output given twice": add(node("Split", ["x"], ["s", "s"], axis=1)),
        "two attributes": lambda proto: proto.graph.node[0].attribute.append(
            proto.graph.node[0].attribute[0]
        ),
        "two opsets": same_opset,
        "two functions": same_function,
    }


def missing() -> dict[str, Change]:
    def set_version(field: str, value: int) -> Change:
        return lambda proto: setattr(proto, field, value)

    def opset(value: int) -> Change:
        return lambda proto: setattr(proto.opset_import[0], "version", value)

    def untyped(proto: onnx.ModelProto) -> None:
        proto.graph.input[0].ClearField("type")

    return {
        "no nodes": lambda proto: proto.graph.ClearField("node"),
        "no outputs": lambda proto: proto.graph.ClearField("output"),
        "no inputs": lambda proto: proto.graph.ClearField("input"),
        "no weights": lambda proto: proto.graph.ClearField("initializer"),
        "no opset": lambda proto: proto.ClearField("opset_import"),
        "opset 0": opset(0),
        "opset -1": opset(-1),
        "opset 999": opset(999),
        "opset 2^62": opset(1 << 62),
        "file format -1": set_version("ir_version", -1),
        "file format 2^62": set_version("ir_version", 1 << 62),
        "an unknown operator": add(node("Nonsense", ["x"], ["z"])),
        "an unknown domain": add(node("F", ["x"], ["z"], domain="evil.example")),
        "no operator": add(node("", ["x"], ["z"])),
        "a node without outputs": add(node("Relu", ["x"], [])),
        "too few inputs": add(node("Gemm", [], ["z"])),
        "too many inputs": add(node("Relu", ["x"] * 500, ["z"])),
        "an input without a type": untyped,
    }


def functions(bodies: dict[str, list[onnx.NodeProto]]) -> Change:
    def change(proto: onnx.ModelProto) -> None:
        imports = [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
        proto.opset_import.append(imports[1])
        for name, nodes in bodies.items():
            proto.functions.append(helper.make_function("d", name, ["a"], ["b"], nodes, imports))
        proto.graph.node.append(node(next(iter(bodies)), ["x"], ["z"], domain="d"))

    return change


def call(name: str, source: str, to: str) -> onnx.NodeProto:
    return node(name, [source], [to], domain="d")


def recursive() -> dict[str, Change]:
    grown = {f"F{i}": [call(f"F{i + 1}", "a", "m"), call(f"F{i + 1}", "m", "b")] for i in range(30)}
    return {
        "calls itself": functions({"F": [call("F", "a", "b")]}),
        "call each other": functions({"F": [call("G", "a", "b")], "G": [call("F", "a", "b")]}),
        "grow to 2^30 nodes": functions({**grown, "F30": [node("Relu", ["a"], ["b"])]}),
        "chain of 2000": functions(
            {f"F{i}": [call(f"F{i + 1}", "a", "b")] for i in range(2000)}
            | {"F2000": [node("Relu", ["a"], ["b"])]}
        ),
        "a standard operator redefined": functions(
            {"Relu": [node("Relu", ["a"], ["b"], domain="")]}
        ),
    }


def attributes() -> dict[str, onnx.NodeProto]:
    """Nodes over `v` [1, 4, 4, 4] and constants, each with an attribute that means nothing."""
    wrong = AttributeProto(name="axis", type=AttributeProto.TENSOR)
    unknown = AttributeProto.FromString(b"\x0a\x04axis\x18\x01\xa0\x01\x4d")  # type 77
    referring = AttributeProto(name="axis", ref_attr_name="nowhere", type=AttributeProto.INT)
    made = {
        "Conv of group 0": node("Conv", ["v", "w"], ["y"], group=0),
        "Conv of group -1": node("Conv", ["v", "w"], ["y"], group=-1),
        "Conv of stride 0": node("Conv", ["v", "w"], ["y"], strides=[0, 0]),
        "Conv of dilation -1": node("Conv", ["v", "w"], ["y"], dilations=[-1, -1]),
        "Conv of pads -9": node("Conv", ["v", "w"], ["y"], pads=[-9] * 4),
        "Conv of kernel 2^40": node("Conv", ["v", "w"], ["y"], kernel_shape=[1 << 40, 1]),
        "Conv of 1000 pads": node("Conv", ["v", "w"], ["y"], pads=[1] * 1000),
        "MaxPool of kernel 0": node("MaxPool", ["v"], ["y"], kernel_shape=[0, 0]),
        "MaxPool of kernel -2^62": node("MaxPool", ["v"], ["y"], kernel_shape=[-(1 << 62)] * 2),
        "Transpose of one axis": node("Transpose", ["v"], ["y"], perm=[0, 0, 0, 0]),
        "Transpose of axis 2^40": node("Transpose", ["v"], ["y"], perm=[0, 1, 2, 1 << 40]),
        "Concat of axis 2^62": node("Concat", ["v", "v"], ["y"], axis=1 << 62),
        "Flatten of axis -2^62": node("Flatten", ["v"], ["y"], axis=-(1 << 62)),
        "Softmax of axis 2^31": node("Softmax", ["v"], ["y"], axis=1 << 31),
        "Reshape to 2^62": node("Reshape", ["v", "large"], ["y"]),
        "Reshape below zero": node("Reshape", ["v", "below"], ["y"]),
        "Gather far away": node("Gather", ["v", "large"], ["y"], axis=3),
        "Slice without steps": node("Slice", ["v", "zero", "large", "zero", "zero"], ["y"]),
        "LSTM of -1": node("LSTM", ["v", "w", "w"], ["y"], hidden_size=-1),
        "DepthToSpace of 0": node("DepthToSpace", ["v"], ["y"], blocksize=0),
        "SpaceToDepth of 0": node("SpaceToDepth", ["v"], ["y"], blocksize=0),
        "Einsum of nonsense": node("Einsum", ["v"], ["y"], equation="....->" + "a" * 10_000),
        "Cast to 77": node("Cast", ["v"], ["y"], to=77),
        "a tensor for a number": node("Softmax", ["v"], ["y"]),
        "an unknown type": node("Softmax", ["v"], ["y"]),
        "a reference to nowhere": node("Softmax", ["v"], ["y"]),
    }
    made["a tensor for a number"].attribute.append(wrong)
    made["an unknown type"].attribute.append(unknown)
    made["a reference to nowhere"].attribute.append(referring)
    return made


def with_attribute(one: onnx.NodeProto) -> onnx.ModelProto:
    weights = {
        "w": np.ones((4, 4, 3, 3), np.float32),
        "large": np.array([1 << 62], np.int64),
        "below": np.array([-5, -1, -1], np.int64),
        "zero": np.array([0], np.int64),
    }
    graph = helper.make_graph(
        [one],
        "odd",
        [helper.make_tensor_value_info("v", TensorProto.FLOAT, [1, 4, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", "c", "d"])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def wrong_types() -> dict[str, Change]:
    def weight(array: np.ndarray) -> Change:
        made = numpy_helper.from_array(array, "fc0.weight")
        return lambda proto: proto.graph.initializer[0].CopyFrom(made)

    def declared(proto: onnx.ModelProto) -> None:
        kind = helper.make_tensor_value_info("x", TensorProto.STRING, ["N", 16])
        proto.graph.input[0].CopyFrom(kind)

    def sequence(proto: onnx.ModelProto) -> None:
        kind = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, ["N", 16])
        proto.graph.input[0].CopyFrom(kind)

    return {
        "weights of text": weight(np.array([["a"] * 16] * 32, object)),
        "weights of bool": weight(np.ones((32, 16), np.bool_)),
        "weights of int64": weight(np.ones((32, 16), np.int64)),
        "weights of complex": weight(np.ones((32, 16), np.complex64)),
        "weights of one axis": weight(np.ones(512, np.float32)),
        "weights of none": weight(np.ones((0, 16), np.float32)),
        "weights of NaN": weight(np.full((32, 16), np.nan, np.float32)),
        "an input of text": declared,
        "an input of sequences": sequence,
    }


def renamed(old: str, new: str) -> Change:
    """Give a value another name wherever it stands, the node of that name too."""

    def change(proto: onnx.ModelProto) -> None:
        proto.producer_name = proto.graph.name = proto.doc_string = new
        proto.metadata_props.add(key=new, value=new)
        for one in proto.graph.node:
            one.name = new
            for names in (one.input, one.output):
                names[:] = [new if name == old else name for name in names]
        for value in (*proto.graph.input, *proto.graph.output):
            value.name = new if value.name == old else value.name

    return change


def names() -> list[Case]:
    found = []
    for index, (name, text) in enumerate(NAMES.items()):
        proto = changed(renamed("x", text))
        found.append(model_case("hostile names", name, proto, fast=index < 2))
        broken = changed(renamed("x", text))
        broken.graph.node.add(op_type=text, input=[text + "!"], output=["z"], domain=text)
        found.append(
            model_case("hostile names in errors", name, broken, refused=True, fast=index < 2)
        )
    return found


def cases() -> list[Case]:
    groups: dict[str, dict[str, Change]] = {
        "cyclic": cyclic(),
        "doubled names": doubled(),
        "missing parts": missing(),
        "functions": recursive(),
        "wrong types": wrong_types(),
    }
    found = [
        case_of(kind, name, lambda change=change: changed(change), fast=index < 1)
        for kind, changes in groups.items()
        for index, (name, change) in enumerate(changes.items())
    ]
    found += [
        model_case("hostile attributes", name, with_attribute(one), fast=index < 1)
        for index, (name, one) in enumerate(attributes().items())
    ]
    return [*found, *names()]
