"""Names that runtimes give, and the nodes that they mean."""

from lissom.graph.describe import NodeInfo
from lissom.measure.attribution import attribute


def node(op_type: str, name: str, inputs: tuple[str, ...], output: str) -> NodeInfo:
    return NodeInfo(
        name=name, op_type=op_type, domain="", inputs=inputs, outputs=(output,), attributes={}
    )


NODES = (
    node("Conv", "conv1", ("x", "w1"), "c1"),
    node("Relu", "relu1", ("c1",), "relu"),
    node("Conv", "conv2", ("relu", "w2"), "c2"),
    node("Conv", "down", ("relu", "w3"), "d"),
    node("Add", "add", ("c2", "d"), "sum"),
    node("MatMul", "fc", ("sum", "w4"), "f"),
    node("Add", "bias", ("f", "b"), "y"),
    node("Softmax", "soft", ("y",), "z"),
)


def test_a_value_s_name_means_the_product_behind_it() -> None:
    executed = [
        ("relu_nchwc", "Conv"),
        ("sum_nchwc", "Conv"),
        ("d_nchwc", "Conv"),
        ("fused fc", "FusedGemm"),
        ("soft", "Softmax"),
        ("ReorderOutput", "ReorderOutput"),
    ]
    # of the two products in front of the sum, one is named itself
    assert attribute(executed, NODES) == ("conv1", "conv2", "down", "fc", "soft", None)


def test_decorations_of_both_runtimes() -> None:
    executed = [
        ("conv1/WithoutBiases", "Convolution f32"),
        ("fc/MatMulScaleFusion/", "FusedMatMul"),
        ("soft_token_12", "Softmax"),
        ("y", "FullyConnected f32"),
    ]
    assert attribute(executed, NODES) == ("conv1", "fc", "soft", None)


def test_no_product_is_answered_twice() -> None:
    found = attribute([("y", "MatMul"), ("f", "MatMul")], NODES)
    assert found == (None, "fc") or found == ("fc", None)


def test_what_cannot_be_told_is_nobody_s() -> None:
    assert attribute([("unheard of", "Conv")], NODES) == (None,)
    assert attribute([], NODES) == ()
