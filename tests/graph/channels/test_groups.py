"""Channel groups of small networks: which units, what they cover, and the law of removal."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from lissom.graph.channels.groups import Channels
from lissom.graph.model import Model
from lissom.store.store import Store
from tests.graph.channels.law import alike, check, distance, found_in
from tests.graph.channels.nets import NETS, Net
from tests.graph.channels.small import followed, reasons
from tests.graph.edited import model_of


def feed_for(proto: onnx.ModelProto, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    feed = {}
    for port in proto.graph.input:
        kind = port.type.tensor_type
        sizes = {"n": 2, "length": 5}
        shape = [dim.dim_value or sizes[dim.dim_param] for dim in kind.shape.dim]
        whole = kind.elem_type == onnx.TensorProto.INT64
        feed[port.name] = (
            rng.integers(0, 20, shape) if whole else rng.standard_normal(shape).astype(np.float32)
        )
    return feed


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("seed", [0, 1])
def test_removing_equals_zeroing(name: str, seed: int, tmp_path: Path) -> None:
    proto = NETS[name]()
    found, wrong = check(model_of(proto), feed_for(proto), Store(tmp_path), seed=seed)
    assert not wrong
    assert found.groups
    assert 0.5 < found.coverage < 1.0


def groups_of(name: str, tmp_path: Path) -> Channels:
    proto = NETS[name]()
    return found_in(model_of(proto), feed_for(proto), Store(tmp_path))


UNITS = {
    "plain": [8, 12, 16],
    "normalized": [8],
    "residual": [8, 6, 6],
    "depthwise": [12, 4],
    "grouped": [4, 6],
    "transposed": [8, 3, 2],
    "dense": [6, 4, 4, 5, 5],
    "transformer": [16, 4, 24],
    "few_keys": [16, 2, 24],
    "fused_heads": [4],
    "recurrent": [6, 8],
    "gated": [6, 8],
    "simple_cell": [6, 8],
    "group_norm": [4, 2],
    "scaled_by_width": [9],
}


@pytest.mark.parametrize("name", UNITS)
def test_the_units_are_those_that_a_reader_would_name(name: str, tmp_path: Path) -> None:
    found = groups_of(name, tmp_path)
    assert sorted(group.units for group in found.groups) == sorted(UNITS[name])


def test_what_must_stay_says_why(tmp_path: Path) -> None:
    found = groups_of("plain", tmp_path)
    assert found.coverage > 0.99
    assert "it is an output of the model" in {one.reason for one in found.kept}


def test_a_group_whose_removal_is_refused_is_not_offered() -> None:
    """The truth about 9 channels cannot be kept; those before and behind may leave."""
    net = Net()
    x = net.linear(net.op("Relu", net.linear(net.input([2, 4]), 4, 5)), 5, 9)
    nine = net.op("Equal", net.op("Shape", x, start=1, end=2), net.ints(9))
    y = net.op("Where", nine, net.linear(x, 9, 6), net.input([2, 6]))
    y = net.op("Relu", net.linear(y, 6, 7))
    found = followed(net.done(net.linear(y, 7, 2), 2))
    assert sorted(group.units for group in found.groups) == [5, 7]
    assert "Where 'where9' computes with the number of channels" in reasons(found)


def test_a_model_without_weights_has_no_groups(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"], name="relu")
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3]) for name in "xy"
    ]
    proto = onnx.helper.make_model(onnx.helper.make_graph([node], "g", ports[:1], ports[1:]))
    model: Model = model_of(proto)
    found = found_in(model, {"x": np.zeros((2, 3), np.float32)}, Store(tmp_path))
    assert found.groups == ()
    assert found.coverage == 0.0


def test_a_distance_is_measured_over_the_range() -> None:
    assert distance(np.asarray([1.0, 2.0]), np.asarray([1.0, 4.0])) == 0.5
    assert distance(np.zeros(0), np.zeros(0)) == 0.0
    assert distance(np.asarray([3]), np.asarray([0])) == 3.0


def test_what_is_no_number_counts() -> None:
    numbers, holes = np.asarray([1.0, 2.0]), np.asarray([1.0, np.nan])
    assert distance(holes, numbers) == distance(numbers, holes) == np.inf
    assert distance(holes, holes) == 0.0
    assert distance(np.asarray([1.0, np.inf]), numbers) == np.inf


def test_another_shape_counts() -> None:
    assert distance(np.zeros(3), np.zeros((1, 3))) == np.inf
    assert not alike(np.zeros(3), np.zeros(2))


def test_an_inexact_answer_has_numbers_where_the_original_has() -> None:
    numbers, holes = np.asarray([1.0, 2.0]), np.asarray([1.0, np.nan])
    assert alike(numbers, holes)
    assert alike(holes, holes)
    assert not alike(holes, numbers)
