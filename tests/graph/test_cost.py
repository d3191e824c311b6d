import numpy as np
import pytest

from lissom.errors import ModelError
from lissom.graph.cost import macs, work
from lissom.graph.model import Model
from tests import tiny
from tests.graph.graphs import ir_of, model_of, node


def _one(op_type, inputs, shapes, out, domain="", **attributes):
    """The count of one node, from shapes alone."""
    weights = {}
    proto = tiny.model(
        [node("Relu", ["x"], ["y"], "n")], {"x": ("float32", [1])}, {"y": ("float32", [1])}, weights
    )
    proto.graph.node[0].CopyFrom(node(op_type, inputs, ["y"], "n", domain=domain, **attributes))
    known = {name: shape for name, shape in zip(inputs, shapes, strict=True) if name}
    return macs(Model.build(ir_of(proto)), {**known, "y": out})["n"]


@pytest.mark.parametrize(
    ("op_type", "shapes", "out", "attributes", "expected"),
    [
        # 4 x 6 x 6 outputs, each over 3 x 3 x 3 inputs
        ("Conv", [(1, 3, 8, 8), (4, 3, 3, 3)], (1, 4, 6, 6), {}, 4 * 36 * 27),
        ("Conv", [(1, 4, 8), (4, 1, 3)], (1, 4, 6), {"group": 4}, 4 * 6 * 3),
        ("ConvInteger", [(1, 3, 8), (4, 3, 3)], (1, 4, 6), {}, 4 * 6 * 9),
        ("ConvTranspose", [(1, 3, 8), (3, 2, 4)], (1, 2, 11), {}, 24 * 8),
        ("MatMul", [(5, 2, 3), (5, 3, 4)], (5, 2, 4), {}, 5 * 2 * 3 * 4),
        ("MatMul", [(3,), (3,)], (), {}, 3),
        ("Gemm", [(2, 3), (4, 3)], (2, 4), {"transB": 1}, 24),
        ("Gemm", [(3, 2), (3, 4)], (2, 4), {"transA": 1}, 24),
        ("LSTM", [(7, 2, 3), (1, 20, 3), (1, 20, 5)], (7, 1, 2, 5), {}, 14 * 20 * 8),
        ("DynamicQuantizeLSTM", [(7, 2, 3), (1, 3, 20), (1, 5, 20)], (7, 1, 2, 5), {}, 14 * 20 * 8),
        ("GRU", [(7, 2, 3), (2, 15, 3), (2, 15, 5)], (7, 2, 2, 5), {}, 14 * 2 * 15 * 8),
        ("QLinearMatMul", [(2, 3), (), (), (3, 4)], (2, 4), {}, 24),
        ("QLinearConv", [(1, 3, 8), (), (), (4, 3, 3)], (1, 4, 6), {}, 4 * 6 * 9),
        ("MatMulNBits", [(2, 5, 32), (8, 1, 16)], (2, 5, 8), {"K": 32, "N": 8}, 2 * 5 * 32 * 8),
        ("Einsum", [(2, 3), (3, 4)], (2, 4), {"equation": "ij, jk -> ik"}, 24),
        ("Einsum", [(5, 2, 3), (3, 4)], (5, 2, 4), {"equation": "...ij,jk->...ik"}, 120),
        ("Einsum", [(2, 3)], (3, 2), {"equation": "ij->ji"}, 0),
    ],
)  # fmt: skip
def test_by_hand(op_type, shapes, out, attributes, expected):
    inputs = [f"i{index}" for index in range(len(shapes))]
    assert _one(op_type, inputs, shapes, out, **attributes) == expected


def test_a_network_with_weights_of_its_own():
    shapes = {"x": (3, 16), "fc0.out": (3, 32), "relu0.out": (3, 32), "y": (3, 4)}
    assert macs(model_of(tiny.mlp()), shapes) == {"fc0": 3 * 16 * 32, "fc1": 3 * 32 * 4}


def test_nodes_without_known_shapes_are_left_out():
    assert macs(model_of(tiny.mlp()), {"x": (3, 16), "fc0.out": (3, 32)}) == {"fc0": 3 * 16 * 32}


def test_shapes_that_do_not_fit():
    with pytest.raises(ModelError, match="LSTM 'n'"):
        _one("LSTM", ["a", "b", "c"], [(7, 2, 3), (1, 21, 3), (1, 21, 5)], (7, 1, 2, 5))
    with pytest.raises(ModelError, match="Einsum"):
        _one("Einsum", ["a", "b"], [(2, 3), (3,)], (2,), equation="ij,jk->ik")


def test_the_batch_scales_the_count():
    model = model_of(tiny.mlp())
    one, nine = (
        sum(
            macs(
                model, {"x": (n, 16), "fc0.out": (n, 32), "relu0.out": (n, 32), "y": (n, 4)}
            ).values()
        )
        for n in (1, 9)
    )
    assert np.isclose(nine / one, 9)


def test_work_counts_bytes_once():
    shapes = {"x": (3, 16), "fc0.out": (3, 32), "relu0.out": (3, 32), "y": (3, 4)}
    found = work(model_of(tiny.mlp()), shapes)
    first = found["fc0"]
    assert first.macs == 3 * 16 * 32
    assert first.weight_bytes == 4 * (16 * 32 + 32)
    assert first.activation_bytes == 4 * 3 * (16 + 32)
    assert first.bytes_moved == first.weight_bytes + first.activation_bytes
    assert found["relu0"].macs == 0
    assert found["relu0"].weight_bytes == 0


def test_work_leaves_out_what_has_no_shape():
    found = work(model_of(tiny.mlp()), {"x": (3, 16), "fc0.out": (3, 32)})
    assert set(found) == {"fc0"}


def test_a_lookup_reads_the_rows_that_it_gives():
    made = tiny.model(
        [node("Gather", ["table", "at"], ["y"], "look")],
        {"at": ("int64", ["n"])},
        {"y": ("float32", ["n", 8])},
        {"table": np.zeros((1000, 8), np.float32)},
    )
    found = work(model_of(made), {"at": (3,), "y": (3, 8)})["look"]
    assert found.weight_bytes == 4 * 3 * 8
    assert found.activation_bytes == 8 * 3 + 4 * 3 * 8
