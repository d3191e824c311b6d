"""Numbers that follow from shapes: each operator as the runtime computes it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lissom.graph.channels.arithmetic import MOST, Numbers, reduced_axes
from lissom.graph.model import NodeInfo
from tests.graph.graphs import model_of

SHAPE = (6, 5, 4)


def check_computed(*nodes: onnx.NodeProto, opset: int = 18, **weights: object) -> None:
    """See that every value known by number is what ONNX says, and that the last is known."""
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)]
    made = [node.output[0] for node in nodes]
    graph = helper.make_graph(
        [helper.make_node("Shape", ["x"], ["s"]), *nodes],
        "g",
        ports,
        [onnx.ValueInfoProto(name=name) for name in made],
        initializer=[numpy_helper.from_array(np.asarray(a), n) for n, a in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    answers = dict(
        zip(made, ReferenceEvaluator(proto).run(None, {"x": np.zeros(SHAPE, "f4")}), strict=True)
    )
    model = model_of(proto)
    shapes = {"x": SHAPE, "s": (3,), **{name: np.shape(a) for name, a in answers.items()}}
    numbers = Numbers(model)
    for node in model.nodes:
        numbers.follow(node, shapes)
    for name, answer in answers.items():
        found = numbers.of(name)
        assert found is not None, name
        assert numbers.computed(name)
        assert np.array_equal(found, answer), name
        assert found.shape == np.shape(answer), name


def node(op_type: str, inputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs.split(), [f"out_{op_type}"], **attributes)


@pytest.mark.parametrize(
    "one",
    [
        node("Gather", "s i", axis=0), node("Concat", "s v s", axis=0), node("Mul", "s v"),
        node("Div", "minus v"), node("Max", "s v minus"), node("Min", "s v minus"),
        node("Mod", "minus v"), node("Mod", "minus v", fmod=1), node("Slice", "s one two"),
        node("ReduceProd", "s", keepdims=0), node("ReduceSum", "s", keepdims=1),
        node("ReduceSum", "s", noop_with_empty_axes=1), node("Unsqueeze", "s zero"),
        node("Reshape", "s grid"), node("Cast", "s", to=TensorProto.FLOAT), node("Neg", "s"),
        node("Where", "flags s v"), node("Equal", "s v"), node("Range", "nil i first"),
        node("Sub", "s v"), node("ConstantOfShape", "v",
                                 value=numpy_helper.from_array(np.array([7], np.int64))),
    ],
)  # fmt: skip
def test_numbers_are_those_of_the_operators(one: onnx.NodeProto) -> None:
    extra = []
    if one.op_type == "Range":  # from 0 to the second size by 1
        extra = [helper.make_node("Gather", ["s", "i"], ["limit"])]
        one.input[1] = "limit"
    minus = helper.make_node("Neg", ["s"], ["minus"])
    check_computed(
        minus, *extra, one,
        v=np.array([2, 3, 4]), i=np.array(1), one=np.array([1]), two=np.array([-1]),
        zero=np.array([0]), grid=np.array([-1, 1]), flags=np.array([True, False, True]),
        nil=np.array(0), first=np.array(1),
    )  # fmt: skip


def test_padding_as_torchscript_writes_it() -> None:
    """Pairs from the last axis to the first become all starts, then all ends."""
    check_computed(
        helper.make_node("Concat", ["s", "v"], ["pairs"], axis=0),
        helper.make_node("Reshape", ["pairs", "grid"], ["rows"]),
        helper.make_node("Slice", ["rows", "last", "least", "first", "last"], ["turned"]),
        helper.make_node("Transpose", ["turned"], ["columns"], perm=[1, 0]),
        helper.make_node("Reshape", ["columns", "last"], ["pads"]),
        v=np.array([2, 3, 4]), grid=np.array([-1, 2]), last=np.array([-1]), first=np.array([0]),
        least=np.array([-(2**63) + 1]),
    )  # fmt: skip


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_numbers_laid_out_anew(axis: int) -> None:
    check_computed(
        helper.make_node("Tile", ["s", "four"], ["twelve"]),
        helper.make_node("Reshape", ["twelve", "cube"], ["laid"]),
        helper.make_node("Transpose", ["laid"], ["back"]),
        helper.make_node("Flatten", ["back"], ["flat"], axis=axis),
        four=np.array([4]), cube=np.array([2, 2, 3]),
    )  # fmt: skip


def test_three_numbers_are_compared_without_writing_over_the_third() -> None:
    third = np.array([1, 1, 1])
    check_computed(node("Max", "s v w"), v=np.array([2, 9, 4]), w=third)
    assert third.tolist() == [1, 1, 1]


def test_parts_of_a_shape() -> None:
    check_computed(helper.make_node("Shape", ["x"], ["part"], start=1, end=-1))
    check_computed(helper.make_node("Size", ["x"], ["all"]))


def test_what_makes_no_sense_or_is_large_stays_unknown() -> None:
    numbers = Numbers(model_of(helper.make_model(helper.make_graph([], "g", [], []))))
    numbers.put("s", np.array([2, 3]))
    for op_type, attributes in (("Gather", {"axis": 5}), ("Concat", {}), ("Cast", {"to": 99})):
        info = NodeInfo(name="n", op_type=op_type, domain="", inputs=("s", "s"), outputs=("y",),
                        attributes=attributes)  # fmt: skip
        numbers.follow(info, {"y": (2,)})
        assert numbers.of("y") is None
    info = NodeInfo(name="n", op_type="Neg", domain="", inputs=("s",), outputs=("y",),
                    attributes={})  # fmt: skip
    numbers.follow(info, {"y": (MOST + 1,)})
    assert numbers.of("y") is None
    numbers.follow(info, {"y": (2,)})
    assert numbers.of("y") is not None


def test_another_constant_in_one_node() -> None:
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)]
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], name="shape"),
        helper.make_node("Mul", ["s", "two"], ["d"], name="double"),
        helper.make_node("Mul", ["s", "two"], ["e"], name="other"),
    ]
    weight = numpy_helper.from_array(np.array([2]), "two")
    model = model_of(
        helper.make_model(helper.make_graph(nodes, "g", ports, [], initializer=[weight]))
    )
    numbers = Numbers(model)
    numbers.instead("double", 1, np.array([3]))
    copied = numbers.copy()
    for one in model.nodes:
        copied.follow(one, {"x": SHAPE, "s": (3,), "d": (3,), "e": (3,)})
    assert [copied.of(name).tolist() for name in "de"] == [[18, 15, 12], [12, 10, 8]]
    assert numbers.of("d") is None


@pytest.mark.parametrize(
    ("attributes", "axes"),
    [({}, (0, 1, 2)), ({"axes": (-1, 0)}, (0, 2)), ({"noop_with_empty_axes": 1}, ())],
)
def test_axes_of_a_reduction(attributes: dict[str, object], axes: tuple[int, ...]) -> None:
    info = NodeInfo(name="n", op_type="ReduceSum", domain="", inputs=("x",), outputs=("y",),
                    attributes=attributes)  # fmt: skip
    numbers = Numbers(model_of(helper.make_model(helper.make_graph([], "g", [], []))))
    assert reduced_axes(info, numbers, 3) == axes
